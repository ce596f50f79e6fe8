/* mean.h - item i of rows * cols: y[i] is the mean of x[t][i] over the samples t. */
#ifndef MEAN_H
#define MEAN_H

#include "device.h"
#include "maths_element.h"

/* In double, in the order of the samples: x[t][i] lies `stride` elements behind x[t-1][i]. */
MATHS_ELEMENT double mean_of_samples(const float *x, int64_t samples, int64_t stride) {
  double sum = 0.0;
  for (int64_t t = 0; t < samples; ++t) sum += (double)x[t * stride];
  return sum / (double)samples;
}

MATHS_ELEMENT void mean_item(const device_walk_t *walk, int64_t i) {
  walk->y[i] =
      (float)mean_of_samples(walk->x + i, walk->samples, walk->rows * walk->cols);
}

#endif /* MEAN_H */
