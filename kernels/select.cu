/* select.cu - the types of select.cuh. */
#include "select.cuh"

static const cudropi_instance_t instances[] = {
    {CUDROP_F32, cudropi_launch_elementwise<cudropi_select<cudropi_bits_of<4>>>},
    {CUDROP_F16, cudropi_launch_elementwise<cudropi_select<cudropi_bits_of<2>>>},
    {CUDROP_BF16, cudropi_launch_elementwise<cudropi_select<cudropi_bits_of<2>>>},
    {CUDROP_F64, cudropi_launch_elementwise<cudropi_select<cudropi_bits_of<8>>>},
    {CUDROP_F8E4M3, cudropi_launch_elementwise<cudropi_select<cudropi_bits_of<1>>>},
    {CUDROP_F8E5M2, cudropi_launch_elementwise<cudropi_select<cudropi_bits_of<1>>>},
};

cudaError_t cudropi_launch_select(const cudropi_work_t *work) {
  return cudropi_launch_instance(instances, work);
}
