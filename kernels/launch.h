/* launch.h - C functions that launch kernels and do nothing else. */
#ifndef CUDROP_LAUNCH_H
#define CUDROP_LAUNCH_H

#include <cuda_runtime_api.h>

#include "cuda/geometry.h"
#include "ops/prepare/prepare.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A plan to launch. The launch function of an operator (in cudropi_op_t) enqueues the operator's
 * kernels on `stream` of the current device and returns a cudaError_t. The function returns
 * cudaErrorInvalidDeviceFunction for a combination of kernel, type and source that no plan has.
 */
typedef struct cudropi_work {
  const cudropi_plan_t *plan;
  cudropi_walk_t walk; /* DENSE or GENERAL */
  int64_t blocks;      /* the most of an elementwise launch; blocks loop over more work */
  int64_t packs;       /* the most of a dense launch; more packs take several launches */
  bool has_tensor_cores; /* the device's architecture is sm_80 or newer */
  cudaStream_t stream;
} cudropi_work_t;

/* Compute the column sums of the plan from the partial sums of the slabs. */
cudaError_t cudropi_launch_column_sums(const cudropi_work_t *work);

/* Write `value` to a prepared block. */
cudaError_t cudropi_launch_prepare(cudrop_prepared_t *prepared,
                                   const cudrop_prepared_t *value, cudaStream_t stream);

/* Add `offsets` to the offset of a prepared block. */
cudaError_t cudropi_launch_advance(cudrop_prepared_t *prepared, uint64_t offsets,
                                   cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_LAUNCH_H */
