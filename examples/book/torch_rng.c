/* torch_rng.c - the Mersenne Twister, and the two masks that PyTorch makes of it. */
#include "torch_rng.h"

enum { MIDDLE = 397 }; /* how far ahead the word lies that a new one is mixed with */

void torch_rng_seed(torch_rng_t *rng, uint32_t seed) {
  rng->word[0] = seed;
  for (uint32_t i = 1; i < TORCH_RNG_WORDS; ++i) {
    const uint32_t before = rng->word[i - 1];
    rng->word[i] = 1812433253u * (before ^ before >> 30) + i;
  }
  rng->next = TORCH_RNG_WORDS;
}

/* All words anew, each from three of the old or already new ones. */
static void twist(torch_rng_t *rng) {
  uint32_t *word = rng->word;
  for (int i = 0; i < TORCH_RNG_WORDS; ++i) {
    const uint32_t after = word[(i + 1) % TORCH_RNG_WORDS];
    const uint32_t joined = (word[i] & 0x80000000u) | (after & 0x7fffffffu);
    const uint32_t matrix = (joined & 1u) != 0 ? 0x9908b0dfu : 0;
    word[i] = word[(i + MIDDLE) % TORCH_RNG_WORDS] ^ joined >> 1 ^ matrix;
  }
  rng->next = 0;
}

uint32_t torch_rng_draw(torch_rng_t *rng) {
  if (rng->next == TORCH_RNG_WORDS) twist(rng);
  uint32_t bits = rng->word[rng->next++];
  bits ^= bits >> 11;
  bits ^= bits << 7 & 0x9d2c5680u;
  bits ^= bits << 15 & 0xefc60000u;
  return bits ^ bits >> 18;
}

float torch_rng_uniform(torch_rng_t *rng, float low, float high) {
  const uint32_t bits = torch_rng_draw(rng) & 0xffffffu; /* as many as a float holds */
  return (float)bits * 0x1p-24f * (high - low) + low;
}

void torch_rng_keep(torch_rng_t *rng, double p, uint8_t *keep, int n) {
  const uint64_t low53 = ((uint64_t)1 << 53) - 1;
  for (int i = 0; i < n; ++i) {
    const uint64_t a = torch_rng_draw(rng);
    const uint64_t b = torch_rng_draw(rng);
    keep[i] = (double)((a << 32 | b) & low53) * 0x1p-53 < 1.0 - p;
  }
}

void torch_rng_keep_mkl(torch_rng_t *rng, double p, uint8_t *keep, int n) {
  const uint64_t multiplier = 1132489760, modulus = 2147483647;
  uint64_t x = torch_rng_draw(rng) % modulus;
  if (x == 0) x = 1; /* 0 would stay 0 */
  for (int i = 0; i < n; ++i) {
    keep[i] = (double)x / (double)modulus < 1.0 - p;
    x = multiplier * x % modulus;
  }
}
