/* draw.cuh - keep bits for the library's own kernels. */
#ifndef CUDROP_KERNEL_DRAW_CUH
#define CUDROP_KERNEL_DRAW_CUH

#include "port.h" /* first: it may define CUDROP_DEVICE_THREADS for device.cuh */

#include "cudrop/device.cuh"
#include "ops/prepare/prepare.h"
#include "storage.cuh"

/* The constants of a plan, in the type of the computation. */
template <class value>
struct cudropi_scalars_t {
  value scale, shift, dropped;
};

CUDROP_INLINE void cudropi_read_scalars(const cudropi_constants_t &constants,
                                        cudropi_scalars_t<float> &scalars) {
  scalars = {constants.f32.scale, constants.f32.shift, constants.f32.dropped};
}

CUDROP_INLINE void cudropi_read_scalars(const cudropi_constants_t &constants,
                                        cudropi_scalars_t<double> &scalars) {
  scalars = {constants.f64.scale, constants.f64.shift, constants.f64.dropped};
}

/*
 * The sources of keep bits for a dense walk. keep8() gives the keep bits of a group. keep1()
 * gives the keep bit of one element of the tail, with little code.
 */

/* A mask by value, for 0 < p < 1 only: keep8() does not look at the fate. */
struct cudropi_from_schedule {
  const cudrop_mask_schedule_t &mask;
  __device__ __forceinline__ void keep8(uint64_t group, bool *keep) const {
    const cudrop_philox_block_t block = cudrop_device_draw(mask, group);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      keep[2 * w] = block.word[w] << 16 >= mask.least;
      keep[2 * w + 1] = block.word[w] >= mask.least;
    }
  }
  __device__ __forceinline__ bool keep1(uint64_t index) const {
    return cudrop_device_keep1(mask, index);
  }
};

/* A prepared mask, of any p. */
struct cudropi_from_prepared {
  const cudrop_mask_schedule_t &mask;
  __device__ __forceinline__ void keep8(uint64_t group, bool *keep) const {
    cudrop_device_keep8(mask, group, keep);
  }
  __device__ __forceinline__ bool keep1(uint64_t index) const {
    return cudrop_device_keep1(mask, index);
  }
};

/* The caller's packed bits, one byte per group. */
struct cudropi_from_bits {
  const uint8_t *bits;
  __device__ __forceinline__ void keep8(uint64_t group, bool *keep) const {
    const uint32_t byte = bits[group];
#pragma unroll
    for (int lane = 0; lane < CUDROP_MASK_LANES; ++lane) keep[lane] = byte >> lane & 1;
  }
  __device__ __forceinline__ bool keep1(uint64_t index) const {
    return bits[index >> 3] >> (index & 7) & 1;
  }
};

/* The keep bits of a group: bit `lane` is the keep bit of element 8 * group + lane. */
CUDROPI_DEVICE uint32_t cudropi_keep_bits(const cudrop_mask_schedule_t &mask,
                                          uint64_t group) {
  bool keep[CUDROP_MASK_LANES];
  uint32_t bits = 0;
  cudrop_device_keep8(mask, group, keep);
#pragma unroll
  for (int lane = 0; lane < CUDROP_MASK_LANES; ++lane)
    bits |= (uint32_t)keep[lane] << lane;
  return bits;
}

/*
 * The keep bits of 8 elements: bit j is the keep bit of element first + j * stride. If bit j of
 * `wanted` is 0, bit j of the result is unspecified. If bit 0 of `wanted` is 0, `first` may
 * have wrapped around below 0.
 */
CUDROPI_DEVICE uint32_t cudropi_keep_strided(const cudrop_mask_schedule_t &mask,
                                             uint64_t first, uint64_t stride,
                                             uint32_t wanted) {
  uint32_t bits = 0;
  if (stride == 1) { /* the elements lie in one group or in two consecutive groups */
    const uint32_t shift = (uint32_t)first & 7;
#pragma unroll 1
    for (uint32_t g = 0; g <= (shift != 0); ++g)
      bits |= cudropi_keep_bits(mask, (first + 7 * g) >> 3) << 8 * g;
    return bits >> shift;
  }
  if (stride == 0) return cudrop_device_keep1(mask, first) ? 0xff : 0;
#pragma unroll 1
  for (uint32_t j = 0; j < CUDROP_MASK_LANES; ++j) {
    if (wanted >> j & 1)
      bits |= (uint32_t)cudrop_device_keep1(mask, first + j * stride) << j;
  }
  return bits;
}

#endif /* CUDROP_KERNEL_DRAW_CUH */
