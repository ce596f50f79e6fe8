/* vector_avx512.h - vectors of 64 bytes, for processors with AVX-512 F, BW, DQ and VL. */
#ifndef CUDROP_VECTOR_AVX512_H
#define CUDROP_VECTOR_AVX512_H

#define VECTOR 64
#define HAS_F16C 1
#include "host/vector_types.h"

typedef __mmask32 keep_t;

static inline u64v lane_groups(void) {
  return (u64v){0, 4, 1, 5, 2, 6, 3, 7};
}
static inline u64v multiply_low(u64v a, u64v b) {
  return (u64v)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
static inline u64v join_low(u64v a, u64v b) {
  return (a & 0xffffffffu) | b << 32;
}
static inline u64v unpack_low(u64v a, u64v b) {
  return (u64v)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
}
static inline u64v unpack_high(u64v a, u64v b) {
  return (u64v)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
}

static inline keep_t at_least(u16v digits, u16v least) {
  return _mm512_cmpge_epu16_mask((__m512i)digits, (__m512i)least);
}
static inline bool any_equal(const u16v digits[4], u16v tie) {
  __mmask32 equal = 0;
  for (int t = 0; t < 4; ++t)
    equal |= _mm512_cmpeq_epu16_mask((__m512i)digits[t], (__m512i)tie);
  return equal != 0;
}
static inline keep_t from_bits(uint32_t bits) {
  return bits;
}
static inline uint32_t to_bits(keep_t keep) {
  return keep;
}
static inline keep_t from_bytes(const void *from) {
  const __m256i bytes = _mm256_loadu_si256(from);
  return _mm256_test_epi8_mask(bytes, bytes);
}
static inline void to_bytes(void *to, keep_t keep) {
  _mm256_storeu_si256(to, _mm256_maskz_set1_epi8(keep, 1));
}

static inline u16v choose16(keep_t keep, u16v a, u16v b) {
  return (u16v)_mm512_mask_mov_epi16((__m512i)b, keep, (__m512i)a);
}
static inline u32v choose32(keep_t keep, int part, u32v a, u32v b) {
  const __mmask16 mask = (__mmask16)(keep >> (16 * part));
  return (u32v)_mm512_mask_mov_epi32((__m512i)b, mask, (__m512i)a);
}
static inline u64v choose64(keep_t keep, int part, u64v a, u64v b) {
  const __mmask8 mask = (__mmask8)(keep >> (8 * part));
  return (u64v)_mm512_mask_mov_epi64((__m512i)b, mask, (__m512i)a);
}

static inline u16v keep16(keep_t keep, u16v a) {
  return (u16v)_mm512_maskz_mov_epi16(keep, (__m512i)a);
}
static inline u32v keep32(keep_t keep, int part, u32v a) {
  return (u32v)_mm512_maskz_mov_epi32((__mmask16)(keep >> (16 * part)), (__m512i)a);
}
static inline u64v keep64(keep_t keep, int part, u64v a) {
  return (u64v)_mm512_maskz_mov_epi64((__mmask8)(keep >> (8 * part)), (__m512i)a);
}

static inline u16v narrow(u32v even, u32v odd) {
  return (u16v)(even >> 16 | (odd & 0xffff0000u));
}
static inline f32v floats_of_halves(const void *from) {
  return (f32v)_mm512_cvtph_ps(_mm256_loadu_si256(from));
}
static inline u16v halves_of_floats(f32v low, f32v high) {
  const __m256i a = _mm512_cvtps_ph((__m512)low, _MM_FROUND_TO_NEAREST_INT);
  const __m256i b = _mm512_cvtps_ph((__m512)high, _MM_FROUND_TO_NEAREST_INT);
  return (u16v)_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

static inline void stream(void *to, u64v value) {
  _mm512_stream_si512(to, (__m512i)value);
}

#endif /* CUDROP_VECTOR_AVX512_H */
