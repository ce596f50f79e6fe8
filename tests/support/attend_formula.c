/* attend_formula.c - what attention with dropout must be, in double, and how nearly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attend_trial.h"
#include "oracle.h"
#include "trial.h"

static const double u = 0x1p-24;

/* Powers below 2^-126 may be 0, so that weights have errors of about that size. */
static const double least_weight = 0x1p-125;

/* ---- Formulas of one query -------------------------------------------------------- */

double attend_weigh(const attend_query_t *query, double *weights, double *size) {
  double most = -INFINITY, sum = 0.0;
  *size = 0.0;
  for (int64_t j = 0; j < query->n; ++j) {
    const double *k = query->k + j * query->cols;
    double score = 0.0, sizes = 0.0;
    for (int64_t c = 0; c < query->cols; ++c) {
      score += query->q[c] * k[c];
      sizes += fabs(query->q[c] * k[c]);
    }
    weights[j] = score * query->scale;
    if (isfinite(sizes)) *size = fmax(*size, sizes * fabs(query->scale));
    most = fmax(most, weights[j]);
  }
  for (int64_t j = 0; j < query->n; ++j) {
    weights[j] = exp(most == -INFINITY ? weights[j] : weights[j] - most);
    sum += weights[j];
  }
  for (int64_t j = 0; j < query->n; ++j) weights[j] = sum == 0.0 ? 0.0 : weights[j] / sum;
  return most + log(sum);
}

void attend_output(const attend_query_t *query, const double *weights, attend_sum_t o) {
  const bool is_nan = query->n > 0 && isnan(weights[0]);
  for (int64_t c = 0; c < query->cols; ++c) {
    o.value[c] = is_nan ? NAN : 0.0;
    o.bound[c] = 0.0;
  }
  for (int64_t j = 0; j < query->n; ++j) {
    const double weight = query->kept[j] ? weights[j] * query->factor : 0.0;
    if (weight == 0.0) continue;
    for (int64_t c = 0; c < query->cols; ++c) {
      o.value[c] += weight * query->v[j * query->cols + c];
      o.bound[c] += fabs(weight * query->v[j * query->cols + c]);
    }
  }
}

/*
 * Errors: dP and the sum of dO * O are each off by (D + 2) u of the sizes that they add, dS by
 * that, by its weight's error and by 3 roundings. A sum of n products adds up to n u of their
 * sizes, in whatever order it is made. Where a GPU rounds to F16, dS has nothing finer than 2^-24,
 * and weights, lifted by 2^12, nothing finer than 2^-36.
 */
void attend_differentiate(const attend_query_t *query, const double *weights,
                          const double *o, attend_sum_t dq, attend_sum_t dk,
                          attend_sum_t dv) {
  const int64_t cols = query->cols;
  const double scale = query->scale, error = query->error + ((double)cols + 8.0) * u;
  const double along = ((double)query->n + 8.0) * u;
  const double over = ((double)query->readers + 8.0) * u;
  double delta = 0.0, delta_size = 0.0;
  for (int64_t c = 0; c < cols; ++c) {
    delta += query->dout[c] * o[c];
    delta_size += fabs(query->dout[c] * o[c]);
  }
  for (int64_t j = 0; j < query->n; ++j) {
    const double *k = query->k + j * cols, *v = query->v + j * cols;
    const double factor = query->kept[j] ? query->factor : 0.0;
    double dp = 0.0, size = 0.0;
    for (int64_t c = 0; factor != 0.0 && c < cols; ++c) {
      dp += factor * query->dout[c] * v[c];
      size += factor * fabs(query->dout[c] * v[c]);
    }
    const double ds = weights[j] * (dp - delta);
    const double ds_bound =
        (weights[j] + least_weight) * error * (size + delta_size) + query->least;
    const double y = factor != 0.0 ? weights[j] * factor : 0.0;
    const double y_bound =
        factor != 0.0
            ? (y + least_weight * factor) * (query->error + over) + factor * query->coarse
            : 0.0;
    for (int64_t c = 0; c < cols; ++c) {
      dq.value[c] += scale * ds * k[c];
      dq.bound[c] += fabs(scale * k[c]) * (ds_bound + along * fabs(ds));
      dk.value[j * cols + c] += scale * ds * query->q[c];
      dk.bound[j * cols + c] += fabs(scale * query->q[c]) * (ds_bound + over * fabs(ds));
      dv.value[j * cols + c] += y * query->dout[c];
      dv.bound[j * cols + c] += y_bound * fabs(query->dout[c]);
    }
  }
}

/* ---- A trial ---------------------------------------------------------------------- */

static double worst[ATTEND_OUTPUTS];

double attend_trial_worst(attend_output_t output) {
  return worst[output];
}

/* All that the queries of a trial have in common, and the sums that they add to. */
typedef struct {
  const attend_trial_t *trial;
  const attend_tensors_t *t, *before;
  view_t scores; /* a shape alone */
  int64_t cols, keys;
  double *input[ATTEND_INPUTS], *o;
  attend_sum_t dk, dv;
  bool *is_seen; /* [shared heads * keys]: by a query */
  bool rounds_weights;
} problem_t;

static double *read_all(const view_t *view) {
  const int64_t n = view_count(view);
  double *values = malloc((size_t)(n + 1) * sizeof *values);
  for (int64_t e = 0; e < n; ++e) values[e] = view_get(view, e);
  return values;
}

static attend_sum_t make_sum(int64_t n) {
  return (attend_sum_t){calloc((size_t)n + 1, sizeof(double)),
                        calloc((size_t)n + 1, sizeof(double))};
}

static void free_sum(attend_sum_t *sum) {
  free(sum->value);
  free(sum->bound);
}

static problem_t begin(const attend_trial_t *trial, const attend_tensors_t *t,
                       const attend_tensors_t *before, bool rounds_weights) {
  const view_t *q = &t->input[ATTEND_Q], *k = &t->input[ATTEND_K];
  problem_t of = {.trial = trial,
                  .t = t,
                  .before = before,
                  .scores = {.tensor = q->tensor},
                  .cols = q->tensor.shape[q->tensor.rank - 1],
                  .keys = trial->shape->keys,
                  .o = read_all(&t->output[ATTEND_O]),
                  .dk = make_sum(view_count(k)),
                  .dv = make_sum(view_count(k)),
                  .is_seen = calloc((size_t)view_count(k) + 1, sizeof(bool)),
                  .rounds_weights = rounds_weights};
  of.scores.tensor.shape[q->tensor.rank - 1] = of.keys;
  for (int x = 0; x < ATTEND_INPUTS; ++x) of.input[x] = read_all(&t->input[x]);
  return of;
}

static void end(problem_t *of) {
  for (int x = 0; x < ATTEND_INPUTS; ++x) free(of->input[x]);
  free(of->o);
  free(of->is_seen);
  free_sum(&of->dk);
  free_sum(&of->dv);
}

/* Is element e of an output within `bound` of `value`, or of the sum of that and its old one? A key
 * that no query sees keeps the old one. */
static const char *check_element(const problem_t *of, attend_output_t output, int64_t e,
                                 double value, double bound) {
  const view_t *view = &of->t->output[output];
  if (of->trial->ways.accumulates && output >= ATTEND_DQ) {
    const double old = view_get(&of->before->output[output], e);
    value = output == ATTEND_DQ || of->is_seen[e / of->cols] ? value + old : old;
    bound += bound > 0.0 ? u * fabs(value) : 0.0;
  }
  if (bound > 0.0 && view->tensor.dtype == CUDROP_F32 && isfinite(value))
    worst[output] = fmax(worst[output], fabs(view_get(view, e) - value) / bound);
  if (view_is_near(view, e, value, bound)) return "";
  return trial_complain("%s, element %lld: %.9g, not %.9g within %g",
                        attend_output_names[output], (long long)e, view_get(view, e),
                        value, bound);
}

/* `n` elements from element `first` on; a bound of more than 0 has something for subnormals. */
static const char *check_elements(const problem_t *of, attend_output_t output,
                                  int64_t first, int64_t n, attend_sum_t sum) {
  const char *wrong = "";
  if (of->trial->ways.without[output]) return "";
  for (int64_t c = 0; c < n && wrong[0] == '\0'; ++c) {
    const double bound = sum.bound[c] > 0.0 ? sum.bound[c] + 0x1p-140 : sum.bound[c];
    wrong = check_element(of, output, first + c, sum.value[c], bound);
  }
  return wrong;
}

/*
 * How far off the weights of o are, relative to themselves. Random numbers, whose roundings
 * cancel, are asked to be nearer than attend.h promises; long_sums_are_within_the_bound asks for
 * that. A GPU rounds the weights to the type.
 */
static double find_error(const problem_t *of, double size) {
  const cudrop_dtype_t dtype = of->trial->dtype;
  const double rounding = dtype == CUDROP_F16    ? 0x1p-11
                          : dtype == CUDROP_BF16 ? 0x1p-8
                                                 : 0.0;
  return (4.0 * size + (double)of->cols + 40.0) * u +
         (of->rounds_weights ? rounding : 0.0);
}

static attend_query_t get_query(const problem_t *of, int64_t row, uint8_t *kept) {
  const attend_trial_t *trial = of->trial;
  const cudrop_mask_t *mask = trial->no_mask ? NULL : &trial->mask;
  const attend_seen_t seen = attend_find_seen(trial, row);
  const int64_t first =
      (attend_find_shared(trial, row) * of->keys + seen.begin) * of->cols;
  const int64_t rows = view_count(&of->t->input[ATTEND_Q]) / of->cols;
  attend_query_t query = {.n = seen.end - seen.begin,
                          .cols = of->cols,
                          .scale = trial->scale != 0.0f ? (double)trial->scale : 1.0,
                          .factor = (double)trial_scale(mask),
                          .kept = kept,
                          .q = of->input[ATTEND_Q] + row * of->cols,
                          .dout = of->input[ATTEND_DOUT] + row * of->cols,
                          .k = of->input[ATTEND_K] + first,
                          .v = of->input[ATTEND_V] + first,
                          .readers = rows / attend_count_shared(trial)};
  for (int64_t j = 0; j < query.n; ++j)
    kept[j] = trial_keeps(mask, &of->scores, row * of->keys + seen.begin + j);
  return query;
}

/* lse is off as its sum is, relative to itself, and so are weights that are made of it once
 * more. */
static const char *check_query(problem_t *of, int64_t row, attend_query_t *query,
                               double *weights, attend_sum_t sum) {
  const int64_t cols = of->cols, first = attend_find_shared(of->trial, row) * of->keys +
                                         attend_find_seen(of->trial, row).begin;
  double size = 0.0;
  double lse = attend_weigh(query, weights, &size);
  const double error = find_error(of, size);
  attend_output(query, weights, sum);
  for (int64_t j = 0; j < query->n; ++j) of->is_seen[first + j] = true;
  query->coarse = of->rounds_weights && of->trial->dtype == CUDROP_F16 ? 0x1p-37 : 0.0;
  for (int64_t c = 0; c < cols; ++c) {
    double size_v = 0.0;
    for (int64_t j = 0; j < query->n; ++j)
      size_v += query->kept[j] ? fabs(query->v[j * cols + c]) * query->factor : 0.0;
    if (sum.bound[c] > 0.0)
      sum.bound[c] = sum.bound[c] * error + least_weight * 4.0 * query->factor +
                     query->coarse * size_v;
  }
  double lse_bound = query->n > 0 ? error : 0.0;
  const char *wrong = check_elements(of, ATTEND_O, row * cols, cols, sum);
  if (wrong[0] == '\0')
    wrong = check_elements(of, ATTEND_LSE, row, 1, (attend_sum_t){&lse, &lse_bound});
  if (wrong[0] != '\0' || of->trial->ways.without[ATTEND_LSE]) return wrong;
  memset(sum.value, 0, (size_t)cols * sizeof *sum.value);
  /* Either zero will do for the dq of a query that sees a key. */
  for (int64_t c = 0; c < cols; ++c) sum.bound[c] = query->n > 0 ? 0x1p-148 : 0.0;
  query->error = 2.0 * error + (isfinite(lse) ? u * fabs(lse) : 0.0);
  query->least = of->rounds_weights && of->trial->dtype == CUDROP_F16 ? 0x1p-25 : 0.0;
  attend_differentiate(
      query, weights, of->o + row * cols, sum,
      (attend_sum_t){of->dk.value + first * cols, of->dk.bound + first * cols},
      (attend_sum_t){of->dv.value + first * cols, of->dv.bound + first * cols});
  return check_elements(of, ATTEND_DQ, row * cols, cols, sum);
}

const char *attend_check(const attend_trial_t *trial, const attend_tensors_t *t,
                         const attend_tensors_t *before, bool rounds_weights) {
  problem_t of = begin(trial, t, before, rounds_weights);
  const int64_t rows = view_count(&t->input[ATTEND_Q]) / of.cols;
  const int64_t elements = view_count(&t->input[ATTEND_K]);
  uint8_t *kept = calloc((size_t)of.keys + 1, 1);
  double *weights = calloc((size_t)of.keys + 1, sizeof *weights);
  attend_sum_t sum = make_sum(of.cols);
  const char *wrong = "";
  for (int64_t row = 0; row < rows && wrong[0] == '\0'; ++row) {
    attend_query_t query = get_query(&of, row, kept);
    wrong = check_query(&of, row, &query, weights, sum);
  }
  if (wrong[0] == '\0' && !trial->ways.without[ATTEND_LSE])
    wrong = check_elements(&of, ATTEND_DK, 0, elements, of.dk);
  if (wrong[0] == '\0' && !trial->ways.without[ATTEND_LSE])
    wrong = check_elements(&of, ATTEND_DV, 0, elements, of.dv);
  free_sum(&sum);
  free(weights);
  free(kept);
  end(&of);
  return wrong;
}
