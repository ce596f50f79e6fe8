/* prepare.cu - the launches of the kernels in prepare.cuh, with one thread each. */
#include "prepare/prepare.cuh"

cudaError_t cudropi_launch_prepare(cudrop_prepared_t *prepared,
                                   const cudrop_prepared_t *value, cudaStream_t stream) {
  const cudropi_prepare_t args = {prepared, *value};
  return LAUNCH(cudropi_prepare, 1, 1, 0, stream, args);
}

cudaError_t cudropi_launch_advance(cudrop_prepared_t *prepared, uint64_t offsets,
                                   cudaStream_t stream) {
  const cudropi_advance_t args = {prepared, offsets};
  return LAUNCH(cudropi_advance, 1, 1, 0, stream, args);
}
