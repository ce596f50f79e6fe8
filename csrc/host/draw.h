/* draw.h - keep bits of elements whose mask indices are evenly apart. */
#ifndef CUDROP_DRAW_H
#define CUDROP_DRAW_H

#include "cudrop/mask.h"

/* A mask with 0 < p < 1, without its index map. */
typedef struct {
  uint64_t seed, offset;
  cudrop_mask_threshold_t threshold;
} cudropi_draw_t;

/* Write to kept[0..n) 1 where the elements first, first + stride, ... are kept, else 0. */
void cudropi_host_draw_indices(const cudropi_draw_t *draw, uint64_t first,
                               uint64_t stride, int n, uint8_t *kept);

#endif /* CUDROP_DRAW_H */
