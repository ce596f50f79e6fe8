/* mask_in_cuda.cu - mask.h as nvcc reads it, for the device and for the host. */
#include "cudrop/mask.h"

/* Compiled for every architecture; run only where there is a GPU. */
__global__ void draw_on_device(uint64_t seed, uint64_t offset, uint64_t groups, double p,
                               uint8_t *bits) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(p);
  const uint64_t group = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (group < groups)
    bits[group] = (uint8_t)cudrop_mask_keep_group(seed, offset, group, threshold);
}

extern "C" int keep_in_cuda(uint64_t seed, uint64_t offset, uint64_t index, double p) {
  return cudrop_mask_keep(seed, offset, index, cudrop_mask_threshold(p));
}
