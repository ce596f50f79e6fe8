/* fused.cu - fused.cuh in each type and walk, and the launch. */
#include "fused/fused.cuh"
#include "rows_launch.cuh"

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_fused_t>> instances[] =
    CUDROPI_STREAM_INSTANCES(cudropi_fused, CUDROPI_ROWS_PREPARED);

int cudropi_launch_fused(const cudropi_work_t *work) {
  return cudropi_rows_launch(instances, work);
}
