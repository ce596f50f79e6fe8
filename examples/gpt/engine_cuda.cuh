/*
 * engine_cuda.cuh - the kernels of engine_cuda.cu: a thread for each parameter, a warp for each row
 * of logits.
 *
 * Every sum is made in one order, without atomics, so that it is the same on every run. Compiled
 * with -fmad=false, steps of AdamW round as the host's do.
 */
#ifndef ENGINE_CUDA_CUH
#define ENGINE_CUDA_CUH

#include "cuda_calls.cuh"
#include "engine_element.h"

enum { ENGINE_WARP = 32 };

static __device__ __forceinline__ float engine_largest(float value) {
  for (int distance = 1; distance < ENGINE_WARP; distance *= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}

static __device__ __forceinline__ double engine_sum(double value) {
  for (int distance = 1; distance < ENGINE_WARP; distance *= 2)
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

/* What was read of the target's logit was read before a lane writes: the sums lie between. */
static __global__ void engine_judge(engine_judged_t judged) {
  const int64_t row = cuda_thread() / ENGINE_WARP;
  const int64_t lane = threadIdx.x % ENGINE_WARP;
  if (row >= judged.rows) return; /* as its whole warp */
  const int64_t first = row * judged.classes;
  const int32_t target = judged.target[row];
  const float target_logit = engine_load(judged.logits, judged.dtype, first + target);
  float largest = target_logit;
  for (int64_t c = lane; c < judged.classes; c += ENGINE_WARP)
    largest = fmaxf(largest, engine_load(judged.logits, judged.dtype, first + c));
  largest = engine_largest(largest);
  double sum = 0.0;
  for (int64_t c = lane; c < judged.classes; c += ENGINE_WARP)
    sum += (double)expf(engine_load(judged.logits, judged.dtype, first + c) - largest);
  sum = engine_sum(sum);
  if (lane == 0) judged.loss[row] = engine_loss(target_logit, largest, sum);
  for (int64_t c = lane; c < judged.classes; c += ENGINE_WARP) {
    const float logit = engine_load(judged.logits, judged.dtype, first + c);
    engine_store(judged.logits, judged.dtype, first + c,
                 engine_loss_gradient(logit, largest, sum, c == target, judged.scale));
  }
}

static __global__ void engine_update(engine_adamw_t step, engine_trained_t trained) {
  const size_t i = (size_t)cuda_thread();
  if (i >= trained.n) return;
  const float w = engine_step(&step, trained.gradient[i], &trained.mean[i],
                              &trained.square[i], trained.parameter[i]);
  trained.parameter[i] = w;
  if (trained.narrow != NULL) trained.narrow[i] = engine_round(w);
}

static __global__ void engine_narrow(engine_trained_t trained) {
  const size_t i = (size_t)cuda_thread();
  if (i < trained.n) trained.narrow[i] = engine_round(trained.parameter[i]);
}

#endif /* ENGINE_CUDA_CUH */
