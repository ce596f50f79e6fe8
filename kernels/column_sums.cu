/* column_sums.cu - the launch of column_sums.cuh */
#include "column_sums.cuh"

cudaError_t cudropi_launch_column_sums(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  cudropi_column_sums_t args = {};
  unsigned sums = 0;
  for (int k = 0; k < CUDROPI_SLOTS; ++k)
    if (cudropi_is_sum(plan, k))
      args.vector[sums++] = {plan->partial[k], plan->operand[k].data,
                             plan->operand[k].dtype};
  if (sums == 0) return cudaSuccess;
  args.slabs = plan->tiling.slabs;
  args.cols = plan->cols;
  args.adds = plan->adds_to_parameters;
  const dim3 grid((unsigned)plan->tiling.chunks, sums);
  return LAUNCH(cudropi_column_sums, grid, CUDROPI_SUMS_THREADS, 0, work->stream, args);
}
