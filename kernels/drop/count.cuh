/* count.cuh - y += the number of kept elements; y is one 64-bit integer. */
#ifndef CUDROP_KERNEL_COUNT_CUH
#define CUDROP_KERNEL_COUNT_CUH

#include "drop/packed.cuh"

/* The sum over the threads of the block. `partial` has room for one number per warp. */
CUDROPI_DEVICE uint64_t cudropi_block_sum(uint64_t sum, uint64_t *partial) {
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  if (lane == 0) partial[warp] = sum;
  __syncthreads();
  sum = 0;
#pragma unroll
  for (unsigned w = 0; w < CUDROPI_PACKED_THREADS / 32; ++w) sum += partial[w];
  return sum;
}

/* Atomics are deterministic here, because integers have the same sum in any order. */
template <bool is_dense>
__global__ void __launch_bounds__(CUDROPI_PACKED_THREADS)
    cudropi_count(const __grid_constant__ cudropi_general_t args) {
  SHARED_ARRAY(cudrop_prepared_t, mask, 1);
  SHARED_ARRAY(uint64_t, partial, CUDROPI_PACKED_THREADS / 32);
  cudropi_read_mask(args, mask);
  uint64_t kept = 0;
  cudropi_packed_walk<is_dense>(
      args, mask, [&](int64_t, uint32_t bits) { kept += (uint64_t)__popc(bits); });
  kept = cudropi_block_sum(kept, partial);
  if (threadIdx.x == 0)
    atomicAdd(static_cast<unsigned long long *>(args.y.data), (unsigned long long)kept);
}

#endif /* CUDROP_KERNEL_COUNT_CUH */
