/*
 * mask.h - the keep mask (XB16): the bits that every cudrop operator draws.
 *
 * Whether element i is kept is a pure function of four numbers and of nothing else:
 *
 *   keep(seed, offset, i, p)      seed, offset: any 64 bits;  0 <= i < 2^59;  0 <= p <= 1
 *
 * The definition, with D the 16-bit digit and R the 64-bit refinement of element i:
 *
 *   g = i >> 3,  lane = i & 7
 *   key       = { lo32(seed), hi32(seed) }
 *   counter_d = { lo32(offset), hi32(offset), lo32(g), hi32(g) | d << 24 }    d: a domain
 *
 *   B = Philox(counter_0, key)           D = half (lane & 1) of word lane >> 1 of B
 *   r = Philox(counter_(1+lane), key)    R = r[1] << 32 | r[0]
 *
 *      word        0           1           2           3
 *      bits    31..16 15..0   ...         ...       31..16 15..0
 *      lane       1     0     3  2        5  4         7     6
 *
 *   t0 = floor(p * 2^16)     t1 = floor(frac(p * 2^16) * 2^64)        both exact
 *   dropped  <=>  D < t0, or D == t0 and R < t1    <=>    (D * 2^64 + R) / 2^80 < p
 *
 * One Philox call serves 8 elements; R is drawn only on a tie, once in 65,536 elements.
 * P(dropped) is exactly p for every double p >= 2^-28. For smaller p the two differ by less
 * than 2^-80. An element that is kept at p is kept at every smaller p.
 *
 * The bits are part of the library's interface: only a new major version may change a bit.
 * Stock cuRAND draws the same bits if offset < 2^62. B is the first result of curand4 after
 * curand_init(seed, g, 4 * offset); r is the first with subsequence g | (1+lane) << 56.
 *
 * This header needs no library. C11, C++11 and CUDA read the same text. The following loop
 * computes the same as cudrop_forward(), but more slowly:
 *
 *   const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(p);
 *   for (uint64_t i = 0; i < n; ++i)
 *     y[i] = cudrop_mask_keep(seed, offset, i, threshold) ? x[i] * scale : 0;
 *
 * cudrop_mask_keep_group() draws 8 elements at a time. CUDA kernels use device.cuh.
 *
 * On a CPU these functions compute in the floating-point environment of their caller. Every step
 * of a threshold is exact, so thresholds and keep bits are the same in every environment. A scale
 * equals the scale of cudrop's operators only where division rounds to nearest. -ffast-math, or a
 * part of -ffast-math, changes no threshold and no keep bit. With such flags a scale may differ
 * in its last place, and the caller's own check of p does not detect a NaN.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_MASK_H
#define CUDROP_MASK_H

#include "philox.h"

enum { CUDROP_MASK_LANES = 8 }; /* elements served by one Philox call: one group */

/* p as the integers that digits and refinements are compared with. */
typedef struct {
  uint32_t t0; /* floor(p * 2^16), 0 to 65536 */
  uint64_t t1; /* floor(frac(p * 2^16) * 2^64); 0 if 16 bits hold all of p */
} cudrop_mask_threshold_t;

/*
 * The threshold of p. The caller must check that 0 <= p <= 1: other numbers and NaN have no
 * threshold. Every step is exact in double arithmetic.
 */
CUDROP_INLINE cudrop_mask_threshold_t cudrop_mask_threshold(double p) {
  const double digits = p * 65536.0;
  cudrop_mask_threshold_t threshold;
  threshold.t0 = (uint32_t)digits;
  threshold.t1 = (uint64_t)((digits - threshold.t0) * 18446744073709551616.0);
  return threshold;
}

/* The counter of a group: domain 0 draws the digits, domain 1 + lane the lane's refinement. */
CUDROP_INLINE cudrop_philox_block_t cudrop_mask_counter(uint64_t offset, uint64_t group,
                                                        uint32_t domain) {
  cudrop_philox_block_t counter;
  counter.word[0] = (uint32_t)offset;
  counter.word[1] = (uint32_t)(offset >> 32);
  counter.word[2] = (uint32_t)group;
  counter.word[3] = (uint32_t)(group >> 32) | domain << 24;
  return counter;
}

/* The random words of a group: the digits of 8 elements. */
CUDROP_INLINE cudrop_philox_block_t cudrop_mask_block(uint64_t seed, uint64_t offset,
                                                      uint64_t group) {
  return cudrop_philox(cudrop_mask_counter(offset, group, 0), cudrop_philox_key(seed));
}

/* The digit D of the element in lane `lane`, from the block of its group. */
CUDROP_INLINE uint32_t cudrop_mask_digit(cudrop_philox_block_t block, unsigned lane) {
  return block.word[lane >> 1] >> (16 * (lane & 1)) & 0xffffu;
}

/* The refinement R of element `index`. */
CUDROP_INLINE uint64_t cudrop_mask_refinement(uint64_t seed, uint64_t offset,
                                              uint64_t index) {
  const uint32_t domain = 1 + (uint32_t)(index & 7);
  const cudrop_philox_block_t block = cudrop_philox(
      cudrop_mask_counter(offset, index >> 3, domain), cudrop_philox_key(seed));
  return (uint64_t)block.word[1] << 32 | block.word[0];
}

/*
 * The keep bits of the 8 elements of a group, from its block: bit `lane` is 1 when
 * element group * 8 + lane is kept.
 */
CUDROP_INLINE unsigned cudrop_mask_keep_bits(uint64_t seed, uint64_t offset,
                                             uint64_t group, cudrop_philox_block_t block,
                                             cudrop_mask_threshold_t threshold) {
  unsigned keep = 0;
  unsigned tie = 0;
  for (unsigned lane = 0; lane < CUDROP_MASK_LANES; ++lane) {
    const uint32_t digit = cudrop_mask_digit(block, lane);
    keep |= (unsigned)(digit >= threshold.t0) << lane;
    tie |= (unsigned)(digit == threshold.t0) << lane;
  }
  if (tie != 0 && threshold.t1 != 0) {
    for (unsigned lane = 0; lane < CUDROP_MASK_LANES; ++lane) {
      if ((tie >> lane & 1) != 0 &&
          cudrop_mask_refinement(seed, offset, group * 8 + lane) < threshold.t1) {
        keep &= ~(1u << lane);
      }
    }
  }
  return keep;
}

/* The keep bits of the 8 elements 8 * group ... 8 * group + 7. */
CUDROP_INLINE unsigned cudrop_mask_keep_group(uint64_t seed, uint64_t offset,
                                              uint64_t group,
                                              cudrop_mask_threshold_t threshold) {
  return cudrop_mask_keep_bits(seed, offset, group,
                               cudrop_mask_block(seed, offset, group), threshold);
}

/* 1 when element `index` is kept, 0 when it is dropped. */
CUDROP_INLINE int cudrop_mask_keep(uint64_t seed, uint64_t offset, uint64_t index,
                                   cudrop_mask_threshold_t threshold) {
  const uint32_t digit = cudrop_mask_digit(cudrop_mask_block(seed, offset, index >> 3),
                                           (unsigned)(index & 7));
  if (digit != threshold.t0) return digit > threshold.t0;
  return cudrop_mask_refinement(seed, offset, index) >= threshold.t1;
}

/* The factor of kept elements: 1 / (1 - p), but 0 for p = 1, where none is kept. */
CUDROP_INLINE double cudrop_mask_scale_f64(double p) {
  return p < 1.0 ? 1.0 / (1.0 - p) : 0.0;
}

/* cudrop_mask_scale_f64() rounded to float: the factor for every type but F64. */
CUDROP_INLINE float cudrop_mask_scale(double p) {
  return (float)cudrop_mask_scale_f64(p);
}

/*
 * A mask prepared for drawing: everything that is the same for all elements. Kernels take a
 * schedule by value, and device.cuh draws from the schedule.
 *
 * A word with the digit in its upper half is compared with `least`: the element is kept if the
 * word is not smaller. If the digit ties with t0 and p has a refinement, the refinement decides:
 * device.cuh then changes the digit to 0xffff or 0 where the comparison would be wrong.
 */
typedef struct {
  cudrop_philox_key_t key[CUDROP_PHILOX_ROUNDS]; /* the keys of the rounds */
  uint32_t head[3]; /* the terms of the first round that no group changes */
  uint32_t fate;    /* a cudrop_mask_fate_t */
  uint64_t offset;
  uint64_t t1;
  uint32_t tie;   /* t0 in both halves, as two digits that tie */
  uint32_t ties;  /* the top bits of both halves, or 0 if p has no refinement */
  uint32_t least; /* the smallest word whose upper half is a kept digit */
  float scale;    /* 1 / (1 - p) */
} cudrop_mask_schedule_t;

/* What p alone decides about all elements. */
typedef enum {
  CUDROP_MASK_DRAWN = 0,   /* 0 < p < 1: each element is drawn */
  CUDROP_MASK_KEPT = 1,    /* p = 0 */
  CUDROP_MASK_DROPPED = 2, /* p = 1, which `least` cannot express */
} cudrop_mask_fate_t;

/*
 * Give a schedule another offset. Half of a group's first round does not depend on the group,
 * and is computed here:
 *
 *   word0 = high1 ^ head0,  word1 = low1,  word2 = hi32(group) ^ head1,  word3 = head2
 */
CUDROP_INLINE void cudrop_mask_schedule_offset(cudrop_mask_schedule_t *schedule,
                                               uint64_t offset) {
  const uint64_t product =
      cudrop_multiply_wide(CUDROP_PHILOX_MULTIPLIER_0, (uint32_t)offset);
  schedule->offset = offset;
  schedule->head[0] = (uint32_t)(offset >> 32) ^ schedule->key[0].word[0];
  schedule->head[1] = (uint32_t)(product >> 32) ^ schedule->key[0].word[1];
  schedule->head[2] = (uint32_t)product;
}

/* The schedule of (seed, offset, p), for 0 <= p <= 1. */
CUDROP_INLINE cudrop_mask_schedule_t cudrop_mask_schedule(uint64_t seed, uint64_t offset,
                                                          double p) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(p);
  const uint32_t is_exact = threshold.t1 == 0;
  cudrop_mask_schedule_t schedule;
  schedule.key[0] = cudrop_philox_key(seed);
  for (int round = 1; round < CUDROP_PHILOX_ROUNDS; ++round)
    schedule.key[round] = cudrop_philox_bump(schedule.key[round - 1]);
  cudrop_mask_schedule_offset(&schedule, offset);
  schedule.t1 = threshold.t1;
  schedule.tie = threshold.t0 * 0x10001u;
  schedule.ties = is_exact ? 0 : 0x80008000u;
  /* With a refinement, ties are dropped unless device.cuh changes them to 0xffff. If t0 is
   * 0xffff, no digit is above t0: ties are then kept unless device.cuh changes them to 0. */
  schedule.least = (threshold.t0 + (!is_exact && threshold.t0 < 0xffffu)) << 16;
  schedule.fate = p <= 0.0   ? CUDROP_MASK_KEPT
                  : p >= 1.0 ? CUDROP_MASK_DROPPED
                             : CUDROP_MASK_DRAWN;
  schedule.scale = cudrop_mask_scale(p);
  return schedule;
}

/* The schedule of a cudrop_mask_t, or of any struct with members seed, offset and p. The caller
 * must apply the index map of a cudrop_mask_t. */
#define CUDROP_SCHEDULE_OF(mask) \
  cudrop_mask_schedule((mask).seed, (mask).offset, (mask).p)

/* SplitMix64's finaliser: a bijection of 64 bits. Source: G. Steele et al., OOPSLA 2014.
 */
CUDROP_INLINE uint64_t cudrop_mask_mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  x ^= x >> 31;
  return x;
}

/* The seed of child `id` of `seed`; different ids give different seeds. */
CUDROP_INLINE uint64_t cudrop_mask_child(uint64_t seed, uint64_t id) {
  return cudrop_mask_mix(cudrop_mask_mix(seed) + (id + 1) * 0x9E3779B97F4A7C15u);
}

#endif /* CUDROP_MASK_H */
