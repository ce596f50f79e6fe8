/* torch_rng.c - what PyTorch makes of the Mersenne Twister's numbers. */
#include "torch_rng.h"

float torch_rng_uniform(mersenne_t *rng, float low, float high) {
  const uint32_t bits = mersenne_draw(rng) & 0xffffffu; /* as many as a float holds */
  return (float)bits * 0x1p-24f * (high - low) + low;
}

void torch_rng_keep(mersenne_t *rng, double p, uint8_t *keep, int n) {
  const uint64_t low53 = ((uint64_t)1 << 53) - 1;
  for (int i = 0; i < n; ++i) {
    const uint64_t a = mersenne_draw(rng);
    const uint64_t b = mersenne_draw(rng);
    keep[i] = (double)((a << 32 | b) & low53) * 0x1p-53 < 1.0 - p;
  }
}

void torch_rng_keep_mkl(mersenne_t *rng, double p, uint8_t *keep, int n) {
  const uint64_t multiplier = 1132489760, modulus = 2147483647;
  uint64_t x = mersenne_draw(rng) % modulus;
  if (x == 0) x = 1; /* 0 would stay 0 */
  for (int i = 0; i < n; ++i) {
    keep[i] = (double)x / (double)modulus < 1.0 - p;
    x = multiplier * x % modulus;
  }
}
