/*
 * norm.h - LayerNorm and RMSNorm: one text for the host and the GPU.
 *
 * Every operation is one that IEEE 754 rounds correctly, in the order that stands here; sums along
 * a row have the order of row_sum.h. RMSNorm is LayerNorm with a mean of 0, which changes no bit.
 *
 *   s = sum of h                      mean = s / cols
 *   s = sum of (h - mean)^2           rstd = 1 / sqrt(s / cols + epsilon)
 *   y = (h - mean) * rstd * gamma + beta, from left to right
 *
 *   hhat = (h - mean) * rstd          g = dy * gamma
 *   mean_g = (sum of g) / cols        mean_gh = (sum of g * hhat) / cols
 *   dh_total = dh + ((g - mean_g) - hhat * mean_gh) * rstd
 */
#ifndef CUDROP_NORM_H
#define CUDROP_NORM_H

#include <math.h>

#include "cudrop/philox.h"

enum { CUDROPI_NORM_FLOATS = 2 }; /* of each row, in the workspace: mean_g and mean_gh */

CUDROP_INLINE float cudropi_square(float h, float mean) {
  const float distance = h - mean;
  return distance * distance;
}

CUDROP_INLINE float cudropi_rstd(float squares, int64_t cols, float epsilon) {
  return 1.0f / sqrtf(squares / (float)cols + epsilon);
}

CUDROP_INLINE float cudropi_normalise(float h, float mean, float rstd) {
  return (h - mean) * rstd;
}

/* What of g reaches h. */
CUDROP_INLINE float cudropi_norm_slope(float g, float hhat, float rstd, float mean_g,
                                       float mean_gh) {
  return (g - mean_g - hhat * mean_gh) * rstd;
}

#endif /* CUDROP_NORM_H */
