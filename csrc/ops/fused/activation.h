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

/* min(x, most), but NaN for NaN. One instruction from sm_80. */
CUDROP_INLINE float cudropi_at_most(float x, float most) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float least;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(least) : "f"(x), "f"(most));
  return least;
#else
  return x > most ? most : x;
#endif
}

/* max(x, least), but NaN for NaN. */
CUDROP_INLINE float cudropi_at_least(float x, float least) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float most;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(most) : "f"(x), "f"(least));
  return most;
#else
  return x < least ? least : x;
#endif
}

/* e^r for r = x - n ln(2), |r| <= ln(2) / 2: a minimax fit of (e^r - 1 - r) / r^2. */
CUDROP_INLINE float cudropi_exp_rest(float x, float n) {
  const float r = fmaf(n, 0x1.05c61p-29f, fmaf(n, -0x1.62e43p-1f, x));
  float q = 0x1.6a241cp-10f;
  q = fmaf(q, r, 0x1.1239f0p-7f);
  q = fmaf(q, r, 0x1.5558f2p-5f);
  q = fmaf(q, r, 0x1.555492p-3f);
  q = fmaf(q, r, 0x1.fffffcp-2f);
  return fmaf(q * r, r, r) + 1.0f;
}

/* e^x for x from -110 to 88 and NaN, within 1.1 ulp. 2^n is split in two factors, because the
 * result may be subnormal. */
CUDROP_INLINE float cudropi_exp(float x) {
  const float shift = 0x1.8p23f; /* after this sum the last bits are an integer */
  const float shifted = fmaf(x, 0x1.715476p0f, shift);
  const float power = cudropi_exp_rest(x, shifted - shift);
  const uint32_t biased = cudropi_bits_of_float(shifted) - 0x4b400000u + 2 * 127;
  const uint32_t half = biased >> 1;
  return power * cudropi_float_of(half << 23) * cudropi_float_of((biased - half) << 23);
}

/* 2^f for |f| <= 1/2, a minimax fit within 2^-18.5. */
CUDROP_INLINE float cudropi_narrow_power(float f) {
  float q = 0x1.3997d6p-7f;
  q = fmaf(q, f, 0x1.ca1442p-5f);
  q = fmaf(q, f, 0x1.ec06dap-3f);
  q = fmaf(q, f, 0x1.62e0dcp-1f);
  return fmaf(q, f, 0x1.ffffe8p-1f);
}

/*
 * 2^64 e^x for x up to 0, and NaN, otherwise like cudropi_exp(). The factor keeps the result
 * normal. Below e^-104 the result is as good as 0 beside e^0.
 */
CUDROP_INLINE float cudropi_lifted_exp(float x) {
  const float least = cudropi_at_least(x, -104.0f);
  const float shift = 0x1.8p23f + 191.0f; /* after this sum the last bits are n + 191 */
  const float shifted = fmaf(least, 0x1.715476p0f, shift);
  return cudropi_exp_rest(least, shifted - shift) *
         cudropi_float_of(cudropi_bits_of_float(shifted) << 23);
}

/* The same within 2^-17, for results that are rounded to 16 bits. */
CUDROP_INLINE float cudropi_narrow_exp(float x) {
  const float least = cudropi_at_least(x, -104.0f);
  const float shift = 0x1.8p23f + 191.0f;
  const float shifted = fmaf(least, 0x1.715476p0f, shift);
  const float q = cudropi_narrow_power(fmaf(least, 0x1.715476p0f, shift - shifted));
  return q * cudropi_float_of(cudropi_bits_of_float(shifted) << 23);
}

/* e^x like cudropi_exp(), and 0 for x below -110. */
CUDROP_INLINE float cudropi_exp_to_zero(float x) {
  return cudropi_exp(x < -110.0f ? -110.0f : x);
}

/* tail = Phi(-z) of the normal distribution, density = e^(-z^2 / 2); z from 0 to 15, or NaN. */
typedef struct {
  float tail, density;
} cudropi_normal_t;

/* 1 / x, rounded correctly, for x from 1 to 8. nvcc's own division begins with the same
 * instructions, behind a test of the range. */
CUDROP_INLINE float cudropi_reciprocal(float x) {
#if defined(__CUDA_ARCH__)
  float guess;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(guess) : "f"(x));
  return fmaf(guess, fmaf(-x, guess, 1.0f), guess);
#else
  return 1.0f / x;
#endif
}

/* tail / density is t times a polynomial in t = 1 / (1 + z / 4), a minimax fit. */
CUDROP_INLINE cudropi_normal_t cudropi_normal(float z) {
  const float square = z * z, rest = fmaf(z, z, -square);
  const float power = cudropi_exp(-0.5f * square);
  const float density = fmaf(power, -0.5f * rest, power);
  const float t = cudropi_reciprocal(fmaf(0.25f, z, 1.0f));
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

/*
 * The narrow functions are for results that are rounded to 16 bits, where fewer instructions do.
 * tests/test_activation.c has what they are off by.
 *
 * 2^64 e^(-z^2 / 2) for z from 0 to 15: the factor keeps the result normal. The result for NaN is
 * unspecified.
 */
CUDROP_INLINE float cudropi_narrow_density(float z) {
  const float shift = 0x1.8p23f + 64.0f; /* after this sum the last bits are n + 64 */
  const float square = z * z;
  const float shifted = fmaf(square, -0x1.715476p-1f, shift);
  const float f = fmaf(square, -0x1.715476p-1f, shift - shifted);
  const float q = cudropi_narrow_power(f);
  return cudropi_float_of(cudropi_bits_of_float(q) +
                          (cudropi_bits_of_float(shifted) << 23));
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

/* x Phi(x) for a result of 16 bits. Phi(-z) / e^(-z^2 / 2) is t times a polynomial in
 * t = 1 / (1 + z / 5), a minimax fit, here times 2^-64. */
CUDROP_INLINE float cudropi_narrow_gelu(float x) {
  const float z = cudropi_at_most(fabsf(x), 15.0f);
  const float t = cudropi_reciprocal(fmaf(0x1.99999ap-3f, z, 1.0f));
  float q = 0x1.1dcadap-66f;
  q = fmaf(q, t, -0x1.8c1c08p-66f);
  q = fmaf(q, t, 0x1.c9aa52p-66f);
  q = fmaf(q, t, -0x1.f891b4p-68f);
  q = fmaf(q, t, 0x1.0f6f7cp-67f);
  q = fmaf(q, t, 0x1.23319p-68f);
  q = fmaf(q, t, 0x1.491d46p-68f);
  const float tail = q * t * cudropi_narrow_density(z);
  return fmaf(-z, tail, x > 0.0f ? x : 0.0f);
}

/* Phi(x) + x phi(x) for a result of 16 bits. For -z it is e^(-z^2 / 2) (root - z) times a
 * polynomial in t = 1 / (1 + z / 3), a minimax fit, here times 2^-64. The factor of z is one for
 * which the constant beside it, as a float, is within 10^-12 of that factor times the root. */
CUDROP_INLINE float cudropi_narrow_gelu_slope(float x) {
  const float z = cudropi_at_most(fabsf(x), 15.0f);
  const float t = cudropi_reciprocal(fmaf(0x1.555556p-2f, z, 1.0f));
  float q = -0x1.955624p-70f;
  q = fmaf(q, t, 0x1.040f9ap-68f);
  q = fmaf(q, t, 0x1.80fff2p-70f);
  q = fmaf(q, t, 0x1.1d469cp-68f);
  q = fmaf(q, t, 0x1.3fb558p-68f);
  q = fmaf(q, t, 0x1.42639ep-66f);
  const float slope =
      fmaf(z, -0x1.447p0f, 0x1.e7d198p-1f) * q * cudropi_narrow_density(z);
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
  const float large = cudropi_reciprocal(1.0f + e), small = e * large;
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
  const float large = cudropi_reciprocal(1.0f + e), small = e * large;
  const float rise = fmaf(3.0f * CUDROPI_GELU_TANH_B * z, z, CUDROPI_GELU_TANH_A);
  const float bend = z * small * large * rise;
  return x > 0.0f ? large + bend : small - bend;
}

#endif /* CUDROP_ACTIVATION_H */
