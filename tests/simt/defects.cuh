/* defects.cuh - kernels with one fault each, for the emulator or a sanitizer to find. */
#ifndef CUDROP_DEFECTS_CUH
#define CUDROP_DEFECTS_CUH

#include "port.h"

struct defect_args {
  float *x;
  unsigned n;
};

/* ---- Memory: for ASan and UBSan ---------------------------------------------------- */

/* x has n bytes; one more is written. */
__global__ void write_past_global(const __grid_constant__ defect_args args) {
  if (threadIdx.x <= args.n) reinterpret_cast<unsigned char *>(args.x)[threadIdx.x] = 1;
}

__global__ void load_misaligned(const __grid_constant__ defect_args args) {
  const float4 four = *reinterpret_cast<const float4 *>(args.x + 1);
  args.x[0] = four.x + four.w;
}

__global__ void write_past_shared(const __grid_constant__ defect_args args) {
  SHARED_ARRAY(float, own, 32);
  own[threadIdx.x + 1] = 1.0f;
  __syncthreads();
  args.x[threadIdx.x] = own[threadIdx.x];
}

__global__ void write_past_dynamic_shared(const __grid_constant__ defect_args args) {
  DYNAMIC_SHARED(float, own);
  own[threadIdx.x + 1] = 1.0f;
  __syncthreads();
  args.x[threadIdx.x] = own[threadIdx.x];
}

/* ---- Waiting ----------------------------------------------------------------------- */

__global__ void diverge_at_barriers(const __grid_constant__ defect_args args) {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    args.x[threadIdx.x] = 1.0f;
    __syncthreads();
  }
}

__global__ void diverge_at_shuffles(const __grid_constant__ defect_args args) {
  if (threadIdx.x < 16)
    args.x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  else
    args.x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 2.0f, 1);
}

__global__ void shuffle_or_wait(const __grid_constant__ defect_args args) {
  if (threadIdx.x < 16)
    args.x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  else
    __syncthreads();
}

/* Lane 0 waits for 1, that for 2, and that for 0, each with a mask of its own. */
__global__ void wait_in_a_ring(const __grid_constant__ defect_args args) {
  const unsigned next = (threadIdx.x + 1) % 3;
  if (threadIdx.x < 3) __syncwarp(1u << threadIdx.x | 1u << next);
  args.x[threadIdx.x] = 1.0f;
}

__global__ void return_before_barrier(const __grid_constant__ defect_args args) {
  if (threadIdx.x >= args.n) return;
  __syncthreads();
  args.x[threadIdx.x] = 1.0f;
}

/* ---- Warps ------------------------------------------------------------------------- */

__global__ void name_returned_lanes(const __grid_constant__ defect_args args) {
  if (threadIdx.x >= args.n) return;
  args.x[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1.0f, 1);
}

__global__ void read_outside_mask(const __grid_constant__ defect_args args) {
  if (threadIdx.x < 16) args.x[threadIdx.x] = __shfl_down_sync(0x0000ffffu, 1.0f, 1);
}

__global__ void leave_oneself_out(const __grid_constant__ defect_args args) {
  args.x[threadIdx.x] = static_cast<float>(__any_sync(0x0000ffffu, 1));
}

__global__ void shuffle_in_threes(const __grid_constant__ defect_args args) {
  args.x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1, 3);
}

__global__ void shuffle_too_far(const __grid_constant__ defect_args args) {
  args.x[threadIdx.x] = __shfl_down_sync(0xffffffffu, 1.0f, 32);
}

__global__ void take_too_much_shared(const __grid_constant__ defect_args args) {
  SHARED_ARRAY(float, own, 12289);
  args.x[threadIdx.x] = own[threadIdx.x];
}

/* ---- Races: each with the barrier that it lacks when `Right` ----------------------- */

template <bool Right>
__global__ void reverse_block(const __grid_constant__ defect_args args) {
  SHARED_ARRAY(float, own, 64);
  own[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (Right) __syncthreads();
  args.x[threadIdx.x] = own[63 - threadIdx.x];
}

/* The second round's writes against the first's reads. */
template <bool Right>
__global__ void reverse_block_twice(const __grid_constant__ defect_args args) {
  SHARED_ARRAY(float, own, 64);
  float sum = 0.0f;
  for (unsigned round = 0; round < 2; ++round) {
    own[threadIdx.x] = static_cast<float>(threadIdx.x + 100 * round);
    __syncthreads();
    sum += own[63 - threadIdx.x];
    if (Right) __syncthreads();
  }
  args.x[threadIdx.x] = sum;
}

/* Neighbours of a warp, which a shuffle does not order. */
template <bool Right>
__global__ void swap_in_warp(const __grid_constant__ defect_args args) {
  SHARED_ARRAY(float, own, 32);
  own[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (Right)
    __syncwarp();
  else
    args.x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  args.x[threadIdx.x] = own[threadIdx.x ^ 1];
}

/* All blocks to one element, unless `Right`. */
template <bool Right>
__global__ void write_from_blocks(const __grid_constant__ defect_args args) {
  __syncthreads();
  if (threadIdx.x == 0) args.x[Right ? blockIdx.x : 0] = static_cast<float>(blockIdx.x);
  __syncthreads();
}

#endif /* CUDROP_DEFECTS_CUH */
