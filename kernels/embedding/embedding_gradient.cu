/* embedding_gradient.cu - embedding_gradient.cuh in each type and walk, and the launch. */
#include "embedding/embedding_gradient.cuh"
#include "rows_launch.cuh"

using instance_t = cudropi_rows_instance_t<cudropi_embedding_args_t>;

static const instance_t instances[] = CUDROPI_ROWS_INSTANCES(cudropi_embedding_gradient);

/* The kernel of the higher levels in one type, the same for every walk. */
#define JOIN(DTYPE, TYPE)                                                       \
  {                                                                             \
    DTYPE, DTYPE, {                                                             \
      cudropi_join_runs<TYPE>, cudropi_join_runs<TYPE>, cudropi_join_runs<TYPE> \
    }                                                                           \
  }

static const instance_t joins[] = {
    JOIN(CUDROP_F32, cudropi_f32),
    JOIN(CUDROP_F16, cudropi_f16),
    JOIN(CUDROP_BF16, cudropi_bf16),
};

/* Launch a level: each way of a block takes `width` entries. */
static cudaError_t launch_level(const instance_t (&level)[3], int slot,
                                const cudropi_work_t *work, int sorted, int64_t width) {
  const cudropi_plan_t *plan = work->plan;
  cudropi_embedding_args_t args = cudropi_rows_args<cudropi_embedding_args_t>(plan);
  const int64_t needed = (args.options.gather.entries + width - 1) / width;
  const int32_t ways = plan->tiling.ways;
  args.options.gather.sorted = sorted;
  args.options.gather.width = width;
  return cudropi_rows_launch_args(level, plan->operand[slot].dtype,
                                  plan->operand[slot].dtype, work,
                                  (needed + ways - 1) / ways * plan->tiling.tiles, args);
}

int cudropi_launch_embedding_gradient(const cudropi_work_t *work) {
  const cudropi_gather_t *gather = &cudropi_embedding(work->plan)->gather;
  int error = cudaSuccess, sorted = 0;
  if (gather->is_sorted) error = cudropi_launch_list(work, &sorted);
  if (error == cudaSuccess)
    error = launch_level(instances, CUDROPI_EMBEDDING_GRADIENT_DY, work, sorted,
                         CUDROPI_SEGMENT);
  for (int64_t part = CUDROPI_SEGMENT; part < gather->entries && error == cudaSuccess;
       part *= CUDROPI_SEGMENT)
    error = launch_level(joins, cudropi_find_table(gather), work, sorted, part);
  return error;
}
