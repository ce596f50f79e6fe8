/* mersenne.c - MT19937. */
#include "mersenne.h"

enum { MIDDLE = 397 }; /* how far ahead the word lies that a new one is mixed with */

void mersenne_seed(mersenne_t *mersenne, uint32_t seed) {
  mersenne->word[0] = seed;
  for (uint32_t i = 1; i < MERSENNE_WORDS; ++i) {
    const uint32_t before = mersenne->word[i - 1];
    mersenne->word[i] = 1812433253u * (before ^ before >> 30) + i;
  }
  mersenne->next = MERSENNE_WORDS;
}

/* All words anew, each from three of the old or already new ones. */
static void twist(mersenne_t *mersenne) {
  uint32_t *word = mersenne->word;
  for (int i = 0; i < MERSENNE_WORDS; ++i) {
    const uint32_t after = word[(i + 1) % MERSENNE_WORDS];
    const uint32_t joined = (word[i] & 0x80000000u) | (after & 0x7fffffffu);
    const uint32_t matrix = (joined & 1u) != 0 ? 0x9908b0dfu : 0;
    word[i] = word[(i + MIDDLE) % MERSENNE_WORDS] ^ joined >> 1 ^ matrix;
  }
  mersenne->next = 0;
}

uint32_t mersenne_draw(mersenne_t *mersenne) {
  if (mersenne->next == MERSENNE_WORDS) twist(mersenne);
  uint32_t bits = mersenne->word[mersenne->next++];
  bits ^= bits >> 11;
  bits ^= bits << 7 & 0x9d2c5680u;
  bits ^= bits << 15 & 0xefc60000u;
  return bits ^ bits >> 18;
}
