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

#include "mersenne.h"

/* A float in [low, high), of one draw: what weights begin with in torch.nn.Linear. */
float torch_rng_uniform(mersenne_t *rng, float low, float high);

/*
 * keep[0..n) of torch.nn.Dropout(p) where PyTorch is built without Intel's MKL: two draws an
 * element, a then b, and
 *
 *   keep = u < 1 - p        u = ((a * 2^32 + b) mod 2^53) / 2^53
 */
void torch_rng_keep(mersenne_t *rng, double p, uint8_t *keep, int n);

/*
 * The same where PyTorch is built with MKL. One draw is the seed of MKL's generator MCG31m1,
 * whose first number is that seed itself, and
 *
 *   keep[i] = x[i] / m < 1 - p        x[i + 1] = 1132489760 * x[i] mod m, m = 2^31 - 1
 *
 * Sources: Intel, "Notes for oneMKL Vector Statistics", MCG31m1; P. L'Ecuyer, "Tables of
 * linear congruential generators of different sizes and good lattice structure", 1999.
 */
void torch_rng_keep_mkl(mersenne_t *rng, double p, uint8_t *keep, int n);

#endif /* TORCH_RNG_H */
