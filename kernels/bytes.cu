/* bytes.cu - the types of bytes.cuh. */
#include "bytes.cuh"

static const cudropi_instance_t instances[] = {
    {CUDROP_U8, cudropi_launch_elementwise<cudropi_bytes<cudropi_bits_of<1>>>},
};

cudaError_t cudropi_launch_bytes(const cudropi_work_t *work) {
  return cudropi_launch_instance(instances, work);
}
