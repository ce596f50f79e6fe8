/*
 * row_sum.h - how the elements of a row are summed, the same on every device.
 *
 * A row is cut into chunks of 8 columns, whose elements are added as a tree, ((0 1) (2 3)) ((4 5)
 * (6 7)). Thread t takes the chunks t, t + threads, ... and adds their sums one by one, from +0.
 * The sums of a warp's threads are added as a tree: thread i adds the sum of thread i + 16, then of
 * i + 8, down to i + 1. The sums of the warps are added in order, from +0. So a sum has the same
 * bits on the host and on every GPU.
 */
#ifndef CUDROP_ROW_SUM_H
#define CUDROP_ROW_SUM_H

#include <stdint.h>

#include "cudrop/philox.h"

/* A thread takes up to CUDROPI_ROW_TURNS chunks before the row gets more threads: what threads do
 * together, and once for a row, is then shared by more elements. */
enum { CUDROPI_ROW_MOST_THREADS = 256, CUDROPI_WARP = 32, CUDROPI_ROW_TURNS = 4 };

/* The number of threads for a row of `cols` elements: a power of 2, in whole warps. */
CUDROP_INLINE int32_t cudropi_row_threads(int64_t cols) {
  int32_t threads = CUDROPI_WARP;
  while (threads < CUDROPI_ROW_MOST_THREADS &&
         (int64_t)threads * 8 * CUDROPI_ROW_TURNS < cols)
    threads *= 2;
  return threads;
}

/* The sum of a chunk. */
CUDROP_INLINE float cudropi_row_chunk(const float *v) {
  return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

/* partial[0..distance) += partial[distance..2 * distance) */
static inline void cudropi_row_halve(float *partial, int distance) {
  for (int i = 0; i < distance; ++i) partial[i] = partial[i] + partial[i + distance];
}

/* The sum of the threads' sums partial[0..threads), on the host; partial is overwritten. The steps
 * of the tree are written out: with constant distances the compiler makes vectors. */
static inline float cudropi_row_fold(int32_t threads, float *partial) {
  float total = 0.0f;
  for (int32_t warp = 0; warp < threads; warp += CUDROPI_WARP) {
    cudropi_row_halve(partial + warp, 16);
    cudropi_row_halve(partial + warp, 8);
    cudropi_row_halve(partial + warp, 4);
    cudropi_row_halve(partial + warp, 2);
    cudropi_row_halve(partial + warp, 1);
    total = total + partial[warp];
  }
  return total;
}

#endif /* CUDROP_ROW_SUM_H */
