/*
 * convert.h - F16 and BF16 to and from float, by integer arithmetic.
 *
 *   binary32   s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm        bias 127
 *   binary16   s eeeee    mmmmmmmmmm                     bias 15
 *   bfloat16   s eeeeeeee mmmmmmm                        binary32's upper half
 *
 * Narrowing rounds to nearest, ties to even, whatever the caller's rounding and denormal
 * modes; overflow is infinite; a NaN stays a NaN. Without branches.
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

static inline float float_from_f16(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  const uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
  const uint32_t special = magnitude >= 0x7c00u << 13 ? 0xffu - 0x1fu - 112u : 0;
  const uint32_t normal = magnitude + ((112u + special) << 23);
  /* A subnormal gets an exponent by being counted up from 2^-14, exactly. */
  const float small = float_from_bits(magnitude + (113u << 23)) - 0x1p-14f;
  const uint32_t bits = magnitude < 0x0400u << 13 ? bits_from_float(small) : normal;
  return float_from_bits(bits | sign);
}

static inline uint16_t f16_from_float(float value) {
  const uint32_t bits = bits_from_float(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;

  /* The significand in units of 2^-24 for a subnormal result, of its last bit otherwise. */
  const uint32_t exponent = magnitude >> 23;
  const uint32_t below = exponent < 113 ? 113 - exponent : 0;
  const uint32_t shift = 13 + (below < 12 ? below : 12);
  const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t quotient = significand >> shift;
  const uint32_t rest = significand & ((1u << shift) - 1);
  const uint32_t half = 1u << (shift - 1);
  const uint32_t up = (uint32_t)(rest + (quotient & 1) > half);

  /* A carry out of the significand is the next exponent, up to infinity. */
  const uint32_t base = exponent < 113 ? 0 : (exponent - 113) << 10;
  const uint32_t finite = base + quotient + up;
  const uint32_t overflow = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  return (uint16_t)(sign | (magnitude >= 143u << 23 ? overflow : finite));
}

#endif /* CUDROP_CONVERT_H */
