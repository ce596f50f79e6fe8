/*
 * maths_launch.cuh - how kernels of a thread for each item are launched on the stream of the maths,
 * and what a call of the CUDA runtime has come to.
 */
#ifndef MATHS_LAUNCH_CUH
#define MATHS_LAUNCH_CUH

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "simt.h" /* tests/simt compiles the kernels for the CPU */
#endif

#include "maths.h"

/* At least n threads, in blocks of 256, on the stream of the maths. */
static inline cudaLaunchConfig_t maths_configure(const maths_t *maths, int64_t n) {
  cudaLaunchConfig_t config = {};
  config.stream = maths->stream;
  config.blockDim = dim3(256);
  config.gridDim = dim3((unsigned)((n + 255) / 256));
  return config;
}

/* What a call of the runtime, or a launch, has come to. */
static inline cudrop_status_t maths_check(maths_t *maths, const char *call,
                                          cudaError_t error) {
  if (error == cudaSuccess) return CUDROP_OK;
  return maths_fail(maths, CUDROP_ERROR_CUDA, "%s failed with %s: %s", call,
                    cudaGetErrorName(error), cudaGetErrorString(error));
}

/* The number of a thread in its launch. */
static __device__ __forceinline__ int64_t maths_thread() {
  return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

#endif /* MATHS_LAUNCH_CUH */
