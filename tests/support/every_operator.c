/* every_operator.c - one call after another, until one is wrong. */
#include "every_operator.h"

#include "attend_trial.h"
#include "attention_trial.h"
#include "embedding_trial.h"
#include "norm_trial.h"
#include "rows_trial.h"
#include "trial.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                        CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0], ROW_DTYPES = 3 };

static const double p = 1.0 / 3.0;

/* ---- Elementwise ------------------------------------------------------------------------- */

static const int64_t pitch[] = {120, 1}, sparse[] = {2};
static const layout_t layouts[] = {{"a vector", 1, {70001}, NULL, NULL},
                                   {"lines", 2, {9, 111}, pitch, pitch},
                                   {"every second", 1, {300}, sparse, sparse}};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

static const char *try_elementwise(cudrop_context_t *reference,
                                   cudrop_context_t *context) {
  const char *wrong = "";
  for (int k = 0; k < TRIAL_OPERATORS * DTYPES * LAYOUTS && wrong[0] == '\0'; ++k) {
    const trial_operator_t op = (trial_operator_t)(k / LAYOUTS / DTYPES);
    const trial_t trial = {.op = op,
                           .dtype = dtypes[k / LAYOUTS % DTYPES],
                           .layout = &layouts[k % LAYOUTS],
                           .mask = cudrop_mask(7, (uint64_t)k, p),
                           .prepared = trial_has_mask(op) && k % 2 == 1,
                           .x_shift = k % 5 == 1};
    const bool is_slow = trial.layout == layouts && trial.dtype != CUDROP_F32;
    if (trial_takes(op, trial.dtype) && !is_slow)
      wrong = trial_compare(reference, context, &trial);
  }
  return wrong;
}

/* ---- On rows ----------------------------------------------------------------------------- */

static const int64_t rows_pitch[] = {32, 1};
static const rows_layout_t rows_layouts[] = {
    {"a matrix", 2, {40, 264}, NULL, 0, false},
    {"padded rows", 2, {20, 24}, rows_pitch, 0, false},
    {"odd rows", 3, {2, 3, 61}, NULL, 1, true},
    {"wide rows", 2, {3, 4100}, NULL, 0, false}};
enum { ROWS_LAYOUTS = sizeof rows_layouts / sizeof rows_layouts[0], ACTIVATIONS = 5 };

static const char *try_fused(cudrop_context_t *reference, cudrop_context_t *context) {
  const char *wrong = "";
  for (int k = 0; k < ROWS_LAYOUTS * ROW_DTYPES * ACTIVATIONS && wrong[0] == '\0'; ++k) {
    const rows_trial_t trial = {
        .layout = &rows_layouts[k % ROWS_LAYOUTS],
        .dtype = dtypes[k / ROWS_LAYOUTS % ROW_DTYPES],
        .vector_dtype = k % 2 == 0 ? dtypes[k / ROWS_LAYOUTS % ROW_DTYPES] : CUDROP_F32,
        .activation = (cudrop_activation_t)(k / ROWS_LAYOUTS / ROW_DTYPES),
        .mask = cudrop_mask(8, (uint64_t)k, p),
        .prepared = k % 3 == 1,
        .has_residual = true,
        .accumulate = (uint32_t)k % 4};
    wrong = rows_trial_compare_forward(reference, context, &trial);
    if (wrong[0] == '\0') wrong = rows_trial_compare_backward(reference, context, &trial);
  }
  return wrong;
}

static const char *try_norm(cudrop_context_t *reference, cudrop_context_t *context) {
  const char *wrong = "";
  for (int k = 0; k < ROWS_LAYOUTS * ROW_DTYPES * 2 && wrong[0] == '\0'; ++k) {
    const norm_trial_t trial = {
        .layout = &rows_layouts[k % ROWS_LAYOUTS],
        .dtype = dtypes[k / ROWS_LAYOUTS % ROW_DTYPES],
        .vector_dtype = k % 2 == 0 ? dtypes[k / ROWS_LAYOUTS % ROW_DTYPES] : CUDROP_F32,
        .kind = (cudrop_norm_kind_t)(k / ROWS_LAYOUTS / ROW_DTYPES),
        .epsilon = 1e-5f,
        .parts = NORM_EVERYTHING,
        .accumulate = (uint32_t)k / 3 % 2 * CUDROP_ACCUMULATE_PARAMETERS,
        .mask = cudrop_mask(9, (uint64_t)k, p),
        .prepared = k % 3 == 1};
    wrong = norm_trial_compare_forward(reference, context, &trial);
    if (wrong[0] == '\0') wrong = norm_trial_compare_backward(reference, context, &trial);
  }
  return wrong;
}

static const attention_layout_t attention_layouts[] = {
    {"33 keys", 4, {2, 2, 5, 33}, NULL, 0},
    {"264 keys", 3, {6, 7, 264}, NULL, 0},
    {"4200 keys", 2, {3, 4200}, NULL, 0}};
enum {
  ATTENTION_LAYOUTS = sizeof attention_layouts / sizeof attention_layouts[0],
  CAUSALS = 3
};

static const char *try_attention(cudrop_context_t *reference, cudrop_context_t *context) {
  const char *wrong = "";
  for (int k = 0; k < ATTENTION_LAYOUTS * ROW_DTYPES * TRIAL_SOURCES && wrong[0] == '\0';
       ++k) {
    const attention_trial_t trial = {
        .layout = &attention_layouts[k % ATTENTION_LAYOUTS],
        .dtype = dtypes[k / ATTENTION_LAYOUTS % ROW_DTYPES],
        .scale = 0.3f,
        .causal = (cudrop_causal_t)((k / ATTENTION_LAYOUTS + k) % CAUSALS),
        .has_lengths = k % 3 == 1,
        .mask = cudrop_mask(10, (uint64_t)k, p),
        .source = (trial_source_t)(k / ATTENTION_LAYOUTS / ROW_DTYPES)};
    wrong = attention_trial_compare(reference, &trial, context, &trial);
  }
  return wrong;
}

static const embedding_layout_t embedding_layouts[] = {
    {"a batch", 2, {6, 17}, NULL, NULL, 50, 64, 0, 0},
    {"odd rows", 2, {5, 13}, NULL, NULL, 50, 21, 0, 3},
    {"wide rows", 2, {3, 12}, NULL, NULL, 300, 264, 0, 0}};
enum { EMBEDDING_LAYOUTS = sizeof embedding_layouts / sizeof embedding_layouts[0] };

static const char *try_embedding(cudrop_context_t *context) {
  const char *wrong = "";
  for (int k = 0; k < EMBEDDING_LAYOUTS * ROW_DTYPES * 2 && wrong[0] == '\0'; ++k) {
    const cudrop_dtype_t dtype = dtypes[k / EMBEDDING_LAYOUTS % ROW_DTYPES];
    const bool has_floats = k / EMBEDDING_LAYOUTS / ROW_DTYPES == 0;
    wrong = embedding_trial_run(
        context, &(embedding_trial_t){
                     .layout = &embedding_layouts[k % EMBEDDING_LAYOUTS],
                     .dtype = dtype,
                     .table_dtype = has_floats ? CUDROP_F32 : dtype,
                     .ids = (embedding_ids_t)(k % IDS_KINDS),
                     .mask = cudrop_mask(11, (uint64_t)k, p),
                     .prepared = k % 3 == 1,
                     .accumulate = (uint32_t)k / 2 % 2 * CUDROP_ACCUMULATE_PARAMETERS});
  }
  return wrong;
}

static const attend_shape_t attend_shapes[] = {{"grouped heads", 4, {2, 4, 5, 24}, 2, 33},
                                               {"tiles", 3, {2, 97, 64}, 0, 130}};
enum { ATTEND_SHAPES = sizeof attend_shapes / sizeof attend_shapes[0] };

static const char *try_attend(cudrop_context_t *context) {
  const char *wrong = "";
  for (int k = 0; k < ATTEND_SHAPES * ROW_DTYPES * ATTEND_SOURCES && wrong[0] == '\0';
       ++k) {
    const attend_trial_t trial = {
        .shape = &attend_shapes[k % ATTEND_SHAPES],
        .dtype = dtypes[k / ATTEND_SHAPES % ROW_DTYPES],
        .layout = (attend_layout_t)(k % ATTEND_LAYOUTS),
        .scale = 0.3f,
        .causal = (cudrop_causal_t)(k % CAUSALS),
        .lengths_rank = k % 2,
        .mask = cudrop_mask(12, (uint64_t)k, p),
        .source = (attend_source_t)(k / ATTEND_SHAPES / ROW_DTYPES)};
    wrong = attend_trial_run(context, &trial);
  }
  return wrong;
}

const char *every_operator(cudrop_context_t *reference, cudrop_context_t *context) {
  const char *wrong = try_elementwise(reference, context);
  if (wrong[0] == '\0') wrong = try_fused(reference, context);
  if (wrong[0] == '\0') wrong = try_norm(reference, context);
  if (wrong[0] == '\0') wrong = try_attention(reference, context);
  if (wrong[0] == '\0') wrong = try_embedding(context);
  if (wrong[0] == '\0') wrong = try_attend(context);
  return wrong;
}
