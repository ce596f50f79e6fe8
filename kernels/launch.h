/* launch.h - the kernels as functions of C: each a launch and no more. */
#ifndef CUDROP_LAUNCH_H
#define CUDROP_LAUNCH_H

#include <cuda_runtime_api.h>

#include "cuda/geometry.h"
#include "ops/prepare/prepare.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A plan to launch: its walk is DENSE or GENERAL. An operator's launch, cudropi_op_t's, puts its
 * kernels on the stream, in the current device, and gives a cudaError_t. A combination of kernel,
 * type and source that no plan has gives cudaErrorInvalidDeviceFunction.
 */
typedef struct cudropi_work {
  const cudropi_plan_t *plan;
  cudropi_walk_t walk;
  int64_t
      blocks;    /* the most an elementwise launch may have: more work is done in turns */
  int64_t packs; /* the most a dense one may move: more work is launched in turns */
  cudaStream_t stream;
} cudropi_work_t;

/* Finish the sums of the vector in a slot, from the partial ones of each slab. */
cudaError_t cudropi_launch_column_sums(const cudropi_work_t *work, int slot);

/* Write `value` to a prepared block; add to a block's offset. */
cudaError_t cudropi_launch_prepare(cudrop_prepared_t *prepared,
                                   const cudrop_prepared_t *value, cudaStream_t stream);
cudaError_t cudropi_launch_advance(cudrop_prepared_t *prepared, uint64_t offsets,
                                   cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_LAUNCH_H */
