/*
 * draw_vector.h - Philox and the threshold in vectors. Include vector_sse2.h or a sibling first.
 *
 * Every 64-bit lane has one Philox block, whose four words lie in four vectors, in the lower halves
 * of the lane. The upper halves may hold junk: 32-bit multiplies ignore them. Two batches of blocks
 * are computed side by side, because a round waits for its products. A tile is a vector of 16-bit
 * digits, in the order of the elements:
 *
 *   word0 word1 word2 word3 of a lane   ->   word1:word0  word3:word2   ->   one group, 8 digits
 */
#ifndef CUDROP_DRAW_VECTOR_H
#define CUDROP_DRAW_VECTOR_H

#include "host/draw_host.h"

#define INLINE static inline __attribute__((always_inline))

enum {
  LANES = VECTOR / 8, /* blocks of a batch */
  TILES = 4           /* of a step, which is two batches */
};

typedef struct {
  u64v word[4];
} blocks_t;

/* A schedule; each number is in every lane. */
typedef struct {
  u64v key[CUDROP_PHILOX_ROUNDS][2];
  u64v head[3];
  u16v tie, least;
} lanes_t;

INLINE lanes_t spread(const cudrop_mask_schedule_t *mask) {
  lanes_t lanes;
#pragma GCC unroll 4
  for (int k = 0; k < 3; ++k) lanes.head[k] = (u64v){0} + mask->head[k];
  for (int round = 0; round < CUDROP_PHILOX_ROUNDS; ++round)
#pragma GCC unroll 4
    for (int k = 0; k < 2; ++k)
      lanes.key[round][k] = (u64v){0} + mask->key[round].word[k];
  lanes.tie = (u16v){0} + (uint16_t)mask->tie;
  lanes.least = (u16v){0} + (uint16_t)(mask->least >> 16);
  return lanes;
}

INLINE blocks_t first_round(const lanes_t *lanes, u64v groups) {
  const u64v product = multiply_low(groups, (u64v){0} + CUDROP_PHILOX_MULTIPLIER_1);
  return (blocks_t){{(product >> 32) ^ lanes->head[0], product,
                     (groups >> 32) ^ lanes->head[1], lanes->head[2]}};
}

INLINE blocks_t next_round(blocks_t in, const u64v key[2]) {
  const u64v product0 = multiply_low(in.word[0], (u64v){0} + CUDROP_PHILOX_MULTIPLIER_0);
  const u64v product1 = multiply_low(in.word[2], (u64v){0} + CUDROP_PHILOX_MULTIPLIER_1);
  return (blocks_t){{(product1 >> 32) ^ in.word[1] ^ key[0], product1,
                     (product0 >> 32) ^ in.word[3] ^ key[1], product0}};
}

/* The digits of a batch, as two tiles. */
INLINE void sort_digits(blocks_t blocks, u16v digits[2]) {
  const u64v word01 = join_low(blocks.word[0], blocks.word[1]);
  const u64v word23 = join_low(blocks.word[2], blocks.word[3]);
  digits[0] = (u16v)unpack_low(word01, word23);
  digits[1] = (u16v)unpack_high(word01, word23);
}

/* The digits of a tile. A digit that ties with t0 is moved to its side of t0; see mask.h. */
static __attribute__((noinline)) u16v resolve(u16v digits,
                                              const cudrop_mask_schedule_t *mask,
                                              uint64_t group) {
  const uint64_t seed = (uint64_t)mask->key[0].word[1] << 32 | mask->key[0].word[0];
  const uint16_t t0 = (uint16_t)mask->tie;
  uint16_t digit[TILE];
  memcpy(digit, &digits, sizeof digit);
  for (unsigned e = 0; e < TILE; ++e) {
    if (digit[e] != t0) continue;
    if (cudrop_mask_refinement(seed, mask->offset, group * 8 + e) >= mask->t1) {
      digit[e] = 0xffff;
    } else if (t0 == 0xffff) {
      digit[e] = 0;
    }
  }
  memcpy(&digits, digit, sizeof digits);
  return digits;
}

INLINE void draw(const cudrop_mask_schedule_t *mask, const lanes_t lanes[2],
                 uint64_t group, keep_t keep[TILES]) {
  u16v digits[TILES];
  const u64v groups = group + lane_groups();
  blocks_t a = first_round(&lanes[0], groups), b = first_round(&lanes[1], groups + LANES);
#pragma GCC unroll 9
  for (int round = 1; round < CUDROP_PHILOX_ROUNDS; ++round) {
    a = next_round(a, lanes[0].key[round]);
    b = next_round(b, lanes[1].key[round]);
  }
  sort_digits(a, digits);
  sort_digits(b, digits + 2);
  if (any_equal(digits, lanes->tie) && mask->ties != 0) {
#pragma GCC unroll 4
    for (int t = 0; t < TILES; ++t)
      digits[t] = resolve(digits[t], mask, group + (uint64_t)t * (LANES / 2));
  }
#pragma GCC unroll 4
  for (int t = 0; t < TILES; ++t) keep[t] = at_least(digits[t], lanes->least);
}

/* Write the keep bytes of a line of n neighbours from the first element of `group` on. */
INLINE void draw_line(const cudrop_mask_schedule_t *mask, const lanes_t lanes[2],
                      uint64_t group, int64_t n, uint8_t *kept) {
  for (int64_t e = 0; e < n; e += (int64_t)TILES * TILE) {
    keep_t keep[TILES];
    draw(mask, lanes, group + (uint64_t)e / CUDROP_MASK_LANES, keep);
#pragma GCC unroll 4
    for (int t = 0; t < TILES; ++t)
      to_bytes((char *)kept + e + (int64_t)t * TILE, keep[t]);
  }
}

static void draw_lines(const cudrop_mask_schedule_t *mask, const cudropi_lines_t *lines,
                       uint8_t *kept) {
  lanes_t lanes[2] = {spread(mask), spread(mask)};
  __asm__("" : "+m"(lanes)); /* keep `lanes` in memory, where instructions read it */
  for (int k = 0; k < lines->lines; ++k)
    draw_line(mask, lanes, lines->group + (uint64_t)k * lines->group_step, lines->n,
              kept + k * lines->n);
}

#endif /* CUDROP_DRAW_VECTOR_H */
