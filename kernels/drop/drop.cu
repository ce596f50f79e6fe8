/* drop.cu - the operators of drop.cuh in each type, and the launch. */
#include "drop/drop.cuh"

#include "ops/drop/drop.h"

#define INSTANCE(OP, DTYPE, TYPE) \
  { DTYPE, cudropi_launch_elementwise<OP<TYPE>> }

/* FLOATS are the types without FP8, NUMBERS are all types. Operators compute with these. ELEMENTS
 * are all types as bits, for operators that only move elements. */
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
  static cudaError_t launch_##NAME(const cudropi_work_t *work) {           \
    static const cudropi_instance_t instances[] = {TYPES(cudropi_##NAME)}; \
    return cudropi_launch_instance(instances, work);                       \
  }
DEFINE_LAUNCH(scale, NUMBERS)
DEFINE_LAUNCH(accumulate, FLOATS)
DEFINE_LAUNCH(affine, FLOATS)
DEFINE_LAUNCH(fill, NUMBERS)
DEFINE_LAUNCH(select, ELEMENTS)
#define BYTES(OP) INSTANCE(OP, CUDROP_U8, cudropi_bits_of<1>)
DEFINE_LAUNCH(bytes, BYTES)

int cudropi_launch_drop(const cudropi_work_t *work) {
  switch (work->plan->kernel) {
    case CUDROPI_KERNEL_SELECT:
      return launch_select(work);
    case CUDROPI_KERNEL_SCALE:
      return launch_scale(work);
    case CUDROPI_KERNEL_ACCUMULATE:
      return launch_accumulate(work);
    case CUDROPI_KERNEL_AFFINE:
      return launch_affine(work);
    case CUDROPI_KERNEL_FILL:
      return launch_fill(work);
    case CUDROPI_KERNEL_BYTES:
      return launch_bytes(work);
    default:
      return cudaErrorInvalidDeviceFunction;
  }
}
