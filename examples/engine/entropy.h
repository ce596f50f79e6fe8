/* entropy.h - item i of rows: y[i] is the entropy, in nats, of the probabilities x[i][cols]. */
#ifndef ENTROPY_H
#define ENTROPY_H

#include "device.h"
#include "maths_element.h"

/* -p log p, which is 0 at 0 */
MATHS_ELEMENT double entropy_of(double p) {
  return p > 0.0 ? -p * log(p) : 0.0;
}

MATHS_ELEMENT double entropy_of_row(const float *x, int64_t cols) {
  double sum = 0.0;
  for (int64_t c = 0; c < cols; ++c) sum += entropy_of((double)x[c]);
  return sum;
}

MATHS_ELEMENT void entropy_item(const device_walk_t *walk, int64_t i) {
  walk->y[i] = (float)entropy_of_row(walk->x + i * walk->cols, walk->cols);
}

#endif /* ENTROPY_H */
