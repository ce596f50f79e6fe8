/* vector_avx2.h - vectors of 32 bytes, for processors with AVX2 and F16C. */
#ifndef CUDROP_VECTOR_AVX2_H
#define CUDROP_VECTOR_AVX2_H

#define VECTOR 32
#define HAS_F16C 1
#include "host/vector_types.h"

typedef u16v keep_t; /* all ones where kept */

static inline u64v lane_groups(void) {
  return (u64v){0, 2, 1, 3};
}
static inline u64v multiply_low(u64v a, u64v b) {
  return (u64v)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
static inline u64v join_low(u64v a, u64v b) {
  return (u64v)_mm256_blend_epi32((__m256i)a, (__m256i)(b << 32), 0xaa);
}
static inline u64v unpack_low(u64v a, u64v b) {
  return (u64v)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
}
static inline u64v unpack_high(u64v a, u64v b) {
  return (u64v)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
}

static inline keep_t at_least(u16v digits, u16v least) {
  return (keep_t)_mm256_cmpeq_epi16(_mm256_max_epu16((__m256i)digits, (__m256i)least),
                                    (__m256i)digits);
}
static inline bool any_equal(const u16v digits[4], u16v tie) {
  const __m256i equal = (__m256i)((digits[0] == tie) | (digits[1] == tie) |
                                  (digits[2] == tie) | (digits[3] == tie));
  return !_mm256_testz_si256(equal, equal);
}
static inline keep_t from_bits(uint32_t bits) {
  const u16v lane = {1,   2,   4,    8,    16,   32,   64,    128,
                     256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  return (keep_t)((((u16v){0} + (uint16_t)bits) & lane) == lane);
}
static inline __m128i packed_bytes(keep_t keep) {
  return _mm_packs_epi16(_mm256_castsi256_si128((__m256i)keep),
                         _mm256_extracti128_si256((__m256i)keep, 1));
}
static inline uint32_t to_bits(keep_t keep) {
  return (uint32_t)_mm_movemask_epi8(packed_bytes(keep));
}
static inline keep_t from_bytes(const void *from) {
  return (keep_t)((u16v)_mm256_cvtepu8_epi16(_mm_loadu_si128(from)) != 0);
}
static inline void to_bytes(void *to, keep_t keep) {
  _mm_storeu_si128(to, _mm_and_si128(packed_bytes(keep), _mm_set1_epi8(1)));
}

static inline __m128i half_of(keep_t keep, bool upper) {
  return upper ? _mm256_extracti128_si256((__m256i)keep, 1)
               : _mm256_castsi256_si128((__m256i)keep);
}
/* The keep masks of part `part` of a tile, in 32-bit lanes. */
static inline u32v mask32(keep_t keep, int part) {
  return (u32v)_mm256_cvtepi16_epi32(half_of(keep, part == 1));
}
/* The same in 64-bit lanes. */
static inline u64v mask64(keep_t keep, int part) {
  const __m128i half = half_of(keep, part >= 2);
  return (u64v)_mm256_cvtepi16_epi64(part % 2 == 0 ? half
                                                   : _mm_unpackhi_epi64(half, half));
}

static inline u16v choose16(keep_t keep, u16v a, u16v b) {
  return (u16v)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)keep);
}
static inline u32v choose32(keep_t keep, int part, u32v a, u32v b) {
  return (u32v)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)mask32(keep, part));
}
static inline u64v choose64(keep_t keep, int part, u64v a, u64v b) {
  return (u64v)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)mask64(keep, part));
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
  return (u16v)_mm256_blend_epi16((__m256i)(even >> 16), (__m256i)odd, 0xaa);
}
static inline f32v floats_of_halves(const void *from) {
  return (f32v)_mm256_cvtph_ps(_mm_loadu_si128(from));
}
static inline u16v halves_of_floats(f32v low, f32v high) {
  const __m128i a = _mm256_cvtps_ph((__m256)low, _MM_FROUND_TO_NEAREST_INT);
  const __m128i b = _mm256_cvtps_ph((__m256)high, _MM_FROUND_TO_NEAREST_INT);
  return (u16v)_mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

static inline void stream(void *to, u64v value) {
  _mm256_stream_si256(to, (__m256i)value);
}

#endif /* CUDROP_VECTOR_AVX2_H */
