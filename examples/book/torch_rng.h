/*
 * torch_rng.h - the random numbers that PyTorch's torch.manual_seed() begins, on a CPU.
 *
 * What the book prints follows from them. PyTorch draws a dropout mask in one of two ways,
 * which one is decided when PyTorch is built, and the two drop different elements under one
 * seed. Neither has to do with the masks of cudrop: they come to the library as masks from
 * elsewhere.
 */
#ifndef TORCH_RNG_H
#define TORCH_RNG_H

#include <stdint.h>

enum { TORCH_RNG_WORDS = 624 };

/*
 * MT19937, the Mersenne Twister. Source: M. Matsumoto and T. Nishimura, "Mersenne twister: a
 * 623-dimensionally equidistributed uniform pseudo-random number generator", 1998; the seed
 * becomes a state as init_genrand() of their code of 2002 does it.
 */
typedef struct {
  uint32_t word[TORCH_RNG_WORDS];
  int next; /* the word that the next draw takes */
} torch_rng_t;

/* torch.manual_seed(seed) */
void torch_rng_seed(torch_rng_t *rng, uint32_t seed);

/* The next 32 bits. */
uint32_t torch_rng_draw(torch_rng_t *rng);

/* A float in [low, high), of one draw: what weights begin with in torch.nn.Linear. */
float torch_rng_uniform(torch_rng_t *rng, float low, float high);

/*
 * keep[0..n) of torch.nn.Dropout(p) where PyTorch is built without Intel's MKL: two draws an
 * element, a then b, and
 *
 *   keep = u < 1 - p        u = ((a * 2^32 + b) mod 2^53) / 2^53
 */
void torch_rng_keep(torch_rng_t *rng, double p, uint8_t *keep, int n);

/*
 * The same where PyTorch is built with MKL. One draw is the seed of MKL's generator MCG31m1,
 * whose first number is that seed itself, and
 *
 *   keep[i] = x[i] / m < 1 - p        x[i + 1] = 1132489760 * x[i] mod m, m = 2^31 - 1
 *
 * Sources: Intel, "Notes for oneMKL Vector Statistics", MCG31m1; P. L'Ecuyer, "Tables of
 * linear congruential generators of different sizes and good lattice structure", 1999.
 */
void torch_rng_keep_mkl(torch_rng_t *rng, double p, uint8_t *keep, int n);

#endif /* TORCH_RNG_H */
