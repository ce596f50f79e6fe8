/*
 * philox.h - Philox4x32-10, the counter-based generator under every cudrop mask.
 *
 * cudrop_philox() maps a 128-bit counter and a 64-bit key to 128 random bits. The function has
 * no state. The same counter and key give the same bits on every machine. C11, C++11 and CUDA
 * read this same text.
 *
 * Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC'11. cuRAND's CURAND_RNG_PSEUDO_PHILOX4_32_10 and Random123's
 * philox4x32(10) are the same function.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_PHILOX_H
#define CUDROP_PHILOX_H

/*
 * NVRTC has no <stdint.h> and cannot read glibc's. <features.h> shows that a <stdint.h> is
 * glibc's. Any other <stdint.h> that the program gives to NVRTC is included. Without one, the
 * types are defined as other libraries define them for NVRTC, so that both definitions agree.
 */
#if !defined(__CUDACC_RTC__)
#include <stdint.h>
#elif !defined(UINT64_MAX)
#if __has_include(<stdint.h>) && !__has_include(<features.h>)
#include <stdint.h>
#else
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#endif
#endif

/* Functions of the mask headers: callable from host and device code in a CUDA compile. */
#if defined(__CUDACC__)
#define CUDROP_INLINE static __host__ __device__ __forceinline__
#else
#define CUDROP_INLINE static inline
#endif

/* 128 bits as four words, word[0] lowest: a counter going in, a random block coming out.
 */
typedef struct {
  uint32_t word[4];
} cudrop_philox_block_t;

typedef struct {
  uint32_t word[2];
} cudrop_philox_key_t;

enum { CUDROP_PHILOX_ROUNDS = 10 };

/* The key that a 64-bit seed stands for. */
CUDROP_INLINE cudrop_philox_key_t cudrop_philox_key(uint64_t seed) {
  cudrop_philox_key_t key;
  key.word[0] = (uint32_t)seed;
  key.word[1] = (uint32_t)(seed >> 32);
  return key;
}

/* Round constants: the two multipliers, and what a round adds to each half of the key. */
#define CUDROP_PHILOX_MULTIPLIER_0 0xD2511F53u
#define CUDROP_PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define CUDROP_PHILOX_BUMP_0 0x9E3779B9u
#define CUDROP_PHILOX_BUMP_1 0xBB67AE85u

/*
 * The full 64-bit product a * b. Device code names the instruction, because nvcc compiles the
 * plain product with needless additions.
 */
CUDROP_INLINE uint64_t cudrop_multiply_wide(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__)
  uint64_t product;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
  return product;
#else
  return (uint64_t)a * b;
#endif
}

/*
 * One round:
 *
 *   (high0, low0) = multiplier0 * word0        (high1, low1) = multiplier1 * word2
 *   word = { high1 ^ word1 ^ key0,  low1,  high0 ^ word3 ^ key1,  low0 }
 */
CUDROP_INLINE cudrop_philox_block_t cudrop_philox_round(cudrop_philox_block_t in,
                                                        cudrop_philox_key_t key) {
  const uint64_t product0 = cudrop_multiply_wide(CUDROP_PHILOX_MULTIPLIER_0, in.word[0]);
  const uint64_t product1 = cudrop_multiply_wide(CUDROP_PHILOX_MULTIPLIER_1, in.word[2]);
  cudrop_philox_block_t out;
  out.word[0] = (uint32_t)(product1 >> 32) ^ in.word[1] ^ key.word[0];
  out.word[1] = (uint32_t)product1;
  out.word[2] = (uint32_t)(product0 >> 32) ^ in.word[3] ^ key.word[1];
  out.word[3] = (uint32_t)product0;
  return out;
}

/* The key of the next round. */
CUDROP_INLINE cudrop_philox_key_t cudrop_philox_bump(cudrop_philox_key_t key) {
  key.word[0] += CUDROP_PHILOX_BUMP_0;
  key.word[1] += CUDROP_PHILOX_BUMP_1;
  return key;
}

/* 128 random bits: ten rounds over `counter`. The key is bumped before each round but the first. */
CUDROP_INLINE cudrop_philox_block_t cudrop_philox(cudrop_philox_block_t counter,
                                                  cudrop_philox_key_t key) {
  cudrop_philox_block_t block = cudrop_philox_round(counter, key);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
  for (int round = 1; round < CUDROP_PHILOX_ROUNDS; ++round) {
    key = cudrop_philox_bump(key);
    block = cudrop_philox_round(block, key);
  }
  return block;
}

#endif /* CUDROP_PHILOX_H */
