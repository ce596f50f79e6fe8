/*
 * maths_element.h - what maths.h computes for one element, or one row of logits: one text
 * for C and for CUDA, so that the tables can differ only in who goes over the elements.
 */
#ifndef MATHS_ELEMENT_H
#define MATHS_ELEMENT_H

#if defined(__cplusplus)
#include <math.h> /* its functions are overloaded for float and double */
#else
#include <tgmath.h>
#endif

#include "maths.h"

#if defined(__CUDACC__)
#define MATHS_ELEMENT static __host__ __device__ inline
#else
#define MATHS_ELEMENT static inline
#endif

/* ---- ReLU ------------------------------------------------------------------------- */

MATHS_ELEMENT real_t maths_rectified(real_t x) {
  return x > 0 ? x : 0;
}

/* The gradient of the input, from the output y and its gradient. */
MATHS_ELEMENT real_t maths_rectified_gradient(real_t y, real_t dy) {
  return y > 0 ? dy : 0;
}

/* ---- Softmax and its loss ----------------------------------------------------------- */

/* The class of the largest logit. */
MATHS_ELEMENT int maths_find_top(const real_t *logit, int classes) {
  int top = 0;
  for (int c = 1; c < classes; ++c)
    if (logit[c] > logit[top]) top = c;
  return top;
}

/* The sum of exp(logit - logit[top]): at least 1, and it cannot overflow. */
MATHS_ELEMENT double maths_sum_exponentials(const real_t *logit, int classes, int top) {
  double sum = 0.0;
  for (int c = 0; c < classes; ++c) sum += exp((double)(logit[c] - logit[top]));
  return sum;
}

/* d = (softmax(logit) - one-hot(label)) / n */
MATHS_ELEMENT void maths_loss_gradient(const real_t *logit, int label, int n, int classes,
                                       real_t *d) {
  const int top = maths_find_top(logit, classes);
  const double sum = maths_sum_exponentials(logit, classes, top);
  for (int c = 0; c < classes; ++c) {
    const double probability = exp((double)(logit[c] - logit[top])) / sum;
    d[c] = (real_t)((probability - (c == label)) / n);
  }
}

/* ---- Adam ------------------------------------------------------------------------- */

MATHS_ELEMENT void maths_adam_step(const maths_adam_t *step, real_t g, real_t *mean,
                                   real_t *square, real_t *w) {
  *mean = step->keep_mean * *mean + step->take_mean * g;
  *square = step->keep_square * *square + step->take_square * g * g;
  *w -= step->scale * *mean / (sqrt(*square) * step->unbias + step->epsilon);
}

#endif /* MATHS_ELEMENT_H */
