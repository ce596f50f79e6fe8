/* drop.cu - the types of drop.cuh, by operator. */
#include "drop/drop.cuh"

#define INSTANCE(OP, DTYPE, TYPE) \
  { DTYPE, cudropi_launch_elementwise<OP<TYPE>> }

/* What is computed with, and what is moved too. */
#define FLOATS(OP)                                                              \
  INSTANCE(OP, CUDROP_F32, cudropi_f32), INSTANCE(OP, CUDROP_F16, cudropi_f16), \
      INSTANCE(OP, CUDROP_BF16, cudropi_bf16), INSTANCE(OP, CUDROP_F64, cudropi_f64)
#define NUMBERS(OP)                                        \
  FLOATS(OP), INSTANCE(OP, CUDROP_F8E4M3, cudropi_f8e4m3), \
      INSTANCE(OP, CUDROP_F8E5M2, cudropi_f8e5m2)
#define ELEMENTS(OP)                                   \
  INSTANCE(OP, CUDROP_F32, cudropi_bits_of<4>),        \
      INSTANCE(OP, CUDROP_F16, cudropi_bits_of<2>),    \
      INSTANCE(OP, CUDROP_BF16, cudropi_bits_of<2>),   \
      INSTANCE(OP, CUDROP_F64, cudropi_bits_of<8>),    \
      INSTANCE(OP, CUDROP_F8E4M3, cudropi_bits_of<1>), \
      INSTANCE(OP, CUDROP_F8E5M2, cudropi_bits_of<1>)

#define DEFINE_LAUNCH(NAME, TYPES)                                         \
  cudaError_t cudropi_launch_##NAME(const cudropi_work_t *work) {          \
    static const cudropi_instance_t instances[] = {TYPES(cudropi_##NAME)}; \
    return cudropi_launch_instance(instances, work);                       \
  }
DEFINE_LAUNCH(scale, NUMBERS)
DEFINE_LAUNCH(accumulate, FLOATS)
DEFINE_LAUNCH(affine, FLOATS)
DEFINE_LAUNCH(fill, NUMBERS)
DEFINE_LAUNCH(select, ELEMENTS)

cudaError_t cudropi_launch_bytes(const cudropi_work_t *work) {
  static const cudropi_instance_t instances[] = {
      INSTANCE(cudropi_bytes, CUDROP_U8, cudropi_bits_of<1>)};
  return cudropi_launch_instance(instances, work);
}
