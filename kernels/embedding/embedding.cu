/* embedding.cu - the types and walks of embedding.cuh. */
#include "embedding/embedding.cuh"

#define INSTANCE(DTYPE, TYPE)                             \
  {                                                       \
    DTYPE, {                                              \
      cudropi_embedding<TYPE, CUDROPI_ROWS_DRAWN>,        \
          cudropi_embedding<TYPE, CUDROPI_ROWS_PREPARED>, \
          cudropi_embedding<TYPE, CUDROPI_ROWS_GENERAL>   \
    }                                                     \
  }

static const cudropi_rows_instance_t instances[] = {
    INSTANCE(CUDROP_F32, cudropi_f32),
    INSTANCE(CUDROP_F16, cudropi_f16),
    INSTANCE(CUDROP_BF16, cudropi_bf16),
};

cudaError_t cudropi_launch_embedding(const cudropi_rows_work_t *work) {
  return cudropi_rows_launch(instances, CUDROPI_ROWS_Y, work);
}
