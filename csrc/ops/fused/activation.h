/*
 * activation.h - activations and their derivatives: one source for host and GPU.
 *
 * Every operation, fmaf included, is one that IEEE 754 rounds correctly. So host and GPU give the
 * same bits, whatever their mathematical libraries do. NaN stays NaN. At an infinity a function has
 * its limit.
 */
#ifndef CUDROP_ACTIVATION_H
#define CUDROP_ACTIVATION_H

#include <math.h>
#include <string.h>

#include "cudrop/cudrop.h"
#include "cudrop/philox.h"

CUDROP_INLINE float cudropi_float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

CUDROP_INLINE uint32_t cudropi_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* min(x, most), but NaN for NaN. */
CUDROP_INLINE float cudropi_at_most(float x, float most) {
  return x > most ? most : x;
}

/*
 * e^x for x from -110 to 88 and NaN, within 1.1 ulp: 2^n e^r with |r| <= ln(2) / 2. 2^n is split in
 * two factors, because the result may be subnormal. The polynomial is a minimax fit of
 * (e^r - 1 - r) / r^2.
 */
CUDROP_INLINE float cudropi_exp(float x) {
  const float shift = 0x1.8p23f; /* after this sum the last bits are an integer */
  const float shifted = fmaf(x, 0x1.715476p0f, shift);
  const float n = shifted - shift;
  const float r = fmaf(n, 0x1.05c61p-29f, fmaf(n, -0x1.62e43p-1f, x));
  float q = 0x1.6a241cp-10f;
  q = fmaf(q, r, 0x1.1239f0p-7f);
  q = fmaf(q, r, 0x1.5558f2p-5f);
  q = fmaf(q, r, 0x1.555492p-3f);
  q = fmaf(q, r, 0x1.fffffcp-2f);
  const float power = fmaf(q * r, r, r) + 1.0f;
  const uint32_t biased = cudropi_bits_of_float(shifted) - 0x4b400000u + 2 * 127;
  const uint32_t half = biased >> 1;
  return power * cudropi_float_of(half << 23) * cudropi_float_of((biased - half) << 23);
}

/* e^x like cudropi_exp(), and 0 for x below -110. */
CUDROP_INLINE float cudropi_exp_to_zero(float x) {
  return cudropi_exp(x < -110.0f ? -110.0f : x);
}

/* tail = Phi(-z) of the normal distribution, density = e^(-z^2 / 2); z from 0 to 15, or NaN. */
typedef struct {
  float tail, density;
} cudropi_normal_t;

/* tail / density is t times a polynomial in t = 1 / (1 + z / 4), a minimax fit. */
CUDROP_INLINE cudropi_normal_t cudropi_normal(float z) {
  const float square = z * z, rest = fmaf(z, z, -square);
  const float power = cudropi_exp(-0.5f * square);
  const float density = fmaf(power, -0.5f * rest, power);
  const float t = 1.0f / fmaf(0.25f, z, 1.0f);
  float q = 0x1.14c460p-6f;
  q = fmaf(q, t, -0x1.0858ccp-4f);
  q = fmaf(q, t, 0x1.c9c6e6p-5f);
  q = fmaf(q, t, 0x1.726c9ap-6f);
  q = fmaf(q, t, 0x1.2297bep-6f);
  q = fmaf(q, t, 0x1.577374p-4f);
  q = fmaf(q, t, 0x1.2b0fccp-4f);
  q = fmaf(q, t, 0x1.864c7ep-4f);
  q = fmaf(q, t, 0x1.97a3d2p-4f);
  q = fmaf(q, t, 0x1.988f9cp-4f);
  const cudropi_normal_t normal = {q * t * density, density};
  return normal;
}

/* ---- The activations -------------------------------------------------------------- */

CUDROP_INLINE float cudropi_relu(float x) {
  return x < 0.0f ? 0.0f : x;
}

CUDROP_INLINE float cudropi_relu_slope(float x) {
  return x <= 0.0f ? 0.0f : 1.0f;
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|): nothing cancels, on either side. */
CUDROP_INLINE float cudropi_gelu(float x) {
  const float z = cudropi_at_most(fabsf(x), 15.0f);
  return (x >= 0.0f ? x : 0.0f) - z * cudropi_normal(z).tail;
}

/* Phi(x) + x phi(x) */
CUDROP_INLINE float cudropi_gelu_slope(float x) {
  const float z = cudropi_at_most(fabsf(x), 15.0f);
  const cudropi_normal_t normal = cudropi_normal(z);
  const float slope = normal.tail - z * (0x1.988454p-2f * normal.density);
  return x > 0.0f ? 1.0f - slope : slope;
}

/* x / (1 + e^-u) for x >= 0, else x e^u / (1 + e^u), where u has the sign of x. */
CUDROP_INLINE float cudropi_silu(float x) {
  const float z = cudropi_at_most(fabsf(x), 104.0f), e = cudropi_exp(-z);
  return (x >= 0.0f ? x : -(z * e)) / (1.0f + e);
}

/* s (1 + x (1 - s)) with s = 1 / (1 + e^-x) */
CUDROP_INLINE float cudropi_silu_slope(float x) {
  const float z = cudropi_at_most(fabsf(x), 104.0f), e = cudropi_exp(-z);
  const float large = 1.0f / (1.0f + e), small = e * large;
  return x > 0.0f ? large * (1.0f + z * small) : small * (1.0f - z * large);
}

/* 0.5 (1 + tanh(v)) = 1 / (1 + e^-2v), and 2v = x (a + b x^2) */
#define CUDROPI_GELU_TANH_A 0x1.988454p0f  /* 2 sqrt(2 / pi) */
#define CUDROPI_GELU_TANH_B 0x1.2444f2p-4f /* 0.044715 a */

CUDROP_INLINE float cudropi_gelu_tanh(float x) {
  const float z = cudropi_at_most(fabsf(x), 15.0f);
  const float u = z * fmaf(CUDROPI_GELU_TANH_B * z, z, CUDROPI_GELU_TANH_A);
  const float e = cudropi_exp(-cudropi_at_most(u, 104.0f));
  return (x >= 0.0f ? x : -(z * e)) / (1.0f + e);
}

/* s + x s (1 - s) u'(x), s = 1 / (1 + e^-u) */
CUDROP_INLINE float cudropi_gelu_tanh_slope(float x) {
  const float z = cudropi_at_most(fabsf(x), 15.0f);
  const float u = z * fmaf(CUDROPI_GELU_TANH_B * z, z, CUDROPI_GELU_TANH_A);
  const float e = cudropi_exp(-cudropi_at_most(u, 104.0f));
  const float large = 1.0f / (1.0f + e), small = e * large;
  const float rise = fmaf(3.0f * CUDROPI_GELU_TANH_B * z, z, CUDROPI_GELU_TANH_A);
  const float bend = z * small * large * rise;
  return x > 0.0f ? large + bend : small - bend;
}

#endif /* CUDROP_ACTIVATION_H */
