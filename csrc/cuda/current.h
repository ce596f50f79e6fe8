/* current.h - which of the driver's contexts is current while a call lasts. */
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
 * Fill in *gpu for a device of the runtime. Its primary context is made if it is not there yet,
 * and kept as long as the process lives: buffers outlive contexts of the library, and the last
 * release of a primary context frees its memory.
 */
cudropi_cuda_result_t cudropi_open_gpu(int device, cudropi_gpu_t *gpu);

/*
 * See to it that the calling thread's current context is one of the device: its own if that is
 * so already, else the primary context, pushed. *is_pushed says which; it is false after an error.
 * No other device is touched, and a stream that is being captured does not mind.
 */
cudropi_cuda_result_t cudropi_enter_gpu(const cudropi_gpu_t *gpu, bool *is_pushed);

/* Make a primary context current, whatever is so now. */
cudropi_cuda_result_t cudropi_push_primary(struct CUctx_st *primary);

/* Pop the context that was pushed. */
cudropi_cuda_result_t cudropi_pop_primary(void);

#endif /* CUDROP_CURRENT_H */
