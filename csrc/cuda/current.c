/*
 * current.c - the driver's stack of contexts.
 *
 * cudaSetDevice() could enter a device but not go back: it would make a primary context on a former
 * device that has none, and it would replace a context that the program made itself. Pushing and
 * popping touches only the context of the device that is entered.
 *
 * The driver's functions are looked up at run time, so the library loads without a driver.
 */
#include "cuda/current.h"

#include <cudaTypedefs.h>
#include <stdatomic.h>
#include <string.h>

/* The functions below have the prototypes of CUDA 12.0, whatever the driver's version is. */
enum { DRIVER_VERSION = 12000 };

/* Every cudropi_open_gpu() stores the same addresses here, so threads need no lock. */
static _Atomic(PFN_cuDeviceGet_v2000) get_device;
static _Atomic(PFN_cuDevicePrimaryCtxRetain_v7000) retain;
static _Atomic(PFN_cuCtxGetDevice_v2000) get_current_device;
static _Atomic(PFN_cuCtxPushCurrent_v4000) push;
static _Atomic(PFN_cuCtxPopCurrent_v4000) pop;

/* CUDA numbers the errors of the driver like those of the runtime. */
static cudropi_cuda_result_t driver_result(CUresult result, const char *call) {
  return (cudropi_cuda_result_t){(cudaError_t)result, call};
}

static bool is_success(cudropi_cuda_result_t result) {
  return result.error == cudaSuccess;
}

/* Write the address of the driver's function `name` to *function, a pointer to a function. */
static cudropi_cuda_result_t look_up(const char *name, void *function) {
  void *address = NULL;
  enum cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t error = cudaGetDriverEntryPointByVersion(
      name, &address, DRIVER_VERSION, cudaEnableDefault, &found);
  const bool is_missing = error == cudaSuccess && address == NULL;
  memcpy(function, &address, sizeof address);
  return (cudropi_cuda_result_t){is_missing ? cudaErrorSymbolNotFound : error,
                                 "cudaGetDriverEntryPointByVersion"};
}

#define TRY_RESULT(expression)                                \
  do {                                                        \
    const cudropi_cuda_result_t result_of_try = (expression); \
    if (!is_success(result_of_try)) return result_of_try;     \
  } while (0)

static cudropi_cuda_result_t look_up_all(void) {
  PFN_cuDeviceGet_v2000 found_device = NULL;
  PFN_cuDevicePrimaryCtxRetain_v7000 found_retain = NULL;
  PFN_cuCtxGetDevice_v2000 found_current_device = NULL;
  PFN_cuCtxPushCurrent_v4000 found_push = NULL;
  PFN_cuCtxPopCurrent_v4000 found_pop = NULL;
  TRY_RESULT(look_up("cuDeviceGet", &found_device));
  TRY_RESULT(look_up("cuDevicePrimaryCtxRetain", &found_retain));
  TRY_RESULT(look_up("cuCtxGetDevice", &found_current_device));
  TRY_RESULT(look_up("cuCtxPushCurrent", &found_push));
  TRY_RESULT(look_up("cuCtxPopCurrent", &found_pop));
  atomic_store(&get_device, found_device);
  atomic_store(&retain, found_retain);
  atomic_store(&get_current_device, found_current_device);
  atomic_store(&push, found_push);
  atomic_store(&pop, found_pop);
  return driver_result(CUDA_SUCCESS, "");
}

cudropi_cuda_result_t cudropi_open_gpu(int device, cudropi_gpu_t *gpu) {
  TRY_RESULT(look_up_all());
  TRY_RESULT(
      driver_result(atomic_load(&get_device)(&gpu->handle, device), "cuDeviceGet"));
  return driver_result(atomic_load(&retain)(&gpu->primary, gpu->handle),
                       "cuDevicePrimaryCtxRetain");
}

cudropi_cuda_result_t cudropi_enter_gpu(const cudropi_gpu_t *gpu, bool *is_pushed) {
  CUdevice current = 0;
  *is_pushed = false;
  const CUresult result = atomic_load(&get_current_device)(&current);
  const bool has_current = result != CUDA_ERROR_INVALID_CONTEXT;
  if (has_current) TRY_RESULT(driver_result(result, "cuCtxGetDevice"));
  if (has_current && current == gpu->handle) return driver_result(CUDA_SUCCESS, "");
  TRY_RESULT(cudropi_push_primary(gpu->primary));
  *is_pushed = true;
  return driver_result(CUDA_SUCCESS, "");
}

cudropi_cuda_result_t cudropi_push_primary(struct CUctx_st *primary) {
  return driver_result(atomic_load(&push)(primary), "cuCtxPushCurrent");
}

cudropi_cuda_result_t cudropi_pop_primary(void) {
  CUcontext popped = NULL;
  return driver_result(atomic_load(&pop)(&popped), "cuCtxPopCurrent");
}
