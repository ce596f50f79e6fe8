/* norm_trial.c - bias, dropout, residual and a norm beside their formulas. */
#include "norm_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "around.h"
#include "norm_tensors.h"
#include "oracle.h"
#include "trial.h"

/* ---- Tensors ---------------------------------------------------------------------- */

const char *const norm_names[VIEWS] = {
    "x or dy", "residual or dh", "h",      "y or dx", "dresidual", "bias", "gamma",
    "beta",    "dbias",          "dgamma", "dbeta",   "mean",      "rstd"};

static view_t make_full(const norm_trial_t *trial, name_t name) {
  const rows_layout_t *layout = trial->layout;
  const int shift = layout->shift + (layout->shift % 4 != 0 && name == X);
  int64_t repeated[CUDROP_MAX_RANK] = {0};
  repeated[layout->rank - 1] = 1;
  const int64_t *stride = name == X                                      ? layout->stride
                          : name == RESIDUAL && layout->repeats_residual ? repeated
                                                                         : NULL;
  return view_make(trial->dtype, layout->rank, layout->shape, stride, shift);
}

static view_t make_vector(const norm_trial_t *trial) {
  return view_make(trial->vector_dtype, 1, &trial->layout->shape[trial->layout->rank - 1],
                   NULL, trial->layout->shift);
}

static view_t make_each(const norm_trial_t *trial) {
  const int outer = trial->layout->rank - 1;
  int64_t stride[CUDROP_MAX_RANK] = {0}, next = -2;
  for (int d = outer - 1; d >= 0; --d) {
    stride[d] = next;
    next *= trial->layout->shape[d];
  }
  return view_make(CUDROP_F32, outer, trial->layout->shape,
                   trial->upside_down ? stride : NULL, 0);
}

static void fill(const norm_trial_t *trial, view_t *view, name_t name) {
  if (trial->is_wild) {
    view_randomise(view, name);
  } else {
    view_fill_tamely(view, name);
  }
  if (name != X && name != H) return;
  for (int64_t e = 0; trial->shift != 0.0f && e < view_count(view); ++e)
    oracle_write(view->tensor.dtype, view_get(view, e) + (double)trial->shift,
                 view_element(view, e));
}

/* What forward would have saved of h, more or less. */
static void fill_saved(const norm_trial_t *trial, tensors_t *t) {
  const int64_t cols = count_cols(trial), rows = cols > 0 ? count_rows(trial) : 0;
  for (int64_t row = 0; row < rows; ++row) {
    double sum = 0.0, squares = 0.0;
    for (int64_t c = 0; c < cols; ++c) sum += view_get(&t->view[H], row * cols + c);
    const double mean = trial->kind == CUDROP_LAYER_NORM ? sum / (double)cols : 0.0;
    for (int64_t c = 0; c < cols; ++c)
      squares += pow(view_get(&t->view[H], row * cols + c) - mean, 2.0);
    const double rstd = 1.0 / sqrt(squares / (double)cols + (double)trial->epsilon);
    oracle_write(CUDROP_F32, mean, view_element(&t->view[MEAN], row));
    oracle_write(CUDROP_F32, rstd, view_element(&t->view[RSTD], row));
  }
}

static void share(tensors_t *t, name_t output, name_t input) {
  if (t->is_there[output]) t->from[output] = input;
}

static void choose_sharing(const norm_trial_t *trial, tensors_t *t, bool is_backward) {
  const bool both = trial->sharing == NORM_BOTH_ARE_INPUTS;
  if (trial->sharing == NORM_Y_IS_X) share(t, Y, X);
  if (trial->sharing == NORM_Y_IS_RESIDUAL) share(t, Y, RESIDUAL);
  if (trial->sharing == NORM_H_IS_X) share(t, is_backward ? DRESIDUAL : H, X);
  if (both) share(t, Y, is_backward ? H : X);
  if (both) share(t, is_backward ? DRESIDUAL : H, is_backward ? X : RESIDUAL);
}

static void choose_parts(const norm_trial_t *trial, tensors_t *t, bool is_backward) {
  const bool centred = trial->kind == CUDROP_LAYER_NORM;
  const bool inputs = !is_backward || !has(trial, NORM_NO_INPUTS);
  const bool gradients = is_backward && !has(trial, NORM_NO_GRADIENTS);
  const bool there[VIEWS] = {[X] = true,
                             [RESIDUAL] = inputs && has(trial, NORM_RESIDUAL),
                             [H] = is_backward || has(trial, NORM_H),
                             [Y] = !is_backward || has(trial, NORM_DX),
                             [DRESIDUAL] = gradients && has(trial, NORM_RESIDUAL),
                             [BIAS] = has(trial, NORM_BIAS),
                             [GAMMA] = inputs && has(trial, NORM_GAMMA),
                             [BETA] = has(trial, NORM_BETA),
                             [DBIAS] = is_backward && has(trial, NORM_BIAS),
                             [DGAMMA] = gradients && has(trial, NORM_GAMMA),
                             [DBETA] = is_backward && has(trial, NORM_BETA),
                             [MEAN] = centred && (is_backward || has(trial, NORM_SAVED)),
                             [RSTD] = is_backward || has(trial, NORM_SAVED)};
  const bool output[VIEWS] = {
      [H] = !is_backward, [Y] = true,     [DRESIDUAL] = true,    [DBIAS] = true,
      [DGAMMA] = true,    [DBETA] = true, [MEAN] = !is_backward, [RSTD] = !is_backward};
  memcpy(t->is_there, there, sizeof there);
  memcpy(t->is_output, output, sizeof output);
}

static tensors_t make_tensors(const norm_trial_t *trial, bool is_backward) {
  const bool adds_to_data = (trial->accumulate & CUDROP_ACCUMULATE_DATA) != 0;
  const bool adds = (trial->accumulate & CUDROP_ACCUMULATE_PARAMETERS) != 0;
  tensors_t t = {0};
  choose_parts(trial, &t, is_backward);
  for (name_t k = X; k < VIEWS; ++k) {
    const bool is_full = k <= DRESIDUAL;
    t.view[k] = is_full    ? make_full(trial, k)
                : k < MEAN ? make_vector(trial)
                           : make_each(trial);
    t.from[k] = k;
    if (!t.is_output[k] || (is_backward && (is_full ? adds_to_data : adds)))
      fill(trial, &t.view[k], k);
  }
  if (is_backward && !trial->is_wild) fill_saved(trial, &t);
  choose_sharing(trial, &t, is_backward);
  for (name_t k = X; k < VIEWS; ++k) {
    if (t.from[k] != k) {
      view_free(&t.view[k]);
      t.view[k] = view_copy(&t.view[t.from[k]]);
    }
    t.before[k] = view_copy(&t.view[k]);
  }
  return t;
}

static void free_tensors(tensors_t *t) {
  for (name_t k = X; k < VIEWS; ++k) {
    view_free(&t->view[k]);
    view_free(&t->before[k]);
  }
}

/* ---- Calls ------------------------------------------------------------------------ */

/* The tensors in a context's memory, and the block of a prepared mask. */
typedef struct {
  placed_t placed[VIEWS];
  const cudrop_tensor_t *tensor[VIEWS]; /* NULL: absent */
  cudrop_mask_t mask;
  cudrop_prepared_t *block;
  void *workspace;
} places_t;

static void place(cudrop_context_t *context, const norm_trial_t *trial,
                  const tensors_t *t, places_t *p) {
  for (name_t k = X; k < VIEWS; ++k) {
    p->placed[k] = view_place(context, &t->view[k], t->is_output[k]);
    p->tensor[k] = t->is_there[k] ? &p->placed[k].tensor : NULL;
  }
  for (name_t k = X; k < VIEWS; ++k)
    if (t->from[k] != k) p->placed[t->from[k]].tensor = p->placed[k].tensor;
  p->mask = trial->mask;
  if (trial->prepared) p->mask = trial_prepare(context, &trial->mask, &p->block);
}

static void fetch(cudrop_context_t *context, places_t *p, tensors_t *t) {
  for (name_t k = X; k < VIEWS; ++k) {
    if (t->is_output[k]) view_fetch(context, &p->placed[k], &t->view[k]);
    view_displace(context, &p->placed[k]);
  }
  view_insist(cudrop_prepared_destroy(context, &p->block));
  view_insist(cudrop_free(context, &p->workspace));
}

/* What both directions share. */
static cudrop_norm_t get_norm(const norm_trial_t *trial, const places_t *p) {
  return (cudrop_norm_t){.kind = trial->kind,
                         .epsilon = trial->epsilon,
                         .bias = p->tensor[BIAS],
                         .gamma = p->tensor[GAMMA],
                         .beta = p->tensor[BETA],
                         .mask = trial->no_mask ? NULL : &p->mask};
}

static cudrop_status_t run_forward(cudrop_context_t *context, const norm_trial_t *trial,
                                   tensors_t *t) {
  places_t p = {0};
  place(context, trial, t, &p);
  const cudrop_norm_t norm = get_norm(trial, &p);
  const cudrop_status_t status = AROUND(
      context, cudrop_norm_forward(
                   context, &(cudrop_norm_forward_t){.norm = &norm,
                                                     .x = p.tensor[X],
                                                     .residual = p.tensor[RESIDUAL],
                                                     .h = p.tensor[H],
                                                     .y = p.tensor[Y],
                                                     .mean = p.tensor[MEAN],
                                                     .rstd = p.tensor[RSTD]}));
  fetch(context, &p, t);
  return status;
}

static cudrop_status_t run_backward(cudrop_context_t *context, const norm_trial_t *trial,
                                    tensors_t *t) {
  places_t p = {0};
  place(context, trial, t, &p);
  const cudrop_norm_t norm = get_norm(trial, &p);
  cudrop_norm_backward_t args = {.norm = &norm,
                                 .dy = p.tensor[X],
                                 .dh = p.tensor[RESIDUAL],
                                 .h = p.tensor[H],
                                 .mean = p.tensor[MEAN],
                                 .rstd = p.tensor[RSTD],
                                 .dx = p.tensor[Y],
                                 .dresidual = p.tensor[DRESIDUAL],
                                 .dbias = p.tensor[DBIAS],
                                 .dgamma = p.tensor[DGAMMA],
                                 .dbeta = p.tensor[DBETA],
                                 .accumulate = trial->accumulate};
  cudrop_status_t status = cudrop_norm_backward_workspace(
      count_rows(trial), count_cols(trial), &args.workspace_bytes);
  if (status == CUDROP_OK)
    args.workspace = view_make_workspace(context, args.workspace_bytes, &p.workspace);
  if (status == CUDROP_OK) status = AROUND(context, cudrop_norm_backward(context, &args));
  fetch(context, &p, t);
  return status;
}

/* ---- Trials ----------------------------------------------------------------------- */

static const char *explain(const norm_trial_t *trial, const char *wrong) {
  static char whole[900];
  if (wrong[0] == '\0') return wrong;
  snprintf(whole, sizeof whole,
           "%s, dtype %d, vector %d, kind %d, parts %#x, accumulate %u, sharing %d, "
           "p = %g, prepared %d, wild %d: %s",
           trial->layout->name, (int)trial->dtype, (int)trial->vector_dtype,
           (int)trial->kind, trial->parts, trial->accumulate, (int)trial->sharing,
           trial->no_mask ? -1.0 : trial->mask.p, trial->prepared, trial->is_wild, wrong);
  return whole;
}

static const char *run_and_check(cudrop_context_t *context, const norm_trial_t *trial,
                                 bool is_backward) {
  tensors_t t = make_tensors(trial, is_backward);
  const char *wrong = "";
  if ((is_backward ? run_backward : run_forward)(context, trial, &t) != CUDROP_OK)
    wrong = cudrop_last_error();
  if (wrong[0] == '\0')
    wrong = (is_backward ? norm_check_backward : norm_check_forward)(trial, &t);
  for (name_t k = X; k < VIEWS && wrong[0] == '\0'; ++k) {
    const bool is_written = t.is_there[k] && t.is_output[k];
    if (!view_is_fenced(&t.view[k], &t.before[k], is_written))
      wrong = trial_complain("memory beside %s was written", norm_names[k]);
  }
  free_tensors(&t);
  return explain(trial, wrong);
}

const char *norm_trial_forward(cudrop_context_t *context, const norm_trial_t *trial) {
  return run_and_check(context, trial, false);
}

const char *norm_trial_backward(cudrop_context_t *context, const norm_trial_t *trial) {
  return run_and_check(context, trial, true);
}

static const char *run_and_compare(cudrop_context_t *reference, cudrop_context_t *context,
                                   const norm_trial_t *trial, bool is_backward) {
  tensors_t a = make_tensors(trial, is_backward), b = make_tensors(trial, is_backward);
  const char *wrong = "";
  if ((is_backward ? run_backward : run_forward)(reference, trial, &a) != CUDROP_OK ||
      (is_backward ? run_backward : run_forward)(context, trial, &b) != CUDROP_OK)
    wrong = cudrop_last_error();
  for (name_t k = X; k < VIEWS && wrong[0] == '\0'; ++k)
    if (view_difference(&a.view[k], &b.view[k]) >= 0)
      wrong = trial_complain("%s has other bytes", norm_names[k]);
  free_tensors(&a);
  free_tensors(&b);
  return explain(trial, wrong);
}

const char *norm_trial_compare_forward(cudrop_context_t *reference,
                                       cudrop_context_t *context,
                                       const norm_trial_t *trial) {
  return run_and_compare(reference, context, trial, false);
}

const char *norm_trial_compare_backward(cudrop_context_t *reference,
                                        cudrop_context_t *context,
                                        const norm_trial_t *trial) {
  return run_and_compare(reference, context, trial, true);
}
