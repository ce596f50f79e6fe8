/* vector_sse2.h - vectors of 16 bytes, on every x86-64. */
#ifndef CUDROP_VECTOR_SSE2_H
#define CUDROP_VECTOR_SSE2_H

#define VECTOR 16
#define HAS_F16C 0
#include "host/vector_types.h"

typedef u16v keep_t; /* all ones where kept */

static inline u64v lane_groups(void) {
  return (u64v){0, 1};
}
static inline u64v multiply_low(u64v a, u64v b) {
  return (u64v)_mm_mul_epu32((__m128i)a, (__m128i)b);
}
static inline u64v join_low(u64v a, u64v b) {
  return (a & 0xffffffffu) | b << 32;
}
static inline u64v unpack_low(u64v a, u64v b) {
  return (u64v)_mm_unpacklo_epi64((__m128i)a, (__m128i)b);
}
static inline u64v unpack_high(u64v a, u64v b) {
  return (u64v)_mm_unpackhi_epi64((__m128i)a, (__m128i)b);
}

static inline keep_t at_least(u16v digits, u16v least) {
  return (keep_t)(digits >= least);
}
static inline bool any_equal(const u16v digits[4], u16v tie) {
  return _mm_movemask_epi8((__m128i)((digits[0] == tie) | (digits[1] == tie) |
                                     (digits[2] == tie) | (digits[3] == tie))) != 0;
}
static inline keep_t from_bits(uint32_t bits) {
  const u16v lane = {1, 2, 4, 8, 16, 32, 64, 128};
  return (keep_t)((((u16v){0} + (uint16_t)bits) & lane) == lane);
}
static inline uint32_t to_bits(keep_t keep) {
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16((__m128i)keep, _mm_setzero_si128()));
}
static inline keep_t from_bytes(const void *from) {
  const __m128i bytes = _mm_loadl_epi64(from);
  return (keep_t)((u16v)_mm_unpacklo_epi8(bytes, _mm_setzero_si128()) != 0);
}
static inline void to_bytes(void *to, keep_t keep) {
  const __m128i packed = _mm_packs_epi16((__m128i)keep, (__m128i)keep);
  _mm_storel_epi64(to, _mm_and_si128(packed, _mm_set1_epi8(1)));
}

/* The keep masks of part `part` of a tile, in 32-bit lanes. */
static inline u32v mask32(keep_t keep, int part) {
  const __m128i both = (__m128i)keep;
  return (u32v)(part == 0 ? _mm_unpacklo_epi16(both, both)
                          : _mm_unpackhi_epi16(both, both));
}
/* The same in 64-bit lanes. */
static inline u64v mask64(keep_t keep, int part) {
  const __m128i half = (__m128i)mask32(keep, part / 2);
  return (u64v)(part % 2 == 0 ? _mm_unpacklo_epi32(half, half)
                              : _mm_unpackhi_epi32(half, half));
}

static inline u16v choose16(keep_t keep, u16v a, u16v b) {
  return (a & keep) | (b & ~keep);
}
static inline u32v choose32(keep_t keep, int part, u32v a, u32v b) {
  const u32v mask = mask32(keep, part);
  return (a & mask) | (b & ~mask);
}
static inline u64v choose64(keep_t keep, int part, u64v a, u64v b) {
  const u64v mask = mask64(keep, part);
  return (a & mask) | (b & ~mask);
}
static inline u16v keep16(keep_t keep, u16v a) {
  return a & keep;
}
static inline u32v keep32(keep_t keep, int part, u32v a) {
  return a & mask32(keep, part);
}
static inline u64v keep64(keep_t keep, int part, u64v a) {
  return a & mask64(keep, part);
}

static inline u16v narrow(u32v even, u32v odd) {
  return (u16v)(even >> 16 | (odd & 0xffff0000u));
}

static inline void stream(void *to, u64v value) {
  _mm_stream_si128(to, (__m128i)value);
}

#endif /* CUDROP_VECTOR_SSE2_H */
