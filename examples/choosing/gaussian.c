/* gaussian.c - Gaussian dropout from the generator under the masks. */
#include <cudrop/mask.h>
#include <math.h>

#include "choosing.h"

/*
 * y = x * N(1, p / (1 - p)), p below 1. Backward is the same call on dy. Element e has a Philox
 * block of its own, under a child of the mask's seed, which no mask of that seed has.
 */
void gaussian_dropout(const cudrop_mask_t *mask, int64_t n, const float *x, float *y) {
  const cudrop_philox_key_t key = cudrop_philox_key(cudrop_child_seed(mask->seed, 1));
  const double deviation = sqrt(mask->p / (1.0 - mask->p));
  for (int64_t e = 0; e < n; ++e) {
    const cudrop_philox_block_t counter = {{(uint32_t)mask->offset,
                                            (uint32_t)(mask->offset >> 32), (uint32_t)e,
                                            (uint32_t)((uint64_t)e >> 32)}};
    const cudrop_philox_block_t block = cudrop_philox(counter, key);
    const double radius = sqrt(-2.0 * log((block.word[0] + 0.5) / 4294967296.0));
    const double normal = radius * cos(6.283185307179586 * block.word[1] / 4294967296.0);
    y[e] = (float)((double)x[e] * (1.0 + deviation * normal));
  }
}
