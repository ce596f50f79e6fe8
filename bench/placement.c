/* placement.c - the layouts. */
#include "placement.h"

enum { ROW = 1024, CHANNEL = 256 }; /* elements in a row of a matrix, and in a channel */

static bench_placement_t place_vector(int64_t n, int64_t start, int64_t stride) {
  return (bench_placement_t){.rank = 1,
                             .shape = {n},
                             .x_stride = {stride},
                             .y_stride = {stride},
                             .start = start,
                             .positions = start + n * stride};
}

static bench_placement_t place_dense(int64_t n) {
  return place_vector(n, 0, 1);
}

static bench_placement_t place_misaligned(int64_t n) {
  return place_vector(n, 1, 1);
}

static bench_placement_t place_second(int64_t n) {
  return place_vector(n, 0, 2);
}

/* Whole rows of `row` elements, or one row where there are fewer. */
static bench_placement_t place_matrix(int64_t n, int64_t row) {
  const int64_t cols = n < row ? n : row, rows = n / cols;
  return (bench_placement_t){.rank = 2,
                             .shape = {rows, cols},
                             .x_stride = {cols, 1},
                             .y_stride = {cols, 1},
                             .positions = rows * cols};
}

static bench_placement_t place_transposed(int64_t n) {
  bench_placement_t placement = place_matrix(n, ROW);
  placement.y_stride[0] = 1;
  placement.y_stride[1] = placement.shape[0];
  return placement;
}

static bench_placement_t place_channels(int64_t n) {
  return place_matrix(n, CHANNEL);
}

static cudrop_status_t map_channels(cudrop_mask_t *mask,
                                    const bench_placement_t *placement) {
  return cudrop_mask_share(mask, placement->rank, placement->shape, NULL, 1u << 1);
}

/* The columns from an odd one on of a matrix that is twice as wide. */
static bench_placement_t place_shard(int64_t n) {
  bench_placement_t placement = place_matrix(n, ROW);
  const int64_t cols = placement.shape[1];
  placement.x_stride[0] = placement.y_stride[0] = 2 * cols;
  placement.start = cols / 2 | 1;
  placement.positions *= 2;
  return placement;
}

static cudrop_status_t map_shard(cudrop_mask_t *mask,
                                 const bench_placement_t *placement) {
  const int64_t whole[] = {placement->shape[0], 2 * placement->shape[1]};
  const int64_t start[] = {0, placement->start};
  return cudrop_mask_shard(mask, 2, whole, start);
}

const bench_layout_t bench_layouts[BENCH_LAYOUTS] = {
    [BENCH_DENSE] = {"dense", "one piece, aligned to 256 bytes", false, false,
                     place_dense, NULL},
    [BENCH_MISALIGNED] = {"misaligned", "one piece that begins one element later", true,
                          false, place_misaligned, NULL},
    [BENCH_SHARD] = {"shard",
                     "1024 columns from column 513 on of a matrix of 2048, in its memory "
                     "and with its mask",
                     false, false, place_shard, map_shard},
    [BENCH_TRANSPOSED] = {"transposed",
                          "rows of 1024; x lies row by row, y column by column", true,
                          false, place_transposed, NULL},
    [BENCH_SECOND] = {"second", "every second element of memory", true, false,
                      place_second, NULL},
    [BENCH_CHANNELS] = {"channels", "Dropout2d: 256 elements of a channel share one fate",
                        false, true, place_channels, map_channels},
};

int64_t bench_placement_count(const bench_placement_t *placement) {
  return placement->rank == 1 ? placement->shape[0]
                              : placement->shape[0] * placement->shape[1];
}

int64_t bench_find_element(const cudrop_tensor_t *tensor, int64_t at) {
  int64_t coordinate[2] = {0, 0};
  const int outer = tensor->rank == 2 && tensor->stride[1] > tensor->stride[0];
  for (int k = 0; k < tensor->rank; ++k) { /* from the longest stride to the shortest */
    const int d = k ^ outer;
    if (at < 0) return -1;
    coordinate[d] = tensor->shape[d] > 1 ? at / tensor->stride[d] : 0;
    at -= coordinate[d] * tensor->stride[d];
    if (coordinate[d] >= tensor->shape[d]) return -1;
  }
  if (at != 0) return -1;
  return tensor->rank == 1 ? coordinate[0]
                           : coordinate[0] * tensor->shape[1] + coordinate[1];
}

int64_t bench_find_position(const cudrop_tensor_t *tensor, int64_t element) {
  if (tensor->rank == 1) return element * tensor->stride[0];
  return element / tensor->shape[1] * tensor->stride[0] +
         element % tensor->shape[1] * tensor->stride[1];
}
