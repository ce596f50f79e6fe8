/*
 * cuda_calls.cuh - what a program's own work on a GPU begins with: launches and cuBLAS, whose
 * failures become statuses with words.
 */
#ifndef CUDA_CALLS_CUH
#define CUDA_CALLS_CUH

#include <cublas_v2.h>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "simt.h" /* tests/simt compiles the kernels for the CPU */
#endif

#include "failure.h"

/* What became of a call of the runtime. */
static inline cudrop_status_t cuda_check(failure_t *failure, const char *call,
                                         cudaError_t error) {
  if (error == cudaSuccess) return CUDROP_OK;
  return failure_say(failure, CUDROP_ERROR_CUDA, "%s failed with %s: %s", call,
                     cudaGetErrorName(error), cudaGetErrorString(error));
}

/* At least n threads, in blocks of 256, on a stream. */
static inline cudaLaunchConfig_t cuda_configure(int64_t n, cudaStream_t stream) {
  cudaLaunchConfig_t config = {};
  config.stream = stream;
  config.blockDim = dim3(256);
  config.gridDim = dim3((unsigned)((n + 255) / 256));
  return config;
}

/* The number of a thread in its launch. */
static __device__ __forceinline__ int64_t cuda_thread() {
  return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

static inline cudrop_status_t cublas_check(failure_t *failure, const char *call,
                                           cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return CUDROP_OK;
  return failure_say(failure, CUDROP_ERROR_CUDA, "%s failed with %s", call,
                     cublasGetStatusName(status));
}

static inline cudrop_status_t cublas_open(failure_t *failure, cublasHandle_t *blas,
                                          cublasMath_t mode) {
  TRY(cublas_check(failure, "cublasCreate", cublasCreate(blas)));
  return cublas_check(failure, "cublasSetMathMode", cublasSetMathMode(*blas, mode));
}

/* Ends the handle, if there is one. */
static inline cudrop_status_t cublas_close(failure_t *failure, cublasHandle_t *blas) {
  const cublasHandle_t ended = *blas;
  *blas = NULL;
  return ended == NULL ? CUDROP_OK
                       : cublas_check(failure, "cublasDestroy", cublasDestroy(ended));
}

#endif /* CUDA_CALLS_CUH */
