/* scale.cu - the types of scale.cuh. */
#include "scale.cuh"

static const cudropi_instance_t instances[] = {
    {CUDROP_F32, cudropi_launch_elementwise<cudropi_scale<cudropi_f32>>},
    {CUDROP_F16, cudropi_launch_elementwise<cudropi_scale<cudropi_f16>>},
    {CUDROP_BF16, cudropi_launch_elementwise<cudropi_scale<cudropi_bf16>>},
    {CUDROP_F64, cudropi_launch_elementwise<cudropi_scale<cudropi_f64>>},
    {CUDROP_F8E4M3, cudropi_launch_elementwise<cudropi_scale<cudropi_f8e4m3>>},
    {CUDROP_F8E5M2, cudropi_launch_elementwise<cudropi_scale<cudropi_f8e5m2>>},
};

cudaError_t cudropi_launch_scale(const cudropi_work_t *work) {
  return cudropi_launch_instance(instances, work);
}
