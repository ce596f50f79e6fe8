/* launch.h - the kernels as functions of C: one an operator, each a launch and no more. */
#ifndef CUDROP_LAUNCH_H
#define CUDROP_LAUNCH_H

#include <cuda_runtime_api.h>

#include "cuda/geometry.h"
#include "ops/prepare/prepare.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A plan to launch: its walk is DENSE or GENERAL. */
typedef struct {
  const cudropi_plan_t *plan;
  cudropi_walk_t walk;
  int64_t blocks; /* the most a launch may have: more work is done in turns */
  int64_t packs;  /* the most a dense launch may move: more work is launched in turns */
  cudaStream_t stream;
} cudropi_work_t;

/*
 * Launch a plan's kernel on the stream, in the current device. A combination of kernel, type
 * and source that no plan has gives cudaErrorInvalidDeviceFunction.
 */
cudaError_t cudropi_launch_select(const cudropi_work_t *work);
cudaError_t cudropi_launch_scale(const cudropi_work_t *work);
cudaError_t cudropi_launch_accumulate(const cudropi_work_t *work);
cudaError_t cudropi_launch_affine(const cudropi_work_t *work);
cudaError_t cudropi_launch_fill(const cudropi_work_t *work);
cudaError_t cudropi_launch_bytes(const cudropi_work_t *work);
cudaError_t cudropi_launch_bits(const cudropi_work_t *work);
cudaError_t cudropi_launch_count(const cudropi_work_t *work); /* adds to a total of 0 */

/* Write `value` to a prepared block; add to a block's offset. */
cudaError_t cudropi_launch_prepare(cudrop_prepared_t *prepared,
                                   const cudrop_prepared_t *value, cudaStream_t stream);
cudaError_t cudropi_launch_advance(cudrop_prepared_t *prepared, uint64_t offsets,
                                   cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_LAUNCH_H */
