/*
 * device.cuh - the mask inside kernels of your own.
 *
 * A kernel can drop elements of its result while they are in registers, without a second pass
 * over memory. These functions give the kernel the keep bits of such elements. The bits are
 * the ones that cudrop_forward() uses, on a GPU and on a host.
 *
 *   // on the host
 *   const cudrop_mask_schedule_t mask = cudrop_mask_schedule(seed, offset, p);
 *   kernel<<<grid, block, 0, stream>>>(mask, ...);
 *
 *   // on the device: the elements 8 * group to 8 * group + 7
 *   __global__ void kernel(const __grid_constant__ cudrop_mask_schedule_t mask, ...) {
 *     bool keep[8];
 *     cudrop_device_keep8(mask, group, keep);
 *     y = keep[lane] ? x * mask.scale : 0.0f;
 *
 * Pass the schedule as a __grid_constant__ parameter: the round keys then stay in constant
 * memory and take no registers. examples/softmax is a complete kernel of this kind. A kernel in
 * a CUDA graph may need another mask in every replay. Such a kernel takes the block of a prepared
 * mask instead, as a const void *, and calls cudrop_device_read() first.
 *
 * This header needs no library. It supports sm_75 and newer. It compiles with nvcc, with NVRTC
 * (if the folder that holds cudrop/ is on the include path) and with a host compiler. Element
 * indices are those of mask.h: 0 <= index < 2^59, group = index / 8, lane = index % 8.
 *
 * The keep bits are computed in integers, so --use_fast_math, -ftz and similar flags do not
 * change them. Such flags do change the kernel's own arithmetic on the kept elements.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_DEVICE_CUH
#define CUDROP_DEVICE_CUH

#include "mask.h"

#if defined(__CUDACC__)
#define CUDROP_DEVICE static __device__ __forceinline__
#define CUDROP_DEVICE_CALL static __device__ __noinline__
#else /* a host compiler: tests run kernels on the CPU */
#define CUDROP_DEVICE static inline
#define CUDROP_DEVICE_CALL static inline
#endif

/* ---- What depends on the architecture ----------------------------------------------- */

/* The minimum of each half of two words: min(upper) << 16 | min(lower). One instruction from
 * sm_90. */
CUDROP_DEVICE uint32_t cudrop_device_minimum_halves(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__)
  return __vminu2(a, b);
#else
  const uint32_t low = (a & 0xffff) < (b & 0xffff) ? a & 0xffff : b & 0xffff;
  const uint32_t high = a >> 16 < b >> 16 ? a >> 16 : b >> 16;
  return high << 16 | low;
#endif
}

/*
 * Nonzero if a half of `word` is 0 and `bits` has the top bit of that half. The result does not
 * say which half is 0: the borrow of the subtraction also marks an upper half of 1 above a lower
 * half of 0. The caller must test each half.
 */
CUDROP_DEVICE uint32_t cudrop_device_find_zero_half(uint32_t word, uint32_t bits) {
  return (word - 0x00010001u) & ~word & bits;
}

/* Nonzero if a half of one of four words is 0. Tests each word, which is faster before sm_90. */
CUDROP_DEVICE uint32_t cudrop_device_find_zero_by_word(const uint32_t (&word)[4],
                                                       uint32_t bits) {
  return cudrop_device_find_zero_half(word[0], bits) |
         cudrop_device_find_zero_half(word[1], bits) |
         cudrop_device_find_zero_half(word[2], bits) |
         cudrop_device_find_zero_half(word[3], bits);
}

/* The same. Tests the minima of all lower and of all upper halves: faster from sm_90. */
CUDROP_DEVICE uint32_t cudrop_device_find_zero_by_minimum(const uint32_t (&word)[4],
                                                          uint32_t bits) {
  return cudrop_device_find_zero_half(
      cudrop_device_minimum_halves(cudrop_device_minimum_halves(word[0], word[1]),
                                   cudrop_device_minimum_halves(word[2], word[3])),
      bits);
}

/* Nonzero if one of the 8 digits ties with t0 and p has a refinement, which must decide. */
CUDROP_DEVICE uint32_t cudrop_device_find_tie(const cudrop_mask_schedule_t &mask,
                                              const cudrop_philox_block_t &block) {
  const uint32_t word[4] = {block.word[0] ^ mask.tie, block.word[1] ^ mask.tie,
                            block.word[2] ^ mask.tie, block.word[3] ^ mask.tie};
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
  return cudrop_device_find_zero_by_word(word, mask.ties);
#else
  return cudrop_device_find_zero_by_minimum(word, mask.ties);
#endif
}

/* ---- Drawing ------------------------------------------------------------------------- */

/* The seed of a schedule. */
CUDROP_DEVICE uint64_t cudrop_device_seed(const cudrop_mask_schedule_t &mask) {
  return (uint64_t)mask.key[0].word[1] << 32 | mask.key[0].word[0];
}

/* The Philox block of a group. The schedule holds the first round except for one product. */
CUDROP_DEVICE cudrop_philox_block_t
cudrop_device_philox(const cudrop_mask_schedule_t &mask, uint64_t group) {
  const uint64_t product =
      cudrop_multiply_wide(CUDROP_PHILOX_MULTIPLIER_1, (uint32_t)group);
  cudrop_philox_block_t block;
  block.word[0] = (uint32_t)(product >> 32) ^ mask.head[0];
  block.word[1] = (uint32_t)product;
  block.word[2] = (uint32_t)(group >> 32) ^ mask.head[1];
  block.word[3] = mask.head[2];
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
  for (int round = 1; round < CUDROP_PHILOX_ROUNDS; ++round)
    block = cudrop_philox_round(block, mask.key[round]);
  return block;
}

/* Philox as a loop: slower, but with few instructions and registers. For rare cases. */
CUDROP_DEVICE cudrop_philox_block_t
cudrop_device_philox_small(uint64_t seed, cudrop_philox_block_t block) {
  cudrop_philox_key_t key = cudrop_philox_key(seed);
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (int round = 0; round < CUDROP_PHILOX_ROUNDS; ++round) {
    block = cudrop_philox_round(block, key);
    key = cudrop_philox_bump(key);
  }
  return block;
}

/* True if an element whose digit ties with t0 is kept. */
CUDROP_DEVICE bool cudrop_device_refine(uint64_t seed, uint64_t offset, uint64_t group,
                                        uint32_t lane, uint64_t t1) {
  const cudrop_philox_block_t block =
      cudrop_device_philox_small(seed, cudrop_mask_counter(offset, group, 1 + lane));
  return ((uint64_t)block.word[1] << 32 | block.word[0]) >= t1;
}

/*
 * Change each digit that ties with t0 so that comparing the digit with `least` gives the refined
 * result. Not inlined: only one group in 8,192 has a tie, and inlined code would cost every
 * thread registers.
 */
CUDROP_DEVICE_CALL cudrop_philox_block_t
cudrop_device_resolve(cudrop_philox_block_t block, uint64_t seed, uint64_t offset,
                      uint64_t group, uint32_t t0, uint64_t t1) {
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (uint32_t lane = 0; lane < CUDROP_MASK_LANES; ++lane) {
    const uint32_t word = block.word[0];
    const uint32_t digit = lane & 1 ? 0xffff0000u : 0x0000ffffu;
    uint32_t moved = word;
    if (((word ^ t0 * 0x10001u) & digit) == 0) {
      if (cudrop_device_refine(seed, offset, group, lane, t1)) {
        moved |= digit;
      } else if (t0 == 0xffff) {
        moved &= ~digit;
      }
    }
    /* The words rotate, and each is in front for two lanes: no array index depends on lane. */
    block.word[0] = lane & 1 ? block.word[1] : moved;
    block.word[1] = lane & 1 ? block.word[2] : block.word[1];
    block.word[2] = lane & 1 ? block.word[3] : block.word[2];
    block.word[3] = lane & 1 ? moved : block.word[3];
  }
  return block;
}

/* The words of a group with its ties resolved, each to be read by cudrop_device_keep2(). */
CUDROP_DEVICE cudrop_philox_block_t cudrop_device_draw(const cudrop_mask_schedule_t &mask,
                                                       uint64_t group) {
  cudrop_philox_block_t block = cudrop_device_philox(mask, group);
  if (cudrop_device_find_tie(mask, block) != 0) {
    block = cudrop_device_resolve(block, cudrop_device_seed(mask), mask.offset, group,
                                  mask.tie & 0xffff, mask.t1);
  }
  return block;
}

/* ---- Keep bits ----------------------------------------------------------------------- */

/* The keep bits in word w of a drawn group: keep[0] of lane 2 w, keep[1] of lane 2 w + 1. */
CUDROP_DEVICE void cudrop_device_keep2(const cudrop_mask_schedule_t &mask, uint32_t word,
                                       bool keep[2]) {
  const bool some = mask.fate != CUDROP_MASK_DROPPED;
  keep[0] = some && word << 16 >= mask.least;
  keep[1] = some && word >= mask.least;
}

/* The keep bits of a group: keep[lane] is true if element 8 * group + lane is kept. */
CUDROP_DEVICE void cudrop_device_keep8(const cudrop_mask_schedule_t &mask, uint64_t group,
                                       bool keep[8]) {
  const cudrop_philox_block_t block = cudrop_device_draw(mask, group);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
  for (int word = 0; word < 4; ++word)
    cudrop_device_keep2(mask, block.word[word], keep + 2 * word);
}

/* True if element `index` is kept. Costs as much as a group: draw neighbours as a group. */
CUDROP_DEVICE bool cudrop_device_keep1(const cudrop_mask_schedule_t &mask,
                                       uint64_t index) {
  const uint64_t seed = cudrop_device_seed(mask), group = index >> 3;
  const cudrop_philox_block_t block =
      cudrop_device_philox_small(seed, cudrop_mask_counter(mask.offset, group, 0));
  const uint32_t low = index & 2 ? block.word[1] : block.word[0];
  const uint32_t high = index & 2 ? block.word[3] : block.word[2];
  const uint32_t digit = ((index & 4 ? high : low) >> 16 * (index & 1)) & 0xffff;
  const uint32_t t0 = mask.tie & 0xffff;
  if (mask.fate != CUDROP_MASK_DRAWN) return mask.fate == CUDROP_MASK_KEPT;
  if (digit != t0) return digit > t0;
  return cudrop_device_refine(seed, mask.offset, group, (uint32_t)index & 7, mask.t1);
}

/* ---- What a block or a warp does together -------------------------------------------- */

/* With a host compiler these functions need substitutes for threadIdx, __syncthreads() and the
 * like. A program that has substitutes defines CUDROP_DEVICE_THREADS. */
#if defined(__CUDACC__) || defined(CUDROP_DEVICE_THREADS)

/*
 * Copy the schedule of a prepared mask (cudrop_prepare()) to the block's shared memory, and add
 * `offset` to the offset of the copy:
 *
 *   __shared__ cudrop_mask_schedule_t mask;
 *   cudrop_device_read(prepared, offset, &mask);
 *
 * Every thread of the block must call this function, which contains barriers.
 */
CUDROP_DEVICE void cudrop_device_read(const void *prepared, uint64_t offset,
                                      cudrop_mask_schedule_t *mask) {
  const uint32_t threads = blockDim.x * blockDim.y * blockDim.z;
  const uint32_t thread =
      threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const uint32_t *from = (const uint32_t *)prepared; /* the schedule comes first */
  for (uint32_t w = thread; w < sizeof *mask / 4; w += threads)
    ((uint32_t *)mask)[w] = from[w];
  __syncthreads();
  if (thread == 0) cudrop_mask_schedule_offset(mask, mask->offset + offset);
  __syncthreads();
}

/*
 * Exchange words among four lanes of a warp, whose numbers differ in the bits `step` and 2 step
 * alone; `step` is a power of two below 16. With t = lane / step % 4, word[k] becomes word t of
 * the block of the lane whose t is k. All 32 lanes must call this function.
 */
CUDROP_DEVICE void cudrop_device_trade(const cudrop_philox_block_t &block, uint32_t lane,
                                       uint32_t step, uint32_t word[4]) {
  const bool odd = lane & step, upper = lane & 2 * step;
  /* sent[s] = block.word[t ^ s], which thread t ^ s wants, selected without an index. */
  uint32_t a = odd ? block.word[1] : block.word[0],
           b = odd ? block.word[0] : block.word[1];
  uint32_t c = odd ? block.word[3] : block.word[2],
           d = odd ? block.word[2] : block.word[3];
  uint32_t sent[4] = {upper ? c : a, upper ? d : b, upper ? a : c, upper ? b : d};
  sent[1] = __shfl_xor_sync(0xffffffffu, sent[1], (int)step);
  sent[2] = __shfl_xor_sync(0xffffffffu, sent[2], (int)(2 * step));
  sent[3] = __shfl_xor_sync(0xffffffffu, sent[3], (int)(3 * step));
  /* word[t ^ s] = sent[s], which now is a word from thread t ^ s. */
  a = odd ? sent[1] : sent[0], b = odd ? sent[0] : sent[1];
  c = odd ? sent[3] : sent[2], d = odd ? sent[2] : sent[3];
  word[0] = upper ? c : a;
  word[1] = upper ? d : b;
  word[2] = upper ? a : c;
  word[3] = upper ? b : d;
}

/*
 * Draw for the accumulators of tensor cores (mma and wgmma, m16n8). Thread t of a quad holds
 * columns 2 t and 2 t + 1 of a row of 8 columns. If these 8 columns are a group of the mask, the
 * two columns are word t of that group.
 *
 *   column     0 1   2 3   4 5   6 7
 *   thread t    0     1     2     3
 *
 * Each thread of a quad draws its own `group`, and the four threads exchange words: word[k]
 * becomes word t of the group that thread k of the quad passes. cudrop_device_keep2() reads such
 * a word. So each of four groups is drawn only once. `lane` is the thread's lane in its warp. All
 * 32 lanes must call this function.
 */
CUDROP_DEVICE void cudrop_device_quad(const cudrop_mask_schedule_t &mask, uint32_t lane,
                                      uint64_t group, uint32_t word[4]) {
  cudrop_device_trade(cudrop_device_draw(mask, group), lane, 1, word);
}

#endif

#endif /* CUDROP_DEVICE_CUH */
