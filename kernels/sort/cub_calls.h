/*
 * cub_calls.h - what cub.cu calls in place of the CUDA runtime, by redirect.h; and cub.cu's own
 * functions. nothrow keeps handlers of C++ exceptions, which need a C++ runtime, out of cub.cu.
 */
#ifndef CUDROP_CUB_CALLS_H
#define CUDROP_CUB_CALLS_H

#include <stddef.h>

#include "sort/pairs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CUDROPI_NOTHROW __attribute__((nothrow))

/* The last error of a launch by CUB; the state of the caller is not looked at. */
CUDROPI_NOTHROW cudaError_t cudropi_cub_get_last_error(void);
CUDROPI_NOTHROW cudaError_t cudropi_cub_peek_at_last_error(void);

/* As the runtime's, and the error is kept for the functions above. */
CUDROPI_NOTHROW cudaError_t cudropi_cub_launch_kernel(const void *kernel, dim3 grid,
                                                      dim3 block, void **args,
                                                      size_t shared, cudaStream_t stream);
CUDROPI_NOTHROW cudaError_t cudropi_cub_launch_kernel_ex(const cudaLaunchConfig_t *config,
                                                         const void *kernel, void **args);

/* What the runtime has said before CUB is called. */
CUDROPI_NOTHROW cudaError_t cudropi_cub_get_device(int *device);
CUDROPI_NOTHROW cudaError_t cudropi_cub_get_device_count(int *count);
CUDROPI_NOTHROW cudaError_t
cudropi_cub_get_attributes(struct cudaFuncAttributes *attributes, const void *kernel);

/* CUB does not leave the current device: this succeeds for that device alone. */
CUDROPI_NOTHROW cudaError_t cudropi_cub_set_device(int device);

/* cub::DeviceRadixSort::SortPairs() of a double buffer. With temporary = NULL only *bytes is
 * written. */
cudaError_t cudropi_cub_sort(const cudropi_pairs_t *pairs, void *temporary, size_t *bytes,
                             cudaStream_t stream, int *sorted);

/* A kernel that was compiled with CUB's. */
const void *cudropi_cub_kernel(void);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_CUB_CALLS_H */
