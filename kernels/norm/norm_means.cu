/* norm_means.cu - norm_means.cuh in each type and walk, and the launch. */
#include "norm/norm_means.cuh"

/* The kernel draws no mask, so that a prepared mask takes the same walk as any other mask. */
static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_norm_t>> instances[] =
    CUDROPI_STREAM_INSTANCES(cudropi_norm_means, CUDROPI_ROWS_DRAWN);

int cudropi_launch_norm_means(const cudropi_work_t *work) {
  return cudropi_row_launch(instances, work);
}
