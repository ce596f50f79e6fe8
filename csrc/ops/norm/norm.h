/*
 * norm.h - LayerNorm and RMSNorm: one source for host and GPU.
 *
 * Every operation is one that IEEE 754 rounds correctly, in the order below. Sums along a row have
 * the order of row_sum.h. RMSNorm is computed as LayerNorm with a mean of 0 and a drift of 0, which
 * changes no bit.
 *
 *   first = (sum of h) / cols
 *   drift = (sum of (h - first)) / cols         mean = first + drift
 *   variance = (sum of (h - first)^2) / cols - drift^2
 *   rstd = 1 / sqrt(variance + epsilon)
 *   y = (h - mean) * rstd * gamma + beta, from left to right
 *
 * The rounding errors of the first sum grow with the values, and the values of a row may be close
 * together far from 0. The drift is the error of `first`; its own rounding errors grow only with
 * the distances h - first.
 *
 * The bounds of transformer.h (a, w, D, R) follow to first order in u = 2^-24. In a sum along a row
 * a value goes through 3 + max(4, ceil(cols / 2048)) + 5 + 8 <= a additions. A mean adds a division
 * and the rounding of cols. So `first` is off by w = (a + 2) u avg |h|. The distances are rounded,
 * so the drift is off by (a + 3) u avg |h - first|, where avg |h - first| <= avg |h - mean| + w.
 * The mean square is v + e^2 with a relative error of (a + 5) u, where v is the variance and |e| <=
 * w. The square of the drift is off by u e^2 + 2 |e| (a + 3) u (sqrt(v) + w), where 2 |e| sqrt(v)
 * <= v + w^2. Both errors together are at most 2 (a + 6) u (v + 2 w^2). The relative error of rstd
 * is half of that times rstd^2, plus 2.5 u for the addition of epsilon, the root and the division.
 *
 * In the slope, with t = D rstd, g is off by u |g| and hhat by t + (R + 2 u) |hhat|. The mean of g
 * is off by (a + 4) u avg |g|, the mean of g hhat by t avg |g| + (R + (a + 6) u) avg |g hhat|. Four
 * roundings follow, each of at most |g| + avg |g| + |hhat| avg |g hhat|. The factor rstd adds R
 * once more. a u and 30 u are below R.
 *
 *   hhat = (h - mean) * rstd          g = dy * gamma          share = 1 / cols
 *   mean_g = (sum of g) * share       mean_gh = (sum of g * hhat) * share
 *   dh_total = dh + ((g - mean_g) - hhat * mean_gh) * rstd
 */
#ifndef CUDROP_NORM_H
#define CUDROP_NORM_H

#include <math.h>

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CUDROPI_NORM_X,
  CUDROPI_NORM_BIAS,
  CUDROPI_NORM_RESIDUAL,
  CUDROPI_NORM_GAMMA,
  CUDROPI_NORM_BETA,
  CUDROPI_NORM_Y,
  CUDROPI_NORM_H,
  CUDROPI_NORM_MEAN,
  CUDROPI_NORM_RSTD
};
enum {
  CUDROPI_NORM_GRADIENT_DY,
  CUDROPI_NORM_GRADIENT_DH,
  CUDROPI_NORM_GRADIENT_H,
  CUDROPI_NORM_GRADIENT_MEAN,
  CUDROPI_NORM_GRADIENT_RSTD,
  CUDROPI_NORM_GRADIENT_GAMMA,
  CUDROPI_NORM_GRADIENT_DX,
  CUDROPI_NORM_GRADIENT_DRESIDUAL,
  CUDROPI_NORM_GRADIENT_DBIAS,
  CUDROPI_NORM_GRADIENT_DGAMMA,
  CUDROPI_NORM_GRADIENT_DBETA
};

typedef struct {
  cudrop_norm_kind_t kind;
  float epsilon; /* forward only */
  float share;   /* 1 / cols; gradient only */
} cudropi_norm_t;

static inline const cudropi_norm_t *cudropi_norm(const cudropi_plan_t *plan) {
  return (const cudropi_norm_t *)(const void *)plan->options;
}

CUDROPI_DECLARE_HOST(cudropi_norm_forward);
CUDROPI_DECLARE_HOST(cudropi_norm_gradient);
int cudropi_launch_norm(const struct cudropi_work *work);
int cudropi_launch_norm_gradient(const struct cudropi_work *work);
int cudropi_launch_norm_means(const struct cudropi_work *work);

#ifdef __cplusplus
}
#endif

#define CUDROPI_NORM_MOST 0x1.fffffep127f /* the largest number */

enum { CUDROPI_NORM_FLOATS = 2 }; /* mean_g and mean_gh of each row, in the workspace */

/* The mean of the distances h - first, given their sum; 0 if float cannot hold the sum. */
CUDROP_INLINE float cudropi_drift(float distances, int64_t cols) {
  const float drift = distances / (float)cols;
  return fabsf(drift) <= CUDROPI_NORM_MOST ? drift : 0.0f;
}

/* rstd from the sum of squares and the drift. The variance is at least 0; a variance that float
 * cannot hold stays infinite. */
CUDROP_INLINE float cudropi_rstd(float squares, float drift, int64_t cols,
                                 float epsilon) {
  const float mean_square = squares / (float)cols, square = drift * drift;
  const float shift = square <= CUDROPI_NORM_MOST ? square : CUDROPI_NORM_MOST;
  const float variance = mean_square < shift ? 0.0f : mean_square - shift;
  return 1.0f / sqrtf(variance + epsilon);
}

CUDROP_INLINE float cudropi_normalise(float h, float mean, float rstd) {
  return (h - mean) * rstd;
}

/* The means of a row for the gradient, from the sums of g and of g * hhat. */
CUDROP_INLINE float cudropi_mean_g(const cudropi_norm_t *norm, float sum) {
  return norm->kind == CUDROP_LAYER_NORM ? sum * norm->share : 0.0f;
}
CUDROP_INLINE float cudropi_mean_gh(const cudropi_norm_t *norm, float sum) {
  return sum * norm->share;
}

/* The share of g in the gradient of h. */
CUDROP_INLINE float cudropi_norm_slope(float g, float hhat, float rstd, float mean_g,
                                       float mean_gh) {
  return (g - mean_g - hhat * mean_gh) * rstd;
}

#endif /* CUDROP_NORM_H */
