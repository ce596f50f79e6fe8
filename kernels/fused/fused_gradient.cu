/* fused_gradient.cu - the types and walks of fused_gradient.cuh. */
#include "fused/fused_gradient.cuh"

#define INSTANCE(DTYPE, TYPE)                                  \
  {                                                            \
    DTYPE, {                                                   \
      cudropi_fused_gradient<TYPE, CUDROPI_ROWS_DRAWN>,        \
          cudropi_fused_gradient<TYPE, CUDROPI_ROWS_PREPARED>, \
          cudropi_fused_gradient<TYPE, CUDROPI_ROWS_GENERAL>   \
    }                                                          \
  }

static const cudropi_rows_instance_t instances[] = {
    INSTANCE(CUDROP_F32, cudropi_f32),
    INSTANCE(CUDROP_F16, cudropi_f16),
    INSTANCE(CUDROP_BF16, cudropi_bf16),
};

cudaError_t cudropi_launch_fused_gradient(const cudropi_rows_work_t *work) {
  return cudropi_rows_launch(instances, CUDROPI_ROWS_DY, work);
}
