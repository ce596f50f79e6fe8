/* norm_means.cu - the types and walks of norm_means.cuh. */
#include "norm/norm_means.cuh"

/* No mask is drawn: where one is prepared, the walk is that of any other. */
static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_norm_t>> instances[] =
    CUDROPI_STREAM_INSTANCES(cudropi_norm_means, CUDROPI_ROWS_DRAWN);

int cudropi_launch_norm_means(const cudropi_work_t *work) {
  return cudropi_row_launch(instances, work);
}
