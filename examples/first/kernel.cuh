#include <cudrop/device.cuh>

/* y = keep ? x * scale : 0, of n elements, a multiple of 8: a thread draws and drops eight. */
__global__ void drop(const __grid_constant__ cudrop_mask_schedule_t mask, const float *x,
                     float *y, uint64_t n) {
  const uint64_t group = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x;
  const uint64_t first = 8 * group;
  bool keep[8];
  if (first >= n) return;
  cudrop_device_keep8(mask, group, keep);
  for (int lane = 0; lane < 8; ++lane)
    y[first + lane] = keep[lane] ? x[first + lane] * mask.scale : 0.0f;
}
/* drop<<<(n / 8 + 255) / 256, 256, 0, stream>>>(cudrop_mask_schedule(42, 0, 0.1), x, y, n); */
