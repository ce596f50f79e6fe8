/* attention_formula.c - what attention weights must be, in double, and how nearly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_tensors.h"
#include "oracle.h"
#include "trial.h"

/* ---- Formulas --------------------------------------------------------------------- */

void attention_trial_softmax(int64_t n, const double *s, double scale, double *p) {
  double most = -INFINITY, sum = 0.0;
  for (int64_t k = 0; k < n; ++k) most = fmax(most, scale * s[k]);
  for (int64_t k = 0; k < n; ++k) {
    p[k] = most == -INFINITY ? scale * s[k] : scale * s[k] - most;
    p[k] = exp(p[k]); /* NaN for infinity - infinity */
    sum += p[k];
  }
  for (int64_t k = 0; k < n; ++k) p[k] = sum == 0.0 ? 0.0 : p[k] / sum;
}

void attention_trial_gradient(int64_t n, const double *p, const double *dp, double scale,
                              double *ds) {
  double sum = 0.0;
  for (int64_t k = 0; k < n; ++k) sum += p[k] * dp[k];
  for (int64_t k = 0; k < n; ++k) ds[k] = scale * p[k] * (dp[k] - sum);
}

/* ---- Expectations ----------------------------------------------------------------- */

static double worst[2];

double attention_trial_worst(bool of_gradients) {
  return worst[of_gradients];
}

/* Is what lies in memory the rounding of something within `bound` of `value`? */
static bool is_near(const view_t *view, int64_t e, double value, double bound,
                    bool is_gradient) {
  if (view->tensor.dtype == CUDROP_F32 && bound > 0.0)
    worst[is_gradient] =
        fmax(worst[is_gradient], fabs(view_get(view, e) - value) / bound);
  return view_is_near(view, e, value, bound);
}

/* Additions that a summand of a row goes through: of its chunk, of its thread, of the tree, of the
 * warps. */
static double count_additions(int64_t keys) {
  int64_t threads = 32;
  while (threads < 256 && threads * 32 < keys) threads *= 2;
  const int64_t turns = (keys + threads * 8 - 1) / (threads * 8);
  return (double)(3 + turns + 5 + 8);
}

/*
 * Weights of a row. With u = 2^-24, z is right within u |z|, z - max within u of itself and the
 * errors of both, and its power within 1.1 ulp, which is at most 2.2 u, or in types of 16 bits
 * within 2^-17 = 128 u. The sum inherits these as the weights average them, and adds u an addition;
 * the quotient rounds twice. Below 2^-126 errors are absolute.
 */
static const char *check_weights(const attention_trial_t *trial, const tensors_t *t,
                                 int64_t row, attention_seen_t seen, double *s,
                                 double *p) {
  const double u = 0x1p-24, scale = trial->scale != 0.0f ? (double)trial->scale : 1.0;
  const int64_t keys = count_keys(trial), first = row * keys;
  const double power = trial->dtype == CUDROP_F32 ? 2.2 : 128.0;
  double most = -INFINITY, average = 0.0;
  for (int64_t k = seen.begin; k < seen.end; ++k) {
    s[k] = view_get(&t->scores, first + k);
    most = fmax(most, scale * s[k]);
  }
  attention_trial_softmax(seen.end - seen.begin, s + seen.begin, scale, p + seen.begin);
  for (int64_t k = seen.begin; k < seen.end; ++k) {
    const double z = scale * s[k];
    s[k] = isinf(z) ? power * u : u * (fabs(z) + fabs(most) + fabs(z - most) + power);
    average += p[k] * s[k];
  }
  for (int64_t k = seen.begin; k < seen.end; ++k) {
    const double error = (s[k] + average + u * (count_additions(keys) + 2.0)) * 1.01;
    const double bound = isnan(p[k]) ? 0.0 : p[k] * error + 0x1p-148;
    if (!is_near(&t->weights, first + k, p[k], bound, false))
      return trial_complain("row %lld, key %lld of %lld: P = %.9g, not %.9g within %g",
                            (long long)row, (long long)k, (long long)seen.end,
                            view_get(&t->weights, first + k), p[k], bound);
  }
  return "";
}

static double get_rate(const attention_trial_t *trial) {
  return trial->no_mask ? 0.0 : trial->mask.p;
}

static bool is_same(cudrop_dtype_t dtype, const void *a, const void *b) {
  const double x = oracle_read(dtype, a), y = oracle_read(dtype, b);
  return (isnan(x) && isnan(y)) || memcmp(a, b, cudrop_dtype_bytes(dtype)) == 0;
}

/* The mask by value, or NULL where everything is kept. */
static const cudrop_mask_t *get_mask(const attention_trial_t *trial) {
  return trial->no_mask ? NULL : &trial->mask;
}

/* y of a row, to the bit, from the weights as they were stored. */
static const char *check_dropped(const attention_trial_t *trial, const tensors_t *t,
                                 const view_t *y, int64_t row, attention_seen_t seen) {
  const int64_t keys = count_keys(trial);
  for (int64_t k = 0; k < keys; ++k) {
    const int64_t e = row * keys + k;
    uint8_t want[8] = {0};
    if (k >= seen.begin && k < seen.end)
      oracle_drop(trial->dtype, view_element(&t->weights, e),
                  trial_keeps(get_mask(trial), &t->weights, e), get_rate(trial), want);
    if (!is_same(trial->dtype, want, view_element(y, e)))
      return trial_complain("row %lld, key %lld of %lld: y = %.9g, not %.9g",
                            (long long)row, (long long)k, (long long)seen.end,
                            view_get(y, e), oracle_read(trial->dtype, want));
  }
  return "";
}

/*
 * The gradient of a row, from the weights as they were stored. dP is exact here, as it is rounded
 * once. A product of the sum is right within u, and so is each of its additions; the difference,
 * and both products after it, round once. Below 2^-126 errors are absolute.
 */
static const char *check_gradient(const attention_trial_t *trial, const tensors_t *t,
                                  int64_t row, attention_seen_t seen, double *p,
                                  double *dp, double *ds) {
  const double u = 0x1p-24, scale = trial->scale != 0.0f ? (double)trial->scale : 1.0;
  const float factor = trial_scale(get_mask(trial));
  const int64_t keys = count_keys(trial), first = row * keys;
  double size = 0.0, sum = 0.0;
  for (int64_t k = seen.begin; k < seen.end; ++k) {
    p[k] = view_get(&t->weights, first + k);
    dp[k] = trial_keeps(get_mask(trial), &t->weights, first + k)
                ? (double)((float)view_get(&t->dy, first + k) * factor)
                : 0.0;
    size += fabs(p[k] * dp[k]);
    sum += p[k] * dp[k];
  }
  attention_trial_gradient(seen.end - seen.begin, p + seen.begin, dp + seen.begin, scale,
                           ds + seen.begin);
  for (int64_t k = 0; k < keys; ++k) {
    double value = 0.0, bound = 0.0;
    if (k >= seen.begin && k < seen.end) {
      const double error_of_sum = size * u * (count_additions(keys) + 1.0);
      value = ds[k];
      bound = fabs(scale) * p[k] * (error_of_sum + u * fabs(dp[k] - sum)) * 1.01 +
              2.02 * u * fabs(value) + (1.0 + fabs(scale)) * 0x1p-149;
    }
    if (!is_near(&t->dscores, first + k, value, bound, true))
      return trial_complain("row %lld, key %lld of %lld: dS = %.9g, not %.9g within %g",
                            (long long)row, (long long)k, (long long)seen.end,
                            view_get(&t->dscores, first + k), value, bound);
  }
  return "";
}

const char *attention_check_rows(const attention_trial_t *trial, const tensors_t *t) {
  const int64_t keys = count_keys(trial);
  const int64_t rows = keys > 0 ? view_count(&t->scores) / keys : 0;
  double *values = calloc((size_t)keys + 1, 3 * sizeof *values);
  double *a = values, *b = values + keys, *c = values + 2 * keys;
  const char *wrong = "";
  for (int64_t row = 0; row < rows && wrong[0] == '\0'; ++row) {
    const attention_seen_t seen = attention_find_seen(trial, &t->scores, row * keys);
    wrong = check_weights(trial, t, row, seen, a, b);
    if (wrong[0] == '\0' && !trial->without_y)
      wrong = check_dropped(trial, t, &t->y, row, seen);
    if (wrong[0] == '\0') wrong = check_dropped(trial, t, &t->again, row, seen);
    if (wrong[0] == '\0') wrong = check_gradient(trial, t, row, seen, a, b, c);
  }
  free(values);
  return wrong;
}
