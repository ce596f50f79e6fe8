/* norm_formula.c - what the tensors of a norm must hold, in double, and how nearly. */
#include <math.h>
#include <stdlib.h>

#include "norm_tensors.h"
#include "oracle.h"
#include "trial.h"

/* Half the distance of 1 from the next float: what a rounding may change, as a part. */
static const double u = 0x1p-24;

/* ---- Bounds ----------------------------------------------------------------------- */

/* A value, and how far from it a computation in float may be. */
typedef struct {
  double value, error;
} near_t;

/* Additions along a row that follow each other: of a thread, of a tree, and of warps. */
static double count_additions(int64_t cols) {
  return 8.0 * ceil((double)cols / 2048.0) + 5.0 + 8.0;
}

/* Nothing wrong, or what: errors of second order and below the subnormals are allowed for. */
static const char *expect(const tensors_t *t, name_t name, int64_t e, near_t expected) {
  const double bound = expected.error * 1.01 + 0x1p-140;
  if (view_is_near(&t->view[name], e, expected.value, bound)) return "";
  return trial_complain("element %lld of %s is %.9g, not %.9g within %g", (long long)e,
                        norm_names[name], view_get(&t->view[name], e), expected.value,
                        bound);
}

/* The same of a gradient that may be added to what was there. */
static const char *expect_sum(const tensors_t *t, name_t name, int64_t e, near_t expected,
                              bool adds) {
  if (!t->is_there[name]) return "";
  if (view_count(&t->view[X]) == 0)
    return (adds ? view_is_untouched(&t->view[name], &t->before[name], e)
                 : view_is_near(&t->view[name], e, 0.0, 0.0))
               ? ""
               : trial_complain("element %lld of %s is no sum of no rows", (long long)e,
                                norm_names[name]);
  if (adds) {
    expected.value += view_get(&t->before[name], e);
    expected.error += u * fabs(expected.value);
  }
  return expect(t, name, e, expected);
}

/* ---- Forward ---------------------------------------------------------------------- */

/* The mask by value, or NULL where everything is kept. */
static const cudrop_mask_t *get_mask(const norm_trial_t *trial) {
  return trial->no_mask ? NULL : &trial->mask;
}

/* h is exact: three operations in float, and a rounding to the type. */
static double make_h(const norm_trial_t *trial, const tensors_t *t, int64_t e) {
  const int64_t c = e % count_cols(trial);
  uint8_t rounded[8];
  float h = (float)view_get(&t->before[X], e);
  if (t->is_there[BIAS]) h = h + (float)view_get(&t->view[BIAS], c);
  h = trial_keeps(get_mask(trial), &t->view[X], e) ? h * trial_scale(get_mask(trial))
                                                   : 0.0f;
  if (t->is_there[RESIDUAL]) h = (float)view_get(&t->before[RESIDUAL], e) + h;
  oracle_write(trial->dtype, h, rounded);
  return oracle_read(trial->dtype, rounded);
}

static const char *check_h(const norm_trial_t *trial, const tensors_t *t, int64_t row,
                           double *h) {
  const int64_t cols = count_cols(trial);
  for (int64_t c = 0; c < cols; ++c) {
    const int64_t e = row * cols + c;
    h[c] = make_h(trial, t, e);
    if (!t->is_there[H]) continue;
    const double found = view_get(&t->view[H], e);
    const bool is_right =
        isnan(h[c]) ? isnan(found) : found == h[c] && signbit(found) == signbit(h[c]);
    if (!is_right)
      return trial_complain("element %lld: h = %.9g, not %.9g", (long long)e, found,
                            h[c]);
  }
  return "";
}

/*
 * The mean is off by its sum's roundings, of the size of what is summed. That shifts all
 * distances by as much, and adds its square to the variance, beside its own roundings.
 */
static const char *check_norm(const norm_trial_t *trial, const tensors_t *t, int64_t row,
                              const double *h) {
  const int64_t cols = count_cols(trial);
  const double n = (double)cols, additions = count_additions(cols);
  double sum = 0.0, size = 0.0, squares = 0.0;
  near_t mean = {0.0, 0.0};
  for (int64_t c = 0; c < cols; ++c) {
    sum += h[c];
    size += fabs(h[c]);
  }
  if (trial->kind == CUDROP_LAYER_NORM)
    mean = (near_t){sum / n, (additions + 1.0) * u * size / n};
  for (int64_t c = 0; c < cols; ++c) squares += (h[c] - mean.value) * (h[c] - mean.value);
  const double variance = squares / n + (double)trial->epsilon;
  const double part = mean.error * mean.error / variance + (additions + 5.0) * u;
  const near_t rstd = {1.0 / sqrt(variance), (0.5 * part + 2.5 * u) / sqrt(variance)};
  const char *wrong = "";
  if (t->is_there[MEAN]) wrong = expect(t, MEAN, row, mean);
  if (wrong[0] == '\0' && t->is_there[RSTD]) wrong = expect(t, RSTD, row, rstd);
  for (int64_t c = 0; c < cols && wrong[0] == '\0'; ++c) {
    const double gamma = t->is_there[GAMMA] ? view_get(&t->view[GAMMA], c) : 1.0;
    const double beta = t->is_there[BETA] ? view_get(&t->view[BETA], c) : 0.0;
    const double distance = h[c] - mean.value, norm = distance * rstd.value;
    const double error =
        mean.error * rstd.value + fabs(distance) * rstd.error + 3.0 * u * fabs(norm);
    const double value = norm * gamma + beta;
    wrong = expect(t, Y, row * cols + c,
                   (near_t){value, fabs(gamma) * error + u * fabs(value)});
  }
  return wrong;
}

const char *norm_check_forward(const norm_trial_t *trial, const tensors_t *t) {
  const int64_t cols = count_cols(trial), rows = cols > 0 ? count_rows(trial) : 0;
  double *h = calloc((size_t)cols + 1, sizeof *h);
  const char *wrong = "";
  for (int64_t row = 0; row < rows && wrong[0] == '\0'; ++row) {
    wrong = check_h(trial, t, row, h);
    if (wrong[0] == '\0' && !trial->is_wild) wrong = check_norm(trial, t, row, h);
  }
  free(h);
  return wrong;
}

/* ---- Backward --------------------------------------------------------------------- */

/* A sum of values that are each off by something, rounded `additions` times. */
typedef struct {
  double value, size, error;
} sum_t;

static void add(sum_t *sum, double value, double error) {
  sum->value += value;
  sum->size += fabs(value);
  sum->error += error;
}

static near_t finish(const sum_t *sum, double additions, double n) {
  return (near_t){sum->value / n, (sum->error + additions * u * sum->size) / n};
}

/* The sums over rows: at most as many additions as rows, and those of ways and strands. */
typedef struct {
  sum_t *dbias, *dgamma, *dbeta;
} column_sums_t;

/* g, hhat, and the means of a row. */
typedef struct {
  double mean, rstd;
  near_t mean_g, mean_gh;
} row_t;

static double get_g(const tensors_t *t, int64_t e, int64_t c) {
  return view_get(&t->before[X], e) *
         (t->is_there[GAMMA] ? view_get(&t->view[GAMMA], c) : 1.0);
}

static row_t find_means(const norm_trial_t *trial, const tensors_t *t, int64_t row) {
  const int64_t cols = count_cols(trial);
  const double n = (double)cols, additions = count_additions(cols);
  row_t r = {.mean = t->is_there[MEAN] ? view_get(&t->view[MEAN], row) : 0.0,
             .rstd = view_get(&t->view[RSTD], row)};
  sum_t g = {0}, gh = {0};
  for (int64_t c = 0; c < cols; ++c) {
    const double value = get_g(t, row * cols + c, c);
    const double product =
        value * (view_get(&t->before[H], row * cols + c) - r.mean) * r.rstd;
    add(&g, value, u * fabs(value));
    add(&gh, product, 4.0 * u * fabs(product));
  }
  if (trial->kind == CUDROP_LAYER_NORM) r.mean_g = finish(&g, additions + 1.0, n);
  r.mean_gh = finish(&gh, additions + 1.0, n);
  return r;
}

/* The gradient of h: each operation of the formula rounds once. */
static near_t find_gradient(const tensors_t *t, const row_t *r, double g, double hhat,
                            int64_t e) {
  const double first = g - r->mean_g.value, second = hhat * r->mean_gh.value;
  near_t near = {(first - second) * r->rstd, 0.0};
  near.error = u * (fabs(g) + fabs(first) + 3.0 * fabs(second) + fabs(first - second)) +
               r->mean_g.error + fabs(hhat) * r->mean_gh.error;
  near.error = near.error * r->rstd + u * fabs(near.value);
  if (!t->is_there[RESIDUAL]) return near;
  near.value += view_get(&t->before[RESIDUAL], e);
  near.error += u * fabs(near.value);
  return near;
}

static const char *check_row(const norm_trial_t *trial, const tensors_t *t, int64_t row,
                             column_sums_t *sums) {
  const bool adds = (trial->accumulate & CUDROP_ACCUMULATE_DATA) != 0;
  const int64_t cols = count_cols(trial);
  const row_t r = find_means(trial, t, row);
  const char *wrong = "";
  for (int64_t c = 0; c < cols && wrong[0] == '\0'; ++c) {
    const int64_t e = row * cols + c;
    const double dy = view_get(&t->before[X], e), scale = trial_scale(get_mask(trial));
    const double hhat = (view_get(&t->before[H], e) - r.mean) * r.rstd;
    const near_t gradient = find_gradient(t, &r, get_g(t, e, c), hhat, e);
    near_t dx = {0.0, 0.0};
    if (trial_keeps(get_mask(trial), &t->view[X], e))
      dx = (near_t){gradient.value * scale,
                    gradient.error * scale + u * fabs(gradient.value * scale)};
    wrong = expect_sum(t, DRESIDUAL, e, gradient, adds);
    if (wrong[0] == '\0') wrong = expect_sum(t, Y, e, dx, adds);
    add(&sums->dbias[c], dx.value, dx.error);
    add(&sums->dgamma[c], dy * hhat, 3.0 * u * fabs(dy * hhat));
    add(&sums->dbeta[c], dy, 0.0);
  }
  return wrong;
}

static const char *check_column(const norm_trial_t *trial, const tensors_t *t, int64_t c,
                                const column_sums_t *sums) {
  const bool adds = (trial->accumulate & CUDROP_ACCUMULATE_PARAMETERS) != 0;
  const double additions = (double)count_rows(trial) + 96.0;
  const near_t dbias = finish(&sums->dbias[c], additions, 1.0);
  const near_t dgamma = finish(&sums->dgamma[c], additions, 1.0);
  const near_t dbeta = finish(&sums->dbeta[c], additions, 1.0);
  const char *wrong = expect_sum(t, DBIAS, c, dbias, adds);
  if (wrong[0] == '\0') wrong = expect_sum(t, DGAMMA, c, dgamma, adds);
  if (wrong[0] == '\0') wrong = expect_sum(t, DBETA, c, dbeta, adds);
  return wrong;
}

const char *norm_check_backward(const norm_trial_t *trial, const tensors_t *t) {
  const int64_t cols = count_cols(trial), rows = cols > 0 ? count_rows(trial) : 0;
  const size_t size = (size_t)cols + 1;
  sum_t *memory = calloc(3 * size, sizeof *memory);
  column_sums_t sums = {memory, memory + size, memory + 2 * size};
  const char *wrong = "";
  for (int64_t row = 0; row < rows && wrong[0] == '\0' && !trial->is_wild; ++row)
    wrong = check_row(trial, t, row, &sums);
  for (int64_t c = 0; c < cols && wrong[0] == '\0' && !(trial->is_wild && rows > 0); ++c)
    wrong = check_column(trial, t, c, &sums);
  free(memory);
  return wrong;
}
