/*
 * convert.h - conversions of the narrow types to and from float, mostly by integer arithmetic.
 *
 *   binary32   s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm        bias 127
 *   binary16   s eeeee    mmmmmmmmmm                     bias 15
 *   bfloat16   s eeeeeeee mmmmmmm                        binary32's upper half
 *   FP8 E5M2   s eeeee    mm                             binary16's upper half
 *   FP8 E4M3   s eeee     mmm                            bias 7; no infinity, NaN s1111111
 *
 * Narrowing rounds to nearest, ties to even, whatever the caller's rounding and denormal modes. A
 * value that overflows becomes infinite, or in E4M3 the largest value. NaN stays NaN. The code has
 * no branches.
 */
#ifndef CUDROP_CONVERT_H
#define CUDROP_CONVERT_H

#include <stdint.h>
#include <string.h>

static inline uint32_t bits_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float float_from_bf16(uint16_t half) {
  return float_from_bits((uint32_t)half << 16);
}

static inline uint16_t bf16_from_float(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  const int is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return (uint16_t)(is_nan ? bits >> 16 | 0x40u : rounded);
}

/* The binary32 bits of a narrow value whose bits without the sign are `magnitude`; it is finite. */
static inline uint32_t widen(uint32_t magnitude, uint32_t fraction_bits, uint32_t bias) {
  const uint32_t aligned = magnitude << (23 - fraction_bits);
  const uint32_t normal = aligned + ((127 - bias) << 23);
  /* A subnormal, exactly: the least normal plus the fraction, minus the least normal. */
  const uint32_t least = (127 - bias + 1) << 23;
  const float small = float_from_bits(aligned + least) - float_from_bits(least);
  return aligned < 1u << 23 ? bits_from_float(small) : normal;
}

/*
 * The narrow bits nearest to the value whose binary32 bits without the sign are `magnitude`. The
 * exponent is not bounded: the caller must look for overflow.
 */
static inline uint32_t narrow(uint32_t magnitude, uint32_t fraction_bits, uint32_t bias) {
  const uint32_t least = 127 - bias + 1; /* the exponent of the least normal value */
  const uint32_t exponent = magnitude >> 23;
  /* Shift the significand to units of the last place; `below` more for a subnormal. */
  const uint32_t below = exponent < least ? least - exponent : 0;
  const uint32_t most = fraction_bits + 2; /* from this shift on the result is 0 */
  const uint32_t shift = 23 - fraction_bits + (below < most ? below : most);
  const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t quotient = significand >> shift;
  const uint32_t rest = significand & ((1u << shift) - 1);
  const uint32_t half = 1u << (shift - 1);
  const uint32_t up = (uint32_t)(rest + (quotient & 1) > half);
  /* The leading bit of the quotient adds 1 to the exponent, and so does a carry. */
  const uint32_t base = exponent < least ? 0 : (exponent - least) << fraction_bits;
  return base + quotient + up;
}

/*
 * The same for a type of 8 bits, without a shift that differs from value to value, so that compilers
 * make vectors of it. A subnormal result is the number of ties below the value: (i + 1/2) * unit,
 * which goes down to i if i is even.
 */
static inline uint32_t narrow_to_8(uint32_t magnitude, uint32_t fraction_bits,
                                   uint32_t bias) {
  const uint32_t least = 127 - bias + 1, dropped = 23 - fraction_bits;
  const float half_unit = float_from_bits((least - 1 - fraction_bits) << 23);
  const int32_t value = (int32_t)magnitude;
  int32_t small = 0;
  for (int32_t i = 0; i < 1 << fraction_bits; ++i) {
    const int32_t tie = (int32_t)bits_from_float((float)(2 * i + 1) * half_unit);
    small += value > tie - i % 2;
  }
  const uint32_t up = (1u << (dropped - 1)) - 1 + (magnitude >> dropped & 1);
  const uint32_t normal = ((magnitude + up) >> dropped) - ((least - 1) << fraction_bits);
  return value < (int32_t)(least << 23) ? (uint32_t)small : normal;
}

static inline float float_from_f16(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  const uint32_t special = 0x7f800000u | (magnitude & 0x3ffu) << 13;
  return float_from_bits(sign |
                         (magnitude >= 0x7c00u ? special : widen(magnitude, 10, 15)));
}

static inline uint16_t f16_from_float(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t overflow = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const uint32_t finite = narrow(magnitude, 10, 15); /* a carry may give infinity */
  return (uint16_t)((bits >> 16 & 0x8000u) |
                    (magnitude >= 143u << 23 ? overflow : finite));
}

static inline float float_from_e5m2(uint8_t quarter) {
  return float_from_f16((uint16_t)(quarter << 8));
}

static inline uint8_t e5m2_from_float(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t overflow = magnitude > 0x7f800000u ? 0x7eu : 0x7cu;
  const uint32_t finite = narrow_to_8(magnitude, 2, 15);
  return (uint8_t)((bits >> 24 & 0x80u) | (magnitude >= 143u << 23 ? overflow : finite));
}

static inline float float_from_e4m3(uint8_t quarter) {
  const uint32_t sign = (uint32_t)(quarter & 0x80u) << 24;
  const uint32_t magnitude = quarter & 0x7fu;
  return float_from_bits(sign |
                         (magnitude == 0x7fu ? 0x7fc00000u : widen(magnitude, 3, 7)));
}

static inline uint8_t e4m3_from_float(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t nearest = narrow_to_8(magnitude, 3, 7);
  const uint32_t finite = nearest < 0x7eu ? nearest : 0x7eu;
  return (uint8_t)((bits >> 24 & 0x80u) | (magnitude > 0x7f800000u ? 0x7fu : finite));
}

#endif /* CUDROP_CONVERT_H */
