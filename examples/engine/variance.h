/*
 * variance.h - item i of rows * cols: y[i] is the mean over the samples t of
 * (x[t][i] - mean)^2, 0 for one sample.
 */
#ifndef VARIANCE_H
#define VARIANCE_H

#include "mean.h"

MATHS_ELEMENT void variance_item(const device_walk_t *walk, int64_t i) {
  const int64_t stride = walk->rows * walk->cols;
  const double mean = mean_of_samples(walk->x + i, walk->samples, stride);
  double sum = 0.0;
  for (int64_t t = 0; t < walk->samples; ++t) {
    const double distance = (double)walk->x[t * stride + i] - mean;
    sum += distance * distance;
  }
  walk->y[i] = (float)(sum / (double)walk->samples);
}

#endif /* VARIANCE_H */
