/* fused_gradient.cu - fused_gradient.cuh in each type and walk, and the launch. */
#include "fused/fused_gradient.cuh"
#include "rows_launch.cuh"

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_fused_t>> instances[] =
    CUDROPI_STREAM_INSTANCES(cudropi_fused_gradient, CUDROPI_ROWS_PREPARED);

int cudropi_launch_fused_gradient(const cudropi_work_t *work) {
  return cudropi_rows_launch(instances, work);
}
