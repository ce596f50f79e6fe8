/* affine.cu - the types of affine.cuh. */
#include "affine.cuh"

static const cudropi_instance_t instances[] = {
    {CUDROP_F32, cudropi_launch_elementwise<cudropi_affine<cudropi_f32>>},
    {CUDROP_F16, cudropi_launch_elementwise<cudropi_affine<cudropi_f16>>},
    {CUDROP_BF16, cudropi_launch_elementwise<cudropi_affine<cudropi_bf16>>},
    {CUDROP_F64, cudropi_launch_elementwise<cudropi_affine<cudropi_f64>>},
};

cudaError_t cudropi_launch_affine(const cudropi_work_t *work) {
  return cudropi_launch_instance(instances, work);
}
