/* attention_trial.c - attention weights beside their formulas. */
#include "attention_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- Tensors ---------------------------------------------------------------------- */

typedef struct {
  view_t scores, dy, lengths;
  view_t weights, y, again, dscores; /* `again` is the y of reapply */
} tensors_t;

enum { OUTPUTS = 4 };

static view_t *get_output(tensors_t *t, int k) {
  view_t *const outputs[OUTPUTS] = {&t->weights, &t->y, &t->again, &t->dscores};
  return outputs[k];
}

static int64_t count_keys(const attention_trial_t *trial) {
  return trial->layout->shape[trial->layout->rank - 1];
}

/* The number that the tensor of lengths has for a batch. */
static int32_t get_length(const attention_trial_t *trial, int64_t batch) {
  const int64_t keys = count_keys(trial);
  const int64_t lengths[] = {keys / 2 + 1, 0, keys, keys + 7, -3, keys / 3};
  return (int32_t)lengths[batch % 6];
}

/* How many keys the row of element e sees. */
static int64_t count_seen(const attention_trial_t *trial, const view_t *view, int64_t e) {
  const int64_t query = view_coordinate(view, e, trial->layout->rank - 2);
  int64_t seen = count_keys(trial);
  if (trial->has_lengths) {
    const int32_t length = get_length(trial, view_coordinate(view, e, 0));
    if (length < seen) seen = length < 0 ? 0 : length;
  }
  if (trial->causal && trial->query_offset < seen - query - 1)
    seen = query + trial->query_offset + 1;
  return seen;
}

static double draw_value(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)*state * 0x1p-62; /* -2 to 2 */
}

static double make_score(const attention_trial_t *trial, int64_t row, int64_t key,
                         double value) {
  switch (trial->scores) {
    case TRIAL_EQUAL:
      return 1.0;
    case TRIAL_LARGE:
      return value * 60.0;
    case TRIAL_SPECIAL:
      if (row % 5 == 0 || (row % 5 == 1 && key % 3 == 0)) return -INFINITY;
      if (row % 5 == 2 && key == row % 4) return NAN;
      if (row % 5 == 3 && key == row % 4) return INFINITY;
      return value;
    default:
      return value;
  }
}

/* Values where the row sees, NaN elsewhere. */
static void fill(const attention_trial_t *trial, view_t *view, bool is_scores) {
  const cudrop_dtype_t dtype = view->tensor.dtype;
  const int64_t keys = count_keys(trial);
  uint64_t state = is_scores ? 3 : 5;
  for (int64_t e = 0; e < view_count(view); ++e) {
    const double value = draw_value(&state);
    oracle_write(dtype, NAN, view_element(view, e));
    if (e % keys >= count_seen(trial, view, e)) continue;
    oracle_write(dtype, is_scores ? make_score(trial, e / keys, e % keys, value) : value,
                 view_element(view, e));
  }
}

static tensors_t make_tensors(const attention_trial_t *trial) {
  const attention_layout_t *layout = trial->layout;
  const int64_t stride = 3;
  tensors_t t;
  t.scores =
      view_make(trial->dtype, layout->rank, layout->shape, layout->stride, layout->shift);
  t.dy = view_make(trial->dtype, layout->rank, layout->shape, layout->stride,
                   layout->shift > 0 ? layout->shift + 1 : 0);
  fill(trial, &t.scores, true);
  fill(trial, &t.dy, false);
  t.lengths = view_make(CUDROP_I32, 1, layout->shape, &stride, 1);
  for (int64_t b = 0; b < layout->shape[0]; ++b) {
    const int32_t length = get_length(trial, b);
    memcpy(view_element(&t.lengths, b), &length, sizeof length);
  }
  for (int k = 0; k < OUTPUTS; ++k)
    *get_output(&t, k) =
        view_make(trial->dtype, layout->rank, layout->shape, NULL, layout->shift);
  return t;
}

static void free_tensors(tensors_t *t) {
  view_free(&t->scores);
  view_free(&t->dy);
  view_free(&t->lengths);
  for (int k = 0; k < OUTPUTS; ++k) view_free(get_output(t, k));
}

/* ---- Calls ------------------------------------------------------------------------ */

/* What the three calls share: a mask in the form that the trial wants. */
typedef struct {
  cudrop_mask_t mask;
  void *block, *bits;
  placed_t lengths;
} options_t;

static options_t make_options(cudrop_context_t *context, const attention_trial_t *trial,
                              const tensors_t *t) {
  const attention_layout_t *layout = trial->layout;
  options_t options = {.mask = trial->mask};
  options.lengths = view_place(context, &t->lengths, false);
  if (trial->source == TRIAL_PREPARED) {
    cudrop_mask_t value = trial->mask;
    value.offset -= 3;
    view_insist(cudrop_alloc(context, CUDROP_PREPARED_BYTES, &options.block));
    view_insist(cudrop_prepare(context, &value, options.block));
    options.mask.seed = 0;
    options.mask.p = 0.0;
    options.mask.offset = 3;
    options.mask.prepared = options.block;
  } else if (trial->source == TRIAL_BITS) {
    view_insist(
        cudrop_alloc(context, (size_t)(view_count(&t->scores) + 7) / 8, &options.bits));
    view_insist(cudrop_export_bits(context, &trial->mask, layout->rank, layout->shape,
                                   options.bits));
  }
  return options;
}

static void free_options(cudrop_context_t *context, options_t *options) {
  view_displace(context, &options->lengths);
  view_insist(cudrop_free(context, &options->block));
  view_insist(cudrop_free(context, &options->bits));
}

#define OPTIONS(trial, options)                                                  \
  .causal = (trial)->causal, .query_offset = (trial)->query_offset,              \
  .lengths = (trial)->has_lengths ? &(options)->lengths.tensor : NULL,           \
  .mask = (trial)->no_mask || (options)->bits != NULL ? NULL : &(options)->mask, \
  .bits = (options)->bits, .p = (options)->bits != NULL ? (trial)->mask.p : 0.0

/* Give an input's bytes to the output that is to be in its place. */
static void copy_input(view_t *output, const view_t *input) {
  view_free(output);
  *output = view_copy(input);
}

static cudrop_status_t run_forward(cudrop_context_t *context,
                                   const attention_trial_t *trial, tensors_t *t,
                                   const options_t *options) {
  view_t *const in_place = trial->without_weights ? &t->y : &t->weights;
  if (trial->in_place) copy_input(in_place, &t->scores);
  placed_t scores = view_place(context, &t->scores, false);
  placed_t weights = view_place(context, &t->weights, true);
  placed_t y = view_place(context, &t->y, true);
  const cudrop_tensor_t *from = !trial->in_place         ? &scores.tensor
                                : trial->without_weights ? &y.tensor
                                                         : &weights.tensor;
  const cudrop_status_t status = cudrop_attention_forward(
      context, &(cudrop_attention_forward_t){
                   .scores = from,
                   .scale = trial->scale,
                   OPTIONS(trial, options),
                   .weights = trial->without_weights ? NULL : &weights.tensor,
                   .y = &y.tensor});
  view_fetch(context, &weights, &t->weights);
  view_fetch(context, &y, &t->y);
  view_displace(context, &scores);
  view_displace(context, &weights);
  view_displace(context, &y);
  return status;
}

static cudrop_status_t run_reapply(cudrop_context_t *context,
                                   const attention_trial_t *trial, tensors_t *t,
                                   const options_t *options) {
  if (trial->in_place) copy_input(&t->again, &t->weights);
  placed_t weights = view_place(context, &t->weights, false);
  placed_t y = view_place(context, &t->again, true);
  const cudrop_status_t status = cudrop_attention_reapply(
      context, &(cudrop_attention_reapply_t){
                   .weights = trial->in_place ? &y.tensor : &weights.tensor,
                   OPTIONS(trial, options),
                   .y = &y.tensor});
  view_fetch(context, &y, &t->again);
  view_displace(context, &weights);
  view_displace(context, &y);
  return status;
}

/* In place, types take turns between dy and the weights. */
static cudrop_status_t run_backward(cudrop_context_t *context,
                                    const attention_trial_t *trial, tensors_t *t,
                                    const options_t *options) {
  const bool over_weights = trial->in_place && trial->dtype == CUDROP_F16;
  const bool over_dy = trial->in_place && !over_weights;
  if (trial->in_place) copy_input(&t->dscores, over_dy ? &t->dy : &t->weights);
  placed_t dy = view_place(context, &t->dy, false);
  placed_t weights = view_place(context, &t->weights, false);
  placed_t dscores = view_place(context, &t->dscores, true);
  const cudrop_status_t status = cudrop_attention_backward(
      context, &(cudrop_attention_backward_t){
                   .dy = over_dy ? &dscores.tensor : &dy.tensor,
                   .weights = over_weights ? &dscores.tensor : &weights.tensor,
                   .scale = trial->scale,
                   OPTIONS(trial, options),
                   .dscores = &dscores.tensor});
  view_fetch(context, &dscores, &t->dscores);
  view_displace(context, &dy);
  view_displace(context, &weights);
  view_displace(context, &dscores);
  return status;
}

static const char *run_all(cudrop_context_t *context, const attention_trial_t *trial,
                           tensors_t *t) {
  options_t options = make_options(context, trial, t);
  cudrop_status_t status = run_forward(context, trial, t, &options);
  if (status == CUDROP_OK && !trial->without_weights) {
    status = run_reapply(context, trial, t, &options);
    if (status == CUDROP_OK) status = run_backward(context, trial, t, &options);
  }
  free_options(context, &options);
  return status == CUDROP_OK ? "" : cudrop_last_error();
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

/* Additions that a summand of a row goes through: of its thread, of the tree, of the warps. */
static double count_additions(int64_t keys) {
  int64_t threads = 32;
  while (threads < 256 && threads * 8 < keys) threads *= 2;
  const int64_t turns = (keys + threads * 8 - 1) / (threads * 8);
  return (double)(turns * 8 + 5 + 8);
}

/*
 * Weights of a row. With u = 2^-24, z is right within u |z|, z - max within u of itself and the
 * errors of both, and its power within 1.1 ulp, which is at most 2.2 u. The sum inherits these as
 * the weights average them, and adds u an addition; the quotient rounds twice. Below 2^-126
 * errors are absolute.
 */
static const char *check_weights(const attention_trial_t *trial, const tensors_t *t,
                                 int64_t row, int64_t seen, double *s, double *p) {
  const double u = 0x1p-24, scale = trial->scale != 0.0f ? (double)trial->scale : 1.0;
  const int64_t keys = count_keys(trial), first = row * keys;
  double most = -INFINITY, average = 0.0;
  for (int64_t k = 0; k < seen; ++k) {
    s[k] = view_get(&t->scores, first + k);
    most = fmax(most, scale * s[k]);
  }
  attention_trial_softmax(seen, s, scale, p);
  for (int64_t k = 0; k < seen; ++k) {
    const double z = scale * s[k];
    s[k] = isinf(z) ? 2.2 * u : u * (fabs(z) + fabs(most) + fabs(z - most) + 2.2);
    average += p[k] * s[k];
  }
  for (int64_t k = 0; k < seen; ++k) {
    const double error = (s[k] + average + u * (count_additions(keys) + 2.0)) * 1.01;
    const double bound = isnan(p[k]) ? 0.0 : p[k] * error + 0x1p-148;
    if (!is_near(&t->weights, first + k, p[k], bound, false))
      return trial_complain("row %lld, key %lld of %lld: P = %.9g, not %.9g within %g",
                            (long long)row, (long long)k, (long long)seen,
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
                                 const view_t *y, int64_t row, int64_t seen) {
  const int64_t keys = count_keys(trial);
  for (int64_t k = 0; k < keys; ++k) {
    const int64_t e = row * keys + k;
    uint8_t want[8] = {0};
    if (k < seen)
      oracle_drop(trial->dtype, view_element(&t->weights, e),
                  trial_keeps(get_mask(trial), &t->weights, e), get_rate(trial), want);
    if (!is_same(trial->dtype, want, view_element(y, e)))
      return trial_complain("row %lld, key %lld of %lld: y = %.9g, not %.9g",
                            (long long)row, (long long)k, (long long)seen, view_get(y, e),
                            oracle_read(trial->dtype, want));
  }
  return "";
}

/*
 * The gradient of a row, from the weights as they were stored. dP is exact here, as it is rounded
 * once. A product of the sum is right within u, and so is each of its additions; the difference,
 * and both products after it, round once. Below 2^-126 errors are absolute.
 */
static const char *check_gradient(const attention_trial_t *trial, const tensors_t *t,
                                  int64_t row, int64_t seen, double *p, double *dp,
                                  double *ds) {
  const double u = 0x1p-24, scale = trial->scale != 0.0f ? (double)trial->scale : 1.0;
  const double p_drop = get_rate(trial);
  const float factor = p_drop < 1.0 ? (float)(1.0 / (1.0 - p_drop)) : 0.0f;
  const int64_t keys = count_keys(trial), first = row * keys;
  double size = 0.0, sum = 0.0;
  for (int64_t k = 0; k < seen; ++k) {
    p[k] = view_get(&t->weights, first + k);
    dp[k] = trial_keeps(get_mask(trial), &t->weights, first + k)
                ? (double)((float)view_get(&t->dy, first + k) * factor)
                : 0.0;
    size += fabs(p[k] * dp[k]);
    sum += p[k] * dp[k];
  }
  attention_trial_gradient(seen, p, dp, scale, ds);
  for (int64_t k = 0; k < keys; ++k) {
    double value = 0.0, bound = 0.0;
    if (k < seen) {
      const double error_of_sum = size * u * (count_additions(keys) + 1.0);
      value = ds[k];
      bound = fabs(scale) * p[k] * (error_of_sum + u * fabs(dp[k] - sum)) * 1.01 +
              2.02 * u * fabs(value) + (1.0 + fabs(scale)) * 0x1p-149;
    }
    if (!is_near(&t->dscores, first + k, value, bound, true))
      return trial_complain("row %lld, key %lld of %lld: dS = %.9g, not %.9g within %g",
                            (long long)row, (long long)k, (long long)seen,
                            view_get(&t->dscores, first + k), value, bound);
  }
  return "";
}

static const char *check_rows(const attention_trial_t *trial, const tensors_t *t) {
  const int64_t keys = count_keys(trial);
  const int64_t rows = keys > 0 ? view_count(&t->scores) / keys : 0;
  double *values = calloc((size_t)keys + 1, 3 * sizeof *values);
  double *a = values, *b = values + keys, *c = values + 2 * keys;
  const char *wrong = "";
  for (int64_t row = 0; row < rows && wrong[0] == '\0'; ++row) {
    const int64_t seen = count_seen(trial, &t->scores, row * keys);
    wrong = check_weights(trial, t, row, seen, a, b);
    if (wrong[0] == '\0') wrong = check_dropped(trial, t, &t->y, row, seen);
    if (wrong[0] == '\0') wrong = check_dropped(trial, t, &t->again, row, seen);
    if (wrong[0] == '\0') wrong = check_gradient(trial, t, row, seen, a, b, c);
  }
  free(values);
  return wrong;
}

/* Everything but what a call writes is as it was before: weights are written where they are
 * seen, other outputs everywhere. */
static const char *check_fences(const attention_trial_t *trial, const view_t *view,
                                const view_t *before, bool is_seen_only) {
  view_t even = view_copy(before);
  const int64_t keys = count_keys(trial);
  for (int64_t e = 0; e < view_count(view); ++e)
    if (!is_seen_only || e % keys < count_seen(trial, view, e))
      memcpy(view_element(&even, e), view_element(view, e),
             cudrop_dtype_bytes(trial->dtype));
  const bool same = memcmp(even.block, view->block, view->bytes) == 0;
  view_free(&even);
  return same ? "" : "memory was written that is not the call's";
}

static const char *explain(const attention_trial_t *trial, const char *wrong) {
  static char whole[600];
  if (wrong[0] == '\0') return wrong;
  snprintf(whole, sizeof whole,
           "%s, dtype %d, scale %g, causal %d + %lld, lengths %d, p = %g, source %d, "
           "scores %d, in place %d: %s",
           trial->layout->name, (int)trial->dtype, (double)trial->scale, trial->causal,
           (long long)trial->query_offset, trial->has_lengths,
           trial->no_mask ? -1.0 : trial->mask.p, (int)trial->source, (int)trial->scores,
           trial->in_place, wrong);
  return whole;
}

const char *attention_trial_run(cudrop_context_t *context,
                                const attention_trial_t *trial) {
  tensors_t t = make_tensors(trial), before = make_tensors(trial);
  if (trial->in_place) {
    copy_input(&before.weights, &before.scores);
    copy_input(&before.dscores, &before.dy);
  }
  const char *wrong = run_all(context, trial, &t);
  if (wrong[0] == '\0') wrong = check_rows(trial, &t);
  for (int k = 0; k < OUTPUTS && wrong[0] == '\0'; ++k)
    if (!(trial->in_place && k >= 2)) /* those begin with what other calls have written */
      wrong = check_fences(trial, get_output(&t, k), get_output(&before, k), k == 0);
  free_tensors(&t);
  free_tensors(&before);
  return explain(trial, wrong);
}

const char *attention_trial_compare(cudrop_context_t *reference,
                                    const attention_trial_t *other,
                                    cudrop_context_t *context,
                                    const attention_trial_t *trial) {
  static const char *const names[OUTPUTS] = {"P", "y", "y of reapply", "dS"};
  tensors_t a = make_tensors(other), b = make_tensors(trial);
  const char *wrong = run_all(reference, other, &a);
  if (wrong[0] == '\0') wrong = run_all(context, trial, &b);
  for (int k = 0; k < OUTPUTS && wrong[0] == '\0'; ++k)
    if ((k == 1 || !trial->without_weights) &&
        view_difference(get_output(&a, k), get_output(&b, k)) >= 0)
      wrong = trial_complain("%s has other bytes", names[k]);
  free_tensors(&a);
  free_tensors(&b);
  return explain(trial, wrong);
}
