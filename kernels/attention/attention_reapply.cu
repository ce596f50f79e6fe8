/* attention_reapply.cu - the types and walks of attention_reapply.cuh. */
#include "attention/attention_reapply.cuh"

#define INSTANCE(DTYPE, TYPE)                                     \
  {                                                               \
    DTYPE, {                                                      \
      cudropi_attention_reapply<TYPE, CUDROPI_ROWS_DRAWN>,        \
          cudropi_attention_reapply<TYPE, CUDROPI_ROWS_PREPARED>, \
          cudropi_attention_reapply<TYPE, CUDROPI_ROWS_GENERAL>   \
    }                                                             \
  }

static const cudropi_rows_instance_t instances[] = {
    INSTANCE(CUDROP_F32, cudropi_f32),
    INSTANCE(CUDROP_F16, cudropi_f16),
    INSTANCE(CUDROP_BF16, cudropi_bf16),
};

cudaError_t cudropi_launch_attention_reapply(const cudropi_rows_work_t *work) {
  return cudropi_rows_launch(instances, CUDROPI_ROWS_WEIGHTS, work);
}
