/* draw_host.h - keep bytes on the host: 1 where an element is kept, else 0. */
#ifndef CUDROP_DRAW_HOST_H
#define CUDROP_DRAW_HOST_H

#include "cudrop/mask.h"

/* Write the keep bytes of the elements first, first + stride, ... to kept[0..n), for a mask with
 * 0 < p < 1. */
void cudropi_draw_indices(const cudrop_mask_schedule_t *mask, uint64_t first,
                          uint64_t stride, int n, uint8_t *kept);

/* Lines of n neighbours each, the first from the first element of `group` on. n is a multiple of
 * CUDROPI_SPAN_STEP. */
typedef struct {
  uint64_t group, group_step; /* from line to line */
  int lines;
  int64_t n;
} cudropi_lines_t;

/* Write the keep bytes of lines, one line behind the other, to kept. The function uses vectors. */
typedef void cudropi_draw_groups_t(const cudrop_mask_schedule_t *mask,
                                   const cudropi_lines_t *lines, uint8_t *kept);

cudropi_draw_groups_t cudropi_draw_sse2, cudropi_draw_avx2, cudropi_draw_avx512;

#endif /* CUDROP_DRAW_HOST_H */
