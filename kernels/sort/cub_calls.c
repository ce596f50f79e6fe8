/*
 * cub_calls.c - what stands between CUB and the CUDA runtime.
 *
 * CUB asks the runtime for facts about a device once, keeps the answers in static variables without
 * a lock, and keeps errors too. So these questions are asked here first, where an error returns and
 * leaves nothing behind, and CUB is told the answers under a lock, in cudropi_open_sort(). Later
 * calls only read the static variables.
 */
#include "sort/cub_calls.h"

#include <pthread.h>
#include <stdbool.h>

/* The call that the thread makes. */
static _Thread_local struct {
  bool is_open; /* the count and the attributes are known */
  int device, devices;
  struct cudaFuncAttributes attributes;
  cudaError_t last;  /* error of a launch, which CUB may clear */
  cudaError_t first; /* error of a launch */
} call;

/* ---- What CUB calls ---------------------------------------------------------------------- */

cudaError_t cudropi_cub_get_last_error(void) {
  const cudaError_t error = call.last;
  call.last = cudaSuccess;
  return error;
}

cudaError_t cudropi_cub_peek_at_last_error(void) {
  return call.last;
}

static cudaError_t keep_error(cudaError_t error) {
  if (error != cudaSuccess) call.last = error;
  if (call.first == cudaSuccess) call.first = error;
  return error;
}

cudaError_t cudropi_cub_launch_kernel(const void *kernel, dim3 grid, dim3 block,
                                      void **args, size_t shared, cudaStream_t stream) {
  return keep_error(cudaLaunchKernel(kernel, grid, block, args, shared, stream));
}

cudaError_t cudropi_cub_launch_kernel_ex(const cudaLaunchConfig_t *config,
                                         const void *kernel, void **args) {
  return keep_error(cudaLaunchKernelExC(config, kernel, args));
}

cudaError_t cudropi_cub_get_device(int *device) {
  *device = call.device;
  return cudaSuccess;
}

cudaError_t cudropi_cub_set_device(int device) {
  return device == call.device ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudropi_cub_get_device_count(int *count) {
  if (!call.is_open) return cudaGetDeviceCount(count);
  *count = call.devices;
  return cudaSuccess;
}

cudaError_t cudropi_cub_get_attributes(struct cudaFuncAttributes *attributes,
                                       const void *kernel) {
  if (!call.is_open) return cudaFuncGetAttributes(attributes, kernel);
  *attributes = call.attributes;
  return cudaSuccess;
}

/* ---- Calls of CUB ------------------------------------------------------------------------ */

#define TRY_CUDA(expression)                              \
  do {                                                    \
    const cudaError_t error_of_try = (expression);        \
    if (error_of_try != cudaSuccess) return error_of_try; \
  } while (0)

cudaError_t cudropi_open_sort(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  const cudropi_pairs_t one = {.n = 1, .bits = 1};
  size_t bytes = 0;
  int sorted = 0;
  TRY_CUDA(cudaGetDevice(&call.device));
  TRY_CUDA(cudaGetDeviceCount(&call.devices));
  TRY_CUDA(cudaFuncGetAttributes(&call.attributes, cudropi_cub_kernel()));
  pthread_mutex_lock(&lock);
  call.is_open = true;
  const cudaError_t error = cudropi_cub_sort(&one, NULL, &bytes, NULL, &sorted);
  call.is_open = false;
  pthread_mutex_unlock(&lock);
  return error;
}

cudaError_t cudropi_sort_pairs(const cudropi_pairs_t *pairs, cudaStream_t stream,
                               int *sorted) {
  size_t bytes = 0;
  TRY_CUDA(cudaGetDevice(&call.device));
  call.last = call.first = cudaSuccess;
  TRY_CUDA(cudropi_cub_sort(pairs, NULL, &bytes, stream, sorted));
  if (bytes > pairs->temporary_bytes) return cudaErrorLaunchOutOfResources;
  bytes = pairs->temporary_bytes;
  TRY_CUDA(cudropi_cub_sort(pairs, pairs->temporary, &bytes, stream, sorted));
  return call.first;
}
