/* fill.cu - the types of fill.cuh. */
#include "fill.cuh"

static const cudropi_instance_t instances[] = {
    {CUDROP_F32, cudropi_launch_elementwise<cudropi_fill<cudropi_f32>>},
    {CUDROP_F16, cudropi_launch_elementwise<cudropi_fill<cudropi_f16>>},
    {CUDROP_BF16, cudropi_launch_elementwise<cudropi_fill<cudropi_bf16>>},
    {CUDROP_F64, cudropi_launch_elementwise<cudropi_fill<cudropi_f64>>},
    {CUDROP_F8E4M3, cudropi_launch_elementwise<cudropi_fill<cudropi_f8e4m3>>},
    {CUDROP_F8E5M2, cudropi_launch_elementwise<cudropi_fill<cudropi_f8e5m2>>},
};

cudaError_t cudropi_launch_fill(const cudropi_work_t *work) {
  return cudropi_launch_instance(instances, work);
}
