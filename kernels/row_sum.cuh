/* row_sum.cuh - sums and maxima over the threads of a row. A block has one row or more. */
#ifndef CUDROP_KERNEL_ROW_SUM_CUH
#define CUDROP_KERNEL_ROW_SUM_CUH

#include "call/row_sum.h"
#include "storage.cuh"

/* Floats of shared memory for one sum or one maximum: one per warp of the block. */
enum { CUDROPI_ROW_SHARED = CUDROPI_ROW_MOST_THREADS / CUDROPI_WARP };

/* Combine `begin` and then the values of the row's warps in order, for every thread of the row. */
template <class Combine>
CUDROPI_DEVICE float cudropi_row_warps(int32_t threads, float value, float begin,
                                       float *shared, Combine combine) {
  const uint32_t warp = threadIdx.x / CUDROPI_WARP;
  const uint32_t warps = (uint32_t)threads / CUDROPI_WARP, first = warp / warps * warps;
  if (threads == CUDROPI_WARP) return combine(begin, value);
  __syncthreads(); /* other threads may still read what `shared` held before */
  if (threadIdx.x % CUDROPI_WARP == 0) shared[warp] = value;
  __syncthreads();
  for (uint32_t w = 0; w < warps; ++w) begin = combine(begin, shared[first + w]);
  return begin;
}

/*
 * The sum of `value` over the `threads` threads of the caller's row, in the order of row_sum.h.
 * Each thread of the row gets the sum. All threads of the block must call this function.
 * `shared` has room for CUDROPI_ROW_SHARED floats.
 */
CUDROPI_DEVICE float cudropi_row_sum(int32_t threads, float value, float *shared) {
#pragma unroll
  for (int distance = CUDROPI_WARP / 2; distance > 0; distance /= 2)
    value = value + __shfl_xor_sync(0xffffffffu, value, distance);
  return cudropi_row_warps(threads, value, 0.0f, shared,
                           [](float a, float b) { return a + b; });
}

/* Replace a and b by their sums over the tree of row_sum.h, which begins at `distance`. */
CUDROPI_DEVICE void cudropi_row_tree(int distance, float &a, float &b) {
  for (; distance > 0; distance /= 2) {
    a = a + __shfl_xor_sync(0xffffffffu, a, distance);
    b = b + __shfl_xor_sync(0xffffffffu, b, distance);
  }
}

/* Replace a and b by their sums over the row, with no more barriers than one sum needs. `shared`
 * has room for 2 * CUDROPI_ROW_SHARED floats. */
CUDROPI_DEVICE void cudropi_row_sums(int32_t threads, float &a, float &b, float *shared) {
  const uint32_t warp = threadIdx.x / CUDROPI_WARP;
  const uint32_t warps = (uint32_t)threads / CUDROPI_WARP, first = warp / warps * warps;
  float *shared_b = shared + CUDROPI_ROW_SHARED;
  cudropi_row_tree(CUDROPI_WARP / 2, a, b);
  if (threads == CUDROPI_WARP) {
    a = 0.0f + a;
    b = 0.0f + b;
    return;
  }
  __syncthreads(); /* other threads may still read what `shared` held before */
  if (threadIdx.x % CUDROPI_WARP == 0) {
    shared[warp] = a;
    shared_b[warp] = b;
  }
  __syncthreads();
  a = b = 0.0f;
  for (uint32_t w = 0; w < warps; ++w) {
    a = a + shared[first + w];
    b = b + shared_b[first + w];
  }
}

/* Floats of shared memory for cudropi_whole_sums(). */
enum { CUDROPI_WHOLE_SHARED = 4 * CUDROPI_ROW_MOST_THREADS };

/*
 * Replace a and b by their sums over the row, in the order of row_sum.h. The block has whole rows
 * (tiling.h), 1 << lanes_log2 threads each, and a thread passes the sums of its chunk. All threads
 * of the block must call this function, with the next `turn` each time.
 */
CUDROPI_DEVICE void cudropi_whole_sums(int lanes_log2, int row_log2, uint32_t turn,
                                       float &a, float &b, float *shared) {
  const int32_t lanes = 1 << lanes_log2, threads = 1 << row_log2;
  if (lanes <= CUDROPI_WARP) {
    cudropi_row_tree(lanes / 2, a, b);
    a = 0.0f + a;
    b = 0.0f + b;
    return;
  }
  /* Two halves in turn: a thread that is a turn ahead does not write what others still read. */
  float *const of_a = shared + (turn & 1) * (CUDROPI_WHOLE_SHARED / 2);
  float *const of_b = of_a + CUDROPI_ROW_MOST_THREADS;
  of_a[threadIdx.x] = a;
  of_b[threadIdx.x] = b;
  __syncthreads();
  const int32_t row = (int32_t)threadIdx.x >> lanes_log2 << lanes_log2;
  const int32_t lane = (int32_t)threadIdx.x % CUDROPI_WARP;
  a = b = 0.0f;
  for (int32_t warp = 0; warp < threads; warp += CUDROPI_WARP) {
    float warp_a = 0.0f, warp_b = 0.0f;
#pragma unroll
    for (int turns = 0; turns < CUDROPI_ROW_TURNS; ++turns) {
      const int32_t chunk = turns * threads + warp + lane;
      if (chunk >= lanes) break;
      warp_a = warp_a + of_a[row + chunk];
      warp_b = warp_b + of_b[row + chunk];
    }
    cudropi_row_tree(CUDROPI_WARP / 2, warp_a, warp_b);
    a = a + warp_a;
    b = b + warp_b;
  }
}

/* The maximum of `value` over the row. NaNs are ignored: a row of NaNs alone has -infinity. The
 * rest is as in cudropi_row_sum(). */
CUDROPI_DEVICE float cudropi_row_max(int32_t threads, float value, float *shared) {
#pragma unroll
  for (int distance = CUDROPI_WARP / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return cudropi_row_warps(threads, value, -INFINITY, shared,
                           [](float a, float b) { return fmaxf(a, b); });
}

#endif /* CUDROP_KERNEL_ROW_SUM_CUH */
