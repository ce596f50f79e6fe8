/* softmax.h - item i of rows: y[i][c] = exp(x[i][c]) / the sum of exp(x[i][cols]). */
#ifndef SOFTMAX_H
#define SOFTMAX_H

#include "device.h"
#include "maths_element.h"

MATHS_ELEMENT void softmax_item(const device_walk_t *walk, int64_t i) {
  const int cols = (int)walk->cols;
  const float *x = walk->x + i * walk->cols;
  const int top = maths_find_top(x, cols);
  const double sum = maths_sum_exponentials(x, cols, top);
  for (int c = 0; c < cols; ++c)
    walk->y[i * walk->cols + c] = (float)(exp((double)(x[c] - x[top])) / sum);
}

#endif /* SOFTMAX_H */
