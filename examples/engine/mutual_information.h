/*
 * mutual_information.h - item i of rows: y[i] is, in nats, what a sample and the class of row i
 * know of each other: the entropy of the mean of the samples' probabilities x[t][i][cols], less
 * the mean of their entropies. Source: N. Houlsby et al., "Bayesian active learning for
 * classification and preference learning", 2011.
 */
#ifndef MUTUAL_INFORMATION_H
#define MUTUAL_INFORMATION_H

#include "entropy.h"
#include "mean.h"

MATHS_ELEMENT void mutual_information_item(const device_walk_t *walk, int64_t i) {
  const float *x = walk->x + i * walk->cols;
  const int64_t stride = walk->rows * walk->cols;
  double of_mean = 0.0, of_samples = 0.0;
  for (int64_t c = 0; c < walk->cols; ++c)
    of_mean += entropy_of(mean_of_samples(x + c, walk->samples, stride));
  for (int64_t t = 0; t < walk->samples; ++t)
    of_samples += entropy_of_row(x + t * stride, walk->cols);
  const double information = of_mean - of_samples / (double)walk->samples;
  walk->y[i] =
      information > 0.0 ? (float)information : 0.0f; /* roundings can be negative */
}

#endif /* MUTUAL_INFORMATION_H */
