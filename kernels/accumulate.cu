/* accumulate.cu - the types of accumulate.cuh. */
#include "accumulate.cuh"

static const cudropi_instance_t instances[] = {
    {CUDROP_F32, cudropi_launch_elementwise<cudropi_accumulate<cudropi_f32>>},
    {CUDROP_F16, cudropi_launch_elementwise<cudropi_accumulate<cudropi_f16>>},
    {CUDROP_BF16, cudropi_launch_elementwise<cudropi_accumulate<cudropi_bf16>>},
    {CUDROP_F64, cudropi_launch_elementwise<cudropi_accumulate<cudropi_f64>>},
};

cudaError_t cudropi_launch_accumulate(const cudropi_work_t *work) {
  return cudropi_launch_instance(instances, work);
}
