/*
 * row_walk.cuh - the walk of kernels that need sums along rows. A block has one row or more. The
 * threads of a row take the row's chunks in turn, as in row_sum.h.
 */
#ifndef CUDROP_KERNEL_ROW_WALK_CUH
#define CUDROP_KERNEL_ROW_WALK_CUH

#include "row_sum.cuh"
#include "rows_cursor.cuh"
#include "rows_launch.cuh"

/* Tuning: the least number of blocks of a norm that fit on a multiprocessor. GENERAL needs more
 * registers. */
constexpr int cudropi_norm_blocks(cudropi_rows_walk_t walk) {
  return walk == CUDROPI_ROWS_GENERAL ? 1 : 2;
}

struct cudropi_row_walk_t {
  cudropi_rows_place_t first; /* the thread's first chunk */
  int64_t end;                /* the row's columns, or 0 if there is no such row */
  int32_t step;               /* columns from one chunk of the thread to the next */
};

/* Begin the walk of the thread, whose row has `threads` threads. */
CUDROPI_DEVICE cudropi_row_walk_t cudropi_row_begin(const cudropi_rows_args_t &args,
                                                    int32_t threads) {
  const uint32_t in_block = CUDROPI_TILE_THREADS / (uint32_t)threads;
  cudropi_row_walk_t walk;
  walk.first.row = (int64_t)blockIdx.x * in_block + threadIdx.x / (uint32_t)threads;
  walk.first.col = (int64_t)(threadIdx.x % (uint32_t)threads) * CUDROPI_CHUNK;
  walk.first.valid = cudropi_rows_valid(args, walk.first.col);
  walk.end = walk.first.row < args.rows ? args.cols : 0;
  walk.step = threads * CUDROPI_CHUNK;
  return walk;
}

/* Go to the thread's next chunk. */
CUDROPI_DEVICE void cudropi_row_next(const cudropi_rows_args_t &args,
                                     const cudropi_row_walk_t &walk,
                                     cudropi_rows_place_t &place) {
  place.col += walk.step;
  place.valid = cudropi_rows_valid(args, place.col);
}

/* A cursor that goes along the row with the thread. */
template <class Type>
CUDROPI_DEVICE cudropi_rows_cursor_t<Type> cudropi_row_point(
    const cudropi_rows_args_t &args, int operand, const cudropi_row_walk_t &walk) {
  return cudropi_rows_point<Type>(args, operand, walk.first, 0, walk.step);
}

/* sum += the valid elements of a chunk, in the order of row_sum.h. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE void cudropi_row_add(const cudropi_rows_place_t &place,
                                    const float (&values)[CUDROPI_CHUNK], float &sum) {
  float valid[CUDROPI_CHUNK];
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j)
    valid[j] = walk != CUDROPI_ROWS_GENERAL || place.valid >> j & 1 ? values[j] : 0.0f;
  sum = sum + cudropi_row_chunk(valid);
}

/* Where an operand with one F32 per row has that of `row`. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE float *cudropi_row_element(const cudropi_rows_args_t &args, int operand,
                                          int64_t row) {
  const cudropi_rows_side_t &side = args.side[operand];
  return static_cast<float *>(side.data) +
         (walk != CUDROPI_ROWS_GENERAL
              ? row * side.stride[0]
              : cudropi_row_place(args.rank, args.shape, side.stride, row));
}

/* Element `row` of an operand that has one F32 per row; 0 if the operand is absent. */
template <cudropi_rows_walk_t walk = CUDROPI_ROWS_GENERAL>
CUDROPI_DEVICE float cudropi_row_read(const cudropi_rows_args_t &args, int operand,
                                      int64_t row) {
  if (args.side[operand].data == nullptr) return 0.0f;
  return *cudropi_row_element<walk>(args, operand, row);
}

template <cudropi_rows_walk_t walk = CUDROPI_ROWS_GENERAL>
CUDROPI_DEVICE void cudropi_row_write(const cudropi_rows_args_t &args, int operand,
                                      int64_t row, float value) {
  if (args.side[operand].data == nullptr) return;
  *cudropi_row_element<walk>(args, operand, row) = value;
}

/* Like cudropi_rows_launch(), but with one block per group of rows. */
template <class Args, int count>
static cudaError_t cudropi_row_launch(
    const cudropi_rows_instance_t<Args> (&instances)[count], const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  const int64_t in_block = CUDROPI_TILE_THREADS / cudropi_row_threads(plan->cols);
  return cudropi_rows_launch_blocks(instances, work,
                                    (plan->rows + in_block - 1) / in_block);
}

#endif /* CUDROP_KERNEL_ROW_WALK_CUH */
