/* norm_gradient.cu - norm_gradient.cuh in each type and walk, and the launch. */
#include "norm/norm_gradient.cuh"

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_norm_t>> instances[] =
    CUDROPI_STREAM_INSTANCES(cudropi_norm_gradient, CUDROPI_ROWS_PREPARED);

int cudropi_launch_norm_gradient(const cudropi_work_t *work) {
  if (work->plan->tiling.tiles > 1) {
    const int error = cudropi_launch_norm_means(work);
    if (error != cudaSuccess) return error;
  }
  return cudropi_rows_launch(instances, work);
}
