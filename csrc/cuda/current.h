/* current.h - which of the driver's contexts is current during a call. */
#ifndef CUDROP_CURRENT_H
#define CUDROP_CURRENT_H

#include <cuda_runtime_api.h>
#include <stdbool.h>

#include "core/context.h"

/* What a call of CUDA returned, and its name. */
typedef struct {
  cudaError_t error;
  const char *call;
} cudropi_cuda_result_t;

/*
 * Fill in *gpu for a device of the runtime. The device's primary context is retained, and made if
 * necessary. It is never released: buffers outlive the library's contexts, and the last release of
 * a primary context frees its memory.
 */
cudropi_cuda_result_t cudropi_open_gpu(int device, cudropi_gpu_t *gpu);

/*
 * Make a context of the device current in the calling thread. If the current context is one of the
 * device, nothing changes; else the primary context is pushed and *is_pushed is true. *is_pushed is
 * false after an error. No other device is touched. The call may be made during stream capture.
 */
cudropi_cuda_result_t cudropi_enter_gpu(const cudropi_gpu_t *gpu, bool *is_pushed);

/* Make a primary context current, whatever is current now. */
cudropi_cuda_result_t cudropi_push_primary(struct CUctx_st *primary);

/* Pop the context that was pushed. */
cudropi_cuda_result_t cudropi_pop_primary(void);

#endif /* CUDROP_CURRENT_H */
