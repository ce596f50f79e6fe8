/* norm_gradient.cu - the types and walks of norm_gradient.cuh. */
#include "norm/norm_gradient.cuh"

#define INSTANCE(DTYPE, TYPE)                                 \
  {                                                           \
    DTYPE, {                                                  \
      cudropi_norm_gradient<TYPE, CUDROPI_ROWS_DRAWN>,        \
          cudropi_norm_gradient<TYPE, CUDROPI_ROWS_PREPARED>, \
          cudropi_norm_gradient<TYPE, CUDROPI_ROWS_GENERAL>   \
    }                                                         \
  }

static const cudropi_rows_instance_t instances[] = {
    INSTANCE(CUDROP_F32, cudropi_f32),
    INSTANCE(CUDROP_F16, cudropi_f16),
    INSTANCE(CUDROP_BF16, cudropi_bf16),
};

cudaError_t cudropi_launch_norm_gradient(const cudropi_rows_work_t *work) {
  const cudaError_t error = cudropi_launch_norm_means(work);
  if (error != cudaSuccess) return error;
  return cudropi_rows_launch(instances, CUDROPI_ROWS_DY, work);
}
