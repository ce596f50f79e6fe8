/* rows_launch.cuh - the instances of kernels of operators on rows, by type and walk, and their
 * launch */
#ifndef CUDROP_KERNEL_ROWS_LAUNCH_CUH
#define CUDROP_KERNEL_ROWS_LAUNCH_CUH

#include "rows.cuh"

/* An operator's kernels, by walk, for one type of the branch and one of the residual stream. */
template <class Args>
struct cudropi_rows_instance_t {
  cudrop_dtype_t branch, stream;
  void (*kernel[CUDROPI_ROWS_WALKS])(Args);
};

/* The instance of a kernel template <type, walk> for one type. */
#define CUDROPI_ROWS_INSTANCE(KERNEL, DTYPE, TYPE)                           \
  {                                                                          \
    DTYPE, DTYPE, {                                                          \
      KERNEL<TYPE, CUDROPI_ROWS_DRAWN>, KERNEL<TYPE, CUDROPI_ROWS_PREPARED>, \
          KERNEL<TYPE, CUDROPI_ROWS_GENERAL>                                 \
    }                                                                        \
  }

/* The instances of a kernel template <type, walk> for every type. */
#define CUDROPI_ROWS_INSTANCES(KERNEL)                           \
  {                                                              \
    CUDROPI_ROWS_INSTANCE(KERNEL, CUDROP_F32, cudropi_f32),      \
        CUDROPI_ROWS_INSTANCE(KERNEL, CUDROP_F16, cudropi_f16),  \
        CUDROPI_ROWS_INSTANCE(KERNEL, CUDROP_BF16, cudropi_bf16) \
  }

/* The instance of a kernel template <branch type, stream type, walk> for one pair of types.
 * PREPARED is the walk for a prepared mask. */
#define CUDROPI_STREAM_INSTANCE(KERNEL, PREPARED, BRANCH, Branch, STREAM, Stream)   \
  {                                                                                 \
    CUDROP_##BRANCH, CUDROP_##STREAM, {                                             \
      KERNEL<Branch, Stream, CUDROPI_ROWS_DRAWN>, KERNEL<Branch, Stream, PREPARED>, \
          KERNEL<Branch, Stream, CUDROPI_ROWS_GENERAL>                              \
    }                                                                               \
  }

/* The instances of such a kernel template for every pair of types. */
#define CUDROPI_STREAM_INSTANCES(KERNEL, PREPARED)                                      \
  {                                                                                     \
    CUDROPI_STREAM_INSTANCE(KERNEL, PREPARED, F32, cudropi_f32, F32, cudropi_f32),      \
        CUDROPI_STREAM_INSTANCE(KERNEL, PREPARED, F16, cudropi_f16, F16, cudropi_f16),  \
        CUDROPI_STREAM_INSTANCE(KERNEL, PREPARED, BF16, cudropi_bf16, BF16,             \
                                cudropi_bf16),                                          \
        CUDROPI_STREAM_INSTANCE(KERNEL, PREPARED, F16, cudropi_f16, F32, cudropi_f32),  \
        CUDROPI_STREAM_INSTANCE(KERNEL, PREPARED, BF16, cudropi_bf16, F32, cudropi_f32) \
  }

static inline cudropi_rows_walk_t cudropi_rows_walk(const cudropi_work_t *work) {
  const cudropi_source_t source = work->plan->draw.source;
  if (work->walk == CUDROPI_WALK_GENERAL) return CUDROPI_ROWS_GENERAL;
  return source == CUDROPI_FROM_PHILOX || source == CUDROPI_FROM_OPERAND
             ? CUDROPI_ROWS_DRAWN
             : CUDROPI_ROWS_PREPARED;
}

/* Launch `blocks` blocks of the kernel for these types and for the walk of `work`. */
template <class Args, int count>
static cudaError_t cudropi_rows_launch_args(
    const cudropi_rows_instance_t<Args> (&instances)[count], cudrop_dtype_t branch,
    cudrop_dtype_t stream, const cudropi_work_t *work, int64_t blocks, const Args &args) {
  const dim3 grid((unsigned)blocks);
  for (const cudropi_rows_instance_t<Args> &instance : instances)
    if (instance.branch == branch && instance.stream == stream)
      return LAUNCH(instance.kernel[cudropi_rows_walk(work)], grid, CUDROPI_TILE_THREADS,
                    0, work->stream, args);
  return cudaErrorInvalidDeviceFunction;
}

/* Launch `blocks` blocks of the kernel for the plan's types, with the plan's arguments. */
template <class Args, int count>
static cudaError_t cudropi_rows_launch_blocks(
    const cudropi_rows_instance_t<Args> (&instances)[count], const cudropi_work_t *work,
    int64_t blocks) {
  const cudropi_plan_t *plan = work->plan;
  return cudropi_rows_launch_args(instances, plan->branch, plan->stream, work, blocks,
                                  cudropi_rows_args<Args>(plan));
}

/* Launch one block for every tile of every slab. */
template <class Args, int count>
static cudaError_t cudropi_rows_launch(
    const cudropi_rows_instance_t<Args> (&instances)[count], const cudropi_work_t *work) {
  const cudropi_tiling_t &tiling = work->plan->tiling;
  return cudropi_rows_launch_blocks(instances, work, tiling.slabs * tiling.tiles);
}

#endif /* CUDROP_KERNEL_ROWS_LAUNCH_CUH */
