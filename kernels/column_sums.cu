/* column_sums.cu - column_sums.cuh in each type, and the launch. */
#include "column_sums.cuh"

static const struct {
  cudrop_dtype_t dtype;
  void (*kernel)(cudropi_column_sums_t);
} instances[] = {{CUDROP_F32, cudropi_column_sums<cudropi_f32>},
                 {CUDROP_F16, cudropi_column_sums<cudropi_f16>},
                 {CUDROP_BF16, cudropi_column_sums<cudropi_bf16>}};

cudaError_t cudropi_launch_column_sums(const cudropi_work_t *work, int slot) {
  const cudropi_plan_t *plan = work->plan;
  const cudropi_operand_t *sums = &plan->operand[slot];
  const cudropi_column_sums_t args = {plan->partial[slot], sums->data, plan->tiling.slabs,
                                      plan->cols, plan->adds_to_parameters};
  const dim3 grid((unsigned)plan->tiling.chunks);
  for (const auto &instance : instances)
    if (instance.dtype == sums->dtype)
      return LAUNCH(instance.kernel, grid, CUDROPI_SUMS_THREADS, 0, work->stream, args);
  return cudaErrorInvalidDeviceFunction;
}
