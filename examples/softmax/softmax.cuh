/*
 * softmax.cuh - a kernel of one's own that drops what it computes, without a pass more.
 *
 *   y = drop(softmax(scores))        of every row
 *
 * A warp has a row. A thread holds 8 neighbours in registers, which are a group of the mask:
 * one Philox call for 8 probabilities. cudrop_forward() of the same probabilities, with the
 * same seed, offset and p, gives the same y to the bit; main.cu shows it.
 */
#ifndef SOFTMAX_CUH
#define SOFTMAX_CUH

#include "cudrop/device.cuh"

enum { SOFTMAX_COLS = 256, SOFTMAX_THREADS = 128 }; /* 32 threads of 8 columns; 4 rows */

struct softmax_t {
  const float *scores;  /* [rows, SOFTMAX_COLS], aligned to 16 bytes, as all three */
  float *probabilities; /* not dropped: what backward needs */
  float *y;
  int rows;
  cudrop_mask_schedule_t mask;
};

__global__ void __launch_bounds__(SOFTMAX_THREADS)
    softmax_dropout(const __grid_constant__ softmax_t args) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned row = blockIdx.x * (SOFTMAX_THREADS / 32) + threadIdx.x / 32;
  if (row >= (unsigned)args.rows) return; /* a whole warp, so that no shuffle misses it */
  const size_t first = (size_t)row * SOFTMAX_COLS + 8 * lane;

  float v[8], largest = args.scores[first], sum = 0.0f;
  for (int j = 0; j < 8; ++j) {
    v[j] = args.scores[first + j];
    largest = fmaxf(largest, v[j]);
  }
  for (int distance = 16; distance > 0; distance /= 2)
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, distance));
  for (int j = 0; j < 8; ++j) sum += v[j] = expf(v[j] - largest);
  for (int distance = 16; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);

  /* Elements are numbered row-major, as a plain mask of [rows, cols] does. */
  bool keep[8];
  cudrop_device_keep8(args.mask, first / 8, keep);
  for (int j = 0; j < 8; ++j) {
    const float p = v[j] / sum;
    args.probabilities[first + j] = p;
    args.y[first + j] = keep[j] ? p * args.mask.scale : 0.0f;
  }
}

#endif /* SOFTMAX_CUH */
