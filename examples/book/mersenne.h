/*
 * mersenne.h - MT19937, the Mersenne Twister, from which PyTorch draws on a CPU, and NumPy's
 * legacy functions.
 *
 * Source: M. Matsumoto and T. Nishimura, "Mersenne twister: a 623-dimensionally equidistributed
 * uniform pseudo-random number generator", 1998; the seed becomes a state as init_genrand() of
 * their code of 2002 does it.
 */
#ifndef MERSENNE_H
#define MERSENNE_H

#include <stdint.h>

enum { MERSENNE_WORDS = 624 };

typedef struct {
  uint32_t word[MERSENNE_WORDS];
  int next; /* the word that the next draw takes */
} mersenne_t;

/* torch.manual_seed(seed), and numpy.random.seed(seed) */
void mersenne_seed(mersenne_t *mersenne, uint32_t seed);

/* The next 32 bits. */
uint32_t mersenne_draw(mersenne_t *mersenne);

#endif /* MERSENNE_H */
