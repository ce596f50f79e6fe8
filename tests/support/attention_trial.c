/* attention_trial.c - attention weights beside their formulas. */
#include "attention_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "around.h"
#include "attention_tensors.h"
#include "oracle.h"
#include "trial.h"

/* ---- Tensors ---------------------------------------------------------------------- */

enum { OUTPUTS = 4 };

static view_t *get_output(tensors_t *t, int k) {
  view_t *const outputs[OUTPUTS] = {&t->weights, &t->y, &t->again, &t->dscores};
  return outputs[k];
}

/* The number that the tensor of lengths has for a batch. */
static int32_t get_length(const attention_trial_t *trial, int64_t batch) {
  const int64_t keys = count_keys(trial);
  const int64_t lengths[] = {keys / 2 + 1, 0, keys, keys + 7, -3, keys / 3};
  return (int32_t)lengths[batch % 6];
}

/* How many keys come before query 0. */
static int64_t get_offset(const attention_trial_t *trial) {
  const int64_t queries = trial->layout->shape[trial->layout->rank - 2];
  return trial->causal == CUDROP_CAUSAL ? trial->query_offset
                                        : count_keys(trial) - queries;
}

attention_seen_t attention_find_seen(const attention_trial_t *trial, const view_t *view,
                                     int64_t e) {
  const int64_t query = view_coordinate(view, e, trial->layout->rank - 2);
  const int64_t offset = get_offset(trial);
  int64_t seen = count_keys(trial), begin = 0;
  if (trial->has_lengths) {
    const int32_t length = get_length(trial, view_coordinate(view, e, 0));
    if (length < seen) seen = length < 0 ? 0 : length;
  }
  if (trial->causal != CUDROP_NOT_CAUSAL && offset < seen - query - 1)
    seen = query + offset + 1;
  if (seen < 0) seen = 0;
  if (trial->causal != CUDROP_NOT_CAUSAL && trial->window > 0)
    while (begin < seen && trial_is_before(trial->window, offset, query, begin)) ++begin;
  return (attention_seen_t){begin, seen};
}

bool attention_sees(const attention_trial_t *trial, const view_t *view, int64_t e) {
  const attention_seen_t seen = attention_find_seen(trial, view, e);
  const int64_t key = e % count_keys(trial);
  return key >= seen.begin && key < seen.end;
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
    double value = view_draw(&state);
    if (trial->scores == TRIAL_TINY && e % 4 != 0) value = view_tiny(dtype, state >> 32);
    oracle_write(dtype, NAN, view_element(view, e));
    if (!attention_sees(trial, view, e)) continue;
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
                   layout->shift + (layout->shift % 4 != 0));
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

/* What the three calls share. */
typedef struct {
  trial_given_t given;
  placed_t lengths;
} options_t;

static options_t make_options(cudrop_context_t *context, const attention_trial_t *trial,
                              const tensors_t *t) {
  const attention_layout_t *layout = trial->layout;
  return (options_t){.given = trial_give(context, trial->no_mask ? NULL : &trial->mask,
                                         trial->source, layout->rank, layout->shape),
                     .lengths = view_place(context, &t->lengths, false)};
}

static void free_options(cudrop_context_t *context, options_t *options) {
  view_displace(context, &options->lengths);
  trial_take_back(context, &options->given);
}

static cudrop_attention_t get_attention(const attention_trial_t *trial,
                                        const options_t *options) {
  return (cudrop_attention_t){
      .scale = trial->scale,
      .causal = trial->causal,
      .query_offset = trial->causal == CUDROP_CAUSAL ? trial->query_offset : 0,
      .window = trial->causal != CUDROP_NOT_CAUSAL ? trial->window : 0,
      .lengths = trial->has_lengths ? &options->lengths.tensor : NULL,
      .mask = options->given.has_mask ? &options->given.mask : NULL,
      .bits = options->given.bits,
      .p = options->given.p};
}

static cudrop_status_t run_forward(cudrop_context_t *context,
                                   const attention_trial_t *trial, tensors_t *t,
                                   const options_t *options) {
  const cudrop_attention_t attention = get_attention(trial, options);
  view_t *const in_place = trial->without_weights ? &t->y : &t->weights;
  if (trial->in_place) view_replace(in_place, &t->scores);
  placed_t scores = view_place(context, &t->scores, false);
  placed_t weights = view_place(context, &t->weights, true);
  placed_t y = view_place(context, &t->y, true);
  const cudrop_tensor_t *from = !trial->in_place         ? &scores.tensor
                                : trial->without_weights ? &y.tensor
                                                         : &weights.tensor;
  const cudrop_status_t status =
      AROUND(context,
             cudrop_attention_forward(
                 context, &(cudrop_attention_forward_t){
                              .attention = &attention,
                              .scores = from,
                              .weights = trial->without_weights ? NULL : &weights.tensor,
                              .y = trial->without_y ? NULL : &y.tensor}));
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
  const cudrop_attention_t attention = get_attention(trial, options);
  if (trial->in_place) view_replace(&t->again, &t->weights);
  placed_t weights = view_place(context, &t->weights, false);
  placed_t y = view_place(context, &t->again, true);
  const cudrop_status_t status = AROUND(
      context, cudrop_attention_reapply(
                   context, &(cudrop_attention_reapply_t){
                                .attention = &attention,
                                .weights = trial->in_place ? &y.tensor : &weights.tensor,
                                .y = &y.tensor}));
  view_fetch(context, &y, &t->again);
  view_displace(context, &weights);
  view_displace(context, &y);
  return status;
}

/* In place, types take turns between dy and the weights. */
static cudrop_status_t run_backward(cudrop_context_t *context,
                                    const attention_trial_t *trial, tensors_t *t,
                                    const options_t *options) {
  const cudrop_attention_t attention = get_attention(trial, options);
  const bool over_weights = trial->in_place && trial->dtype == CUDROP_F16;
  const bool over_dy = trial->in_place && !over_weights;
  if (trial->in_place) view_replace(&t->dscores, over_dy ? &t->dy : &t->weights);
  placed_t dy = view_place(context, &t->dy, false);
  placed_t weights = view_place(context, &t->weights, false);
  placed_t dscores = view_place(context, &t->dscores, true);
  const cudrop_status_t status =
      AROUND(context,
             cudrop_attention_backward(
                 context, &(cudrop_attention_backward_t){
                              .attention = &attention,
                              .dy = over_dy ? &dscores.tensor : &dy.tensor,
                              .weights = over_weights ? &dscores.tensor : &weights.tensor,
                              .dscores = &dscores.tensor}));
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

/* ---- Trials ----------------------------------------------------------------------- */

/* Everything but what a call writes is as it was before: weights are written where they are
 * seen, other outputs everywhere; an output that is left out, nowhere. */
static const char *check_fences(const attention_trial_t *trial, const view_t *view,
                                const view_t *before, bool is_seen_only,
                                bool is_written) {
  view_t even = view_copy(before);
  for (int64_t e = 0; is_written && e < view_count(view); ++e)
    if (!is_seen_only || attention_sees(trial, view, e))
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
           "%s, dtype %d, scale %g, causal %d + %lld, window %lld, lengths %d, p = %g, "
           "source %d, "
           "scores %d, in place %d: %s",
           trial->layout->name, (int)trial->dtype, (double)trial->scale,
           (int)trial->causal, (long long)trial->query_offset, (long long)trial->window,
           trial->has_lengths, trial->no_mask ? -1.0 : trial->mask.p, (int)trial->source,
           (int)trial->scores, trial->in_place, wrong);
  return whole;
}

const char *attention_trial_run(cudrop_context_t *context,
                                const attention_trial_t *trial) {
  tensors_t t = make_tensors(trial), before = make_tensors(trial);
  if (trial->in_place) {
    view_replace(&before.weights, &before.scores);
    view_replace(&before.dscores, &before.dy);
  }
  const char *wrong = run_all(context, trial, &t);
  if (wrong[0] == '\0') wrong = attention_check_rows(trial, &t);
  for (int k = 0; k < OUTPUTS && wrong[0] == '\0'; ++k)
    if (!(trial->in_place && k >= 2)) /* those begin with what other calls have written */
      wrong = check_fences(trial, get_output(&t, k), get_output(&before, k), k == 0,
                           !(trial->without_y && k == 1));
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
    if ((k == 1 ? !trial->without_y : !trial->without_weights) &&
        view_difference(get_output(&a, k), get_output(&b, k)) >= 0)
      wrong = trial_complain("%s has other bytes", names[k]);
  free_tensors(&a);
  free_tensors(&b);
  return explain(trial, wrong);
}
