/* attend_trial.c - attention with dropout beside its formulas. */
#include "attend_trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "oracle.h"

/* ---- Sizes ------------------------------------------------------------------------ */

/* The product of the sizes of q from dimension `from` up to, without it, dimension `to`. */
static int64_t multiply_sizes(const attend_trial_t *trial, int from, int to) {
  int64_t n = 1;
  for (int d = from; d < to; ++d) n *= trial->shape->q[d];
  return n;
}

static int64_t get_queries(const attend_trial_t *trial) {
  return trial->shape->q[trial->shape->rank - 2];
}

/* Heads in a batch that read one shared head. */
static int64_t get_group(const attend_trial_t *trial) {
  const attend_shape_t *shape = trial->shape;
  return shape->rank >= 3 && shape->shared > 0 ? shape->q[shape->rank - 3] / shape->shared
                                               : 1;
}

int64_t attend_count_shared(const attend_trial_t *trial) {
  return multiply_sizes(trial, 0, trial->shape->rank - 2) / get_group(trial);
}

int64_t attend_find_shared(const attend_trial_t *trial, int64_t row) {
  return row / get_queries(trial) / get_group(trial);
}

/* The number that the tensor of lengths has in place `index`. */
static int64_t get_length(const attend_trial_t *trial, int64_t index) {
  const int64_t keys = trial->shape->keys;
  const int64_t lengths[] = {
      keys / 2 + 1, 0,       keys, trial->has_wide_lengths ? (int64_t)1 << 40 : keys + 7,
      -3,           keys / 3};
  return lengths[index % 6];
}

attend_seen_t attend_find_seen(const attend_trial_t *trial, int64_t row) {
  const int rank = trial->shape->rank;
  const int64_t keys = trial->shape->keys, queries = get_queries(trial);
  const int64_t offset =
      trial->causal == CUDROP_CAUSAL ? trial->query_offset : keys - queries;
  int64_t seen = keys, begin = 0;
  if (trial->lengths_rank > 0) {
    const int64_t rows = multiply_sizes(trial, trial->lengths_rank, rank - 1);
    const int64_t length = get_length(trial, row / rows);
    if (length < seen) seen = length < 0 ? 0 : length;
  }
  if (trial->causal != CUDROP_NOT_CAUSAL && offset < seen - row % queries - 1)
    seen = row % queries + offset + 1;
  if (seen < 0) seen = 0;
  if (trial->causal != CUDROP_NOT_CAUSAL && trial->window > 0)
    while (begin < seen && trial_is_before(trial->window, offset, row % queries, begin))
      ++begin;
  return (attend_seen_t){begin, seen};
}

/* ---- Tensors ---------------------------------------------------------------------- */

/* Strides of a tensor [..., heads, queries, D], or of the same without D if `gap` is 0. */
static void make_strides(attend_layout_t layout, int rank, const int64_t *shape,
                         int64_t gap, int64_t *stride) {
  int64_t dense = layout == ATTEND_BACKWARDS ? shape[rank - 1] + gap : shape[rank - 1];
  const bool is_swapped = layout == ATTEND_HEADS_INSIDE && rank >= 3;
  stride[rank - 1] = 1;
  for (int d = rank - 2; d >= 0; --d) {
    const int to = !is_swapped || d < rank - 3 ? d : d == rank - 2 ? rank - 3 : rank - 2;
    stride[to] = layout == ATTEND_BACKWARDS ? -dense : dense;
    dense *= shape[to];
  }
}

static view_t make_view(const attend_trial_t *trial, cudrop_dtype_t dtype, int rank,
                        const int64_t *shape, int64_t gap, int shift) {
  int64_t stride[CUDROP_MAX_RANK];
  make_strides(trial->layout, rank, shape, gap, stride);
  return view_make(dtype, gap > 0 ? rank : rank - 1, shape, stride,
                   trial->layout == ATTEND_SHIFTED ? shift : 0);
}

/* Of a shared head, the keys from the first to the last that a query sees. */
static attend_seen_t find_all_seen(const attend_trial_t *trial, int64_t shared) {
  const int64_t rows = get_queries(trial) * get_group(trial);
  attend_seen_t all = {trial->shape->keys, 0};
  for (int64_t row = shared * rows; row < (shared + 1) * rows; ++row) {
    const attend_seen_t seen = attend_find_seen(trial, row);
    if (seen.begin == seen.end) continue;
    if (seen.begin < all.begin) all.begin = seen.begin;
    if (seen.end > all.end) all.end = seen.end;
  }
  return all;
}

static void hide_unseen(const attend_trial_t *trial, view_t *view) {
  const int64_t cols = trial->shape->q[trial->shape->rank - 1], keys = trial->shape->keys;
  for (int64_t shared = 0; shared < attend_count_shared(trial); ++shared) {
    const attend_seen_t all = find_all_seen(trial, shared);
    for (int64_t e = 0; e < keys * cols; ++e)
      if (e / cols < all.begin || e / cols >= all.end)
        oracle_write(trial->dtype, NAN, view_element(view, shared * keys * cols + e));
  }
}

/* NaN in the rows of queries that see no key. */
static void hide_blind(const attend_trial_t *trial, view_t *view) {
  const int64_t cols = trial->shape->q[trial->shape->rank - 1];
  for (int64_t e = 0; e < view_count(view); ++e) {
    const attend_seen_t seen = attend_find_seen(trial, e / cols);
    if (seen.begin == seen.end) oracle_write(trial->dtype, NAN, view_element(view, e));
  }
}

/* Scores of q that begin with 1 or more and of keys that begin with infinities or NaN. */
static void make_special(const attend_trial_t *trial, attend_tensors_t *t) {
  const int64_t cols = trial->shape->q[trial->shape->rank - 1], keys = trial->shape->keys;
  view_t *q = &t->input[ATTEND_Q], *k = &t->input[ATTEND_K];
  for (int64_t e = 0; e < view_count(q); e += cols)
    oracle_write(trial->dtype, 1.0 + fabs(view_get(q, e)), view_element(q, e));
  for (int64_t row = 0; row < view_count(k) / cols; ++row) {
    const int64_t turn = row / keys % 4, key = row % keys;
    double first = view_get(k, row * cols);
    if (turn == 0 || (turn == 1 && key % 3 == 0)) first = -INFINITY;
    if (turn == 2 && key == keys / 2) first = NAN;
    if (turn == 3 && key == keys / 2) first = INFINITY;
    oracle_write(trial->dtype, first, view_element(k, row * cols));
  }
}

static attend_tensors_t make_tensors(const attend_trial_t *trial) {
  const attend_shape_t *shape = trial->shape;
  const int rank = shape->rank;
  int64_t k_shape[CUDROP_MAX_RANK], lse_shape[CUDROP_MAX_RANK];
  memcpy(k_shape, shape->q, sizeof k_shape);
  memcpy(lse_shape, shape->q, sizeof lse_shape);
  k_shape[rank - 2] = shape->keys;
  lse_shape[rank - 1] = 1;
  if (rank >= 3) k_shape[rank - 3] /= get_group(trial);
  attend_tensors_t t;
  for (int x = 0; x < ATTEND_INPUTS; ++x) {
    const bool is_keys = x == ATTEND_K || x == ATTEND_V;
    t.input[x] =
        make_view(trial, trial->dtype, rank, is_keys ? k_shape : shape->q, 8, 1 + x);
    attend_fill(&t.input[x], (uint64_t)x + 3,
                x == ATTEND_Q && trial->values == ATTEND_HUGE ? 100.0 : 1.0);
  }
  for (int y = 0; y < ATTEND_OUTPUTS; ++y) {
    const bool is_keys = y == ATTEND_DK || y == ATTEND_DV;
    t.output[y] = y == ATTEND_LSE ? make_view(trial, CUDROP_F32, rank, lse_shape, 0, 1)
                                  : make_view(trial, trial->dtype, rank,
                                              is_keys ? k_shape : shape->q, 8, 5);
    if (!trial->ways.accumulates || y < ATTEND_DQ) continue;
    view_fill_tamely(&t.output[y], (uint64_t)y);
    for (int64_t e = 0; e < view_count(&t.output[y]); e += 5)
      oracle_write(trial->dtype, -0.0, view_element(&t.output[y], e));
  }
  if (trial->values == ATTEND_SPECIAL) make_special(trial, &t);
  hide_unseen(trial, &t.input[ATTEND_K]);
  hide_unseen(trial, &t.input[ATTEND_V]);
  hide_blind(trial, &t.input[ATTEND_Q]);
  hide_blind(trial, &t.input[ATTEND_DOUT]);
  return t;
}

static view_t make_lengths(const attend_trial_t *trial) {
  const int rank = trial->lengths_rank > 0 ? trial->lengths_rank : 1;
  int64_t stride[CUDROP_MAX_RANK], apart = 3;
  for (int d = rank - 1; d >= 0; --d) {
    stride[d] = apart;
    apart *= trial->shape->q[d];
  }
  view_t lengths = view_make(trial->has_wide_lengths ? CUDROP_I64 : CUDROP_I32, rank,
                             trial->shape->q, stride, 1);
  for (int64_t e = 0; e < view_count(&lengths); ++e) {
    const int64_t wide = get_length(trial, e);
    const int32_t narrow = (int32_t)wide;
    memcpy(view_element(&lengths, e),
           trial->has_wide_lengths ? (const void *)&wide : &narrow,
           trial->has_wide_lengths ? sizeof wide : sizeof narrow);
  }
  return lengths;
}

/* ---- Trials ----------------------------------------------------------------------- */

/* Make both calls with a mask in the form that the trial wants. */
static cudrop_status_t call(cudrop_context_t *context, const attend_trial_t *trial,
                            attend_tensors_t *t) {
  view_t lengths = make_lengths(trial);
  placed_t placed = view_place(context, &lengths, false);
  int64_t scores[CUDROP_MAX_RANK];
  memcpy(scores, trial->shape->q, sizeof scores);
  scores[trial->shape->rank - 1] = trial->shape->keys;
  trial_given_t given =
      trial_give(context, trial->no_mask ? NULL : &trial->mask,
                 (trial_source_t)trial->source, trial->shape->rank, scores);
  const cudrop_attention_t attention = {
      .scale = trial->scale,
      .causal = trial->causal,
      .query_offset = trial->causal == CUDROP_CAUSAL ? trial->query_offset : 0,
      .window = trial->causal != CUDROP_NOT_CAUSAL ? trial->window : 0,
      .lengths = trial->lengths_rank > 0 ? &placed.tensor : NULL,
      .mask = given.has_mask ? &given.mask : NULL,
      .bits = given.bits,
      .p = given.p};
  const cudrop_status_t status = attend_call(context, &attention, t, &trial->ways);
  view_displace(context, &placed);
  view_free(&lengths);
  trial_take_back(context, &given);
  return status;
}

static const char *explain(const attend_trial_t *trial, const char *wrong) {
  static char whole[900];
  if (wrong[0] == '\0') return wrong;
  snprintf(whole, sizeof whole,
           "%s, dtype %d, layout %d, scale %g, causal %d + %lld, window %lld, lengths of "
           "rank %d, p = %g, "
           "source %d, values %d, o is q %d, dq is %d, accumulates %d: %s",
           trial->shape->name, (int)trial->dtype, (int)trial->layout,
           (double)trial->scale, (int)trial->causal, (long long)trial->query_offset,
           (long long)trial->window, trial->lengths_rank,
           trial->no_mask ? -1.0 : trial->mask.p, (int)trial->source, (int)trial->values,
           trial->ways.o_is_q, (int)trial->ways.dq_is, trial->ways.accumulates, wrong);
  return whole;
}

/* Let outputs in the place of others have held what these hold. */
static void note_places(const attend_trial_t *trial, const attend_tensors_t *t,
                        attend_tensors_t *before) {
  const attend_over_t over = trial->ways.dq_is;
  if (trial->ways.o_is_q) view_replace(&before->output[ATTEND_O], &t->input[ATTEND_Q]);
  if (over == ATTEND_OVER_NOTHING) return;
  view_replace(&before->output[ATTEND_DQ], over == ATTEND_OVER_O ? &t->output[ATTEND_O]
                                           : over == ATTEND_OVER_Q
                                               ? &t->input[ATTEND_Q]
                                               : &t->input[ATTEND_DOUT]);
}

/* Was nothing written beside the outputs, nor where an output is left out? */
static const char *check_fences(const attend_trial_t *trial, const attend_tensors_t *t,
                                const attend_tensors_t *before) {
  const attend_ways_t *ways = &trial->ways;
  for (int y = 0; y < ATTEND_OUTPUTS; ++y) {
    const bool has_run = y <= ATTEND_LSE || !ways->without[ATTEND_LSE];
    if (!view_is_fenced(&t->output[y], &before->output[y], has_run && !ways->without[y]))
      return trial_complain("memory around %s was written", attend_output_names[y]);
  }
  return "";
}

/* Has a GPU of sm_80 or newer taken tensor cores for the last call, by the rules of attend.h? */
static bool took_tensor_cores(cudrop_backend_t backend, const attend_trial_t *trial) {
  const int rank = trial->shape->rank;
  const int64_t cols = trial->shape->q[rank - 1];
  const bool has_groups = trial->shape->keys % 8 == 0;
  const bool is_free = trial->no_mask || (trial->source == ATTEND_BY_VALUE &&
                                          (trial->mask.p == 0.0 || trial->mask.p == 1.0));
  return backend == CUDROP_CUDA && trial->dtype != CUDROP_F32 &&
         (cols == 64 || cols == 128) && attend_was_in_chunks() &&
         trial->lengths_rank < rank - 1 && (is_free || has_groups) &&
         (trial->source != ATTEND_BITS || trial->no_mask);
}

const char *attend_trial_run(cudrop_context_t *context, const attend_trial_t *trial) {
  attend_tensors_t t = make_tensors(trial), before = make_tensors(trial);
  cudrop_backend_t backend;
  view_insist(cudrop_get_backend(context, &backend));
  const cudrop_status_t status = call(context, trial, &t);
  const char *wrong = status == CUDROP_OK ? "" : cudrop_last_error();
  note_places(trial, &t, &before);
  if (wrong[0] == '\0') wrong = check_fences(trial, &t, &before);
  if (wrong[0] == '\0')
    wrong = attend_check(trial, &t, &before, took_tensor_cores(backend, trial));
  attend_free(&t);
  attend_free(&before);
  return explain(trial, wrong);
}

const char *attend_trial_compare(cudrop_context_t *reference, const attend_trial_t *other,
                                 cudrop_context_t *context, const attend_trial_t *trial) {
  attend_tensors_t a = make_tensors(other), b = make_tensors(trial);
  const char *wrong = "";
  if (call(reference, other, &a) != CUDROP_OK || call(context, trial, &b) != CUDROP_OK)
    wrong = cudrop_last_error();
  const bool *absent = trial->ways.without;
  for (int y = 0; y < ATTEND_OUTPUTS && wrong[0] == '\0'; ++y)
    if (!absent[y] && !other->ways.without[y] && (y == ATTEND_O || !absent[ATTEND_LSE]) &&
        !view_is_equal(&a.output[y], &b.output[y]))
      wrong = trial_complain("%s has other bits", attend_output_names[y]);
  attend_free(&a);
  attend_free(&b);
  return explain(trial, wrong);
}
