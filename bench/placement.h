/*
 * placement.h - where the elements of a case lie in memory, and what index map they have.
 *
 * In memory that is counted in elements, data begins at `start`:
 *
 *   memory   | 0 ... start - 1 | data, perhaps with gaps ... | ... positions - 1 |
 */
#ifndef BENCH_PLACEMENT_H
#define BENCH_PLACEMENT_H

#include "catalogue.h"

typedef struct {
  int rank;
  int64_t shape[2];
  int64_t x_stride[2], y_stride[2]; /* a mask of bytes lies as x does */
  int64_t start;
  int64_t positions;
} bench_placement_t;

typedef struct {
  const char *name;
  const char *meaning;
  bool needs_tensor; /* it says nothing of packed bits and totals */
  bool needs_draw;   /* it says nothing of masks that the caller brings */
  bench_placement_t (*place)(int64_t n);
  cudrop_status_t (*map)(cudrop_mask_t *mask, const bench_placement_t *placement);
} bench_layout_t;

extern const bench_layout_t bench_layouts[BENCH_LAYOUTS];

/* How many elements a placement has: n, rounded down to whole rows. */
int64_t bench_placement_count(const bench_placement_t *placement);

/*
 * Which element, counted row-major, lies `at` elements behind the data of a tensor of this
 * shape; -1 for a gap. And the way back.
 */
int64_t bench_find_element(const cudrop_tensor_t *tensor, int64_t at);
int64_t bench_find_position(const cudrop_tensor_t *tensor, int64_t element);

#endif /* BENCH_PLACEMENT_H */
