/* norm.cu - norm.cuh in each type and walk, and the launch. */
#include "norm/norm.cuh"

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_norm_t>> instances[] =
    CUDROPI_STREAM_INSTANCES(cudropi_norm, CUDROPI_ROWS_PREPARED);

int cudropi_launch_norm(const cudropi_work_t *work) {
  return cudropi_row_launch(instances, work);
}
