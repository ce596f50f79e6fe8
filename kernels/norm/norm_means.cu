/* norm_means.cu - the types and walks of norm_means.cuh. */
#include "norm/norm_means.cuh"

/* No mask is drawn: where one is prepared, the walk is that of any other. */
#define INSTANCE(DTYPE, TYPE)                            \
  {                                                      \
    DTYPE, {                                             \
      cudropi_norm_means<TYPE, CUDROPI_ROWS_DRAWN>,      \
          cudropi_norm_means<TYPE, CUDROPI_ROWS_DRAWN>,  \
          cudropi_norm_means<TYPE, CUDROPI_ROWS_GENERAL> \
    }                                                    \
  }

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_norm_t>> instances[] = {
    INSTANCE(CUDROP_F32, cudropi_f32),
    INSTANCE(CUDROP_F16, cudropi_f16),
    INSTANCE(CUDROP_BF16, cudropi_bf16),
};

int cudropi_launch_norm_means(const cudropi_work_t *work) {
  return cudropi_row_launch(instances, work);
}
