/* bits.cuh - y = keep, one bit each: element e is bit e & 7 of byte e >> 3. */
#ifndef CUDROP_KERNEL_BITS_CUH
#define CUDROP_KERNEL_BITS_CUH

#include "drop/packed.cuh"

template <bool is_dense>
__global__ void __launch_bounds__(CUDROPI_PACKED_THREADS)
    cudropi_bits(const __grid_constant__ cudropi_general_t args) {
  SHARED_ARRAY(cudrop_prepared_t, mask, 1);
  cudropi_read_mask(args, mask);
  uint8_t *bytes = static_cast<uint8_t *>(args.y.data);
  cudropi_packed_walk<is_dense>(
      args, mask, [=](int64_t byte, uint32_t bits) { bytes[byte] = (uint8_t)bits; });
}

#endif /* CUDROP_KERNEL_BITS_CUH */
