/*
 * maths_cuda.cuh - the kernels of maths_cuda.cu: a thread for each element, row or column.
 *
 * Each result is computed by one thread in a fixed order, without atomics, so that it is
 * the same on every run. Compiled with -fmad=false, it rounds as the host does.
 */
#ifndef MATHS_CUDA_CUH
#define MATHS_CUDA_CUH

#include "cuda_calls.cuh"
#include "maths_element.h"

/* y[r][c] = row[c]; n is rows * cols */
static __global__ void maths_repeat_row(const float *row, int cols, int64_t n, float *y) {
  const int64_t i = cuda_thread();
  if (i < n) y[i] = row[i % cols];
}

/* y[c] = the sum of x[r][c]; neighbours in a warp read neighbours in a row. */
static __global__ void maths_sum_rows(const float *x, int rows, int cols, float *y) {
  const int64_t c = cuda_thread();
  if (c >= cols) return;
  float sum = 0;
  for (int64_t r = 0; r < rows; ++r) sum += x[r * cols + c];
  y[c] = sum;
}

static __global__ void maths_rectify(int64_t n, float *x) {
  const int64_t i = cuda_thread();
  if (i < n) x[i] = maths_rectified(x[i]);
}

static __global__ void maths_differentiate_rectify(int64_t n, const float *y, float *dy) {
  const int64_t i = cuda_thread();
  if (i < n) dy[i] = maths_rectified_gradient(y[i], dy[i]);
}

/* A row a thread: it has but ten logits. */
static __global__ void maths_differentiate_loss(const float *logit, const uint8_t *label,
                                                int rows, int classes, float *d) {
  const int64_t r = cuda_thread();
  if (r >= rows) return;
  maths_loss_gradient(logit + r * classes, label[r], rows, classes, d + r * classes);
}

static __global__ void maths_adam(maths_adam_t step, int64_t n, const float *g,
                                  float *mean, float *square, float *w) {
  const int64_t i = cuda_thread();
  if (i < n) maths_adam_step(&step, g[i], &mean[i], &square[i], &w[i]);
}

#endif /* MATHS_CUDA_CUH */
