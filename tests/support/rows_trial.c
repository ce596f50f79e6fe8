/* rows_trial.c - operators on rows beside their formulas. */
#include "rows_trial.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "around.h"
#include "oracle.h"
#include "trial.h"

/* ---- Formulas --------------------------------------------------------------------- */

static const double pi = 3.14159265358979323846;

/* Half of the argument of GELU_TANH's tanh, doubled: 2 sqrt(2 / pi) (z + 0.044715 z^3). */
static double tanh_argument(double z) {
  return sqrt(8.0 / pi) * (z + 0.044715 * z * z * z);
}

static double sigmoid(double u) {
  return 1.0 / (1.0 + exp(-u));
}

double rows_trial_activation(cudrop_activation_t activation, double z) {
  const bool is_below =
      z == -INFINITY; /* where every activation but one has the limit 0 */
  switch (activation) {
    case CUDROP_RELU:
      return z < 0.0 ? 0.0 : z;
    case CUDROP_GELU:
      return is_below ? 0.0 : z * 0.5 * erfc(-z / sqrt(2.0));
    case CUDROP_GELU_TANH:
      return is_below ? 0.0 : z * sigmoid(tanh_argument(z));
    case CUDROP_SILU:
      return is_below ? 0.0 : z * sigmoid(z);
    default:
      return z;
  }
}

double rows_trial_slope(cudrop_activation_t activation, double z) {
  const double at = fmax(fmin(z, 1e3), -1e3); /* beyond it is 0 or 1 */
  const double u = tanh_argument(at);
  if (isnan(z) && activation != CUDROP_IDENTITY && activation != CUDROP_RELU) return z;
  switch (activation) {
    case CUDROP_RELU:
      return z <= 0.0 ? 0.0 : 1.0;
    case CUDROP_GELU:
      return 0.5 * erfc(-at / sqrt(2.0)) + at * exp(-at * at / 2.0) / sqrt(2.0 * pi);
    case CUDROP_GELU_TANH:
      return sigmoid(u) + at * sigmoid(u) * sigmoid(-u) * sqrt(8.0 / pi) *
                              (1.0 + 3.0 * 0.044715 * at * at);
    case CUDROP_SILU:
      return sigmoid(at) * (1.0 + at * sigmoid(-at));
    default:
      return 1.0;
  }
}

static bool is_exact(cudrop_activation_t activation) {
  return activation == CUDROP_IDENTITY || activation == CUDROP_RELU;
}

/* ---- Parts ------------------------------------------------------------------------ */

static bool has_bias(const rows_trial_t *trial) {
  return trial->vector_dtype != 0 && !(trial->left_out & ROWS_NO_BIAS);
}

static bool has_dbias(const rows_trial_t *trial) {
  return trial->vector_dtype != 0 && !(trial->left_out & ROWS_NO_DBIAS);
}

static bool has_x(const rows_trial_t *trial) {
  return trial->activation != CUDROP_IDENTITY || !(trial->left_out & ROWS_NO_X);
}

static bool has_dx(const rows_trial_t *trial) {
  return !(trial->left_out & ROWS_NO_DX);
}

/* ---- Tensors ---------------------------------------------------------------------- */

typedef struct {
  view_t x, bias, residual,
      y; /* y is dx, residual is dy in backward; bias is also dbias' old */
  view_t dbias;
  view_t y_before, dbias_before;
} tensors_t;

static void fill(const rows_trial_t *trial, view_t *view, uint64_t seed) {
  if (trial->is_wild) {
    view_randomise(view, seed);
  } else {
    view_fill_tamely(view, seed);
  }
}

static view_t make_vector(const rows_trial_t *trial, int shift) {
  const rows_layout_t *layout = trial->layout;
  const cudrop_dtype_t dtype =
      trial->vector_dtype != 0 ? trial->vector_dtype : CUDROP_F32;
  return view_make(dtype, 1, &layout->shape[layout->rank - 1], NULL, shift);
}

static tensors_t make_tensors(const rows_trial_t *trial) {
  const rows_layout_t *layout = trial->layout;
  const int shift = layout->shift;
  int64_t repeated[CUDROP_MAX_RANK] = {0};
  repeated[layout->rank - 1] = 1;
  tensors_t t;
  t.x = view_make(trial->dtype, layout->rank, layout->shape, layout->stride,
                  shift % 4 == 0 ? shift : shift + 1);
  t.residual = view_make(trial->dtype, layout->rank, layout->shape,
                         layout->repeats_residual ? repeated : NULL, shift);
  t.y = view_make(trial->dtype, layout->rank, layout->shape, NULL, shift);
  t.bias = make_vector(trial, shift);
  t.dbias = make_vector(trial, 0);
  fill(trial, &t.x, 1);
  fill(trial, &t.residual, 2);
  fill(trial, &t.bias, 3);
  if (trial->accumulate & CUDROP_ACCUMULATE_DATA) fill(trial, &t.y, 4);
  if (trial->accumulate & CUDROP_ACCUMULATE_PARAMETERS) fill(trial, &t.dbias, 5);
  if (trial->in_place) {
    view_free(&t.y);
    t.y = view_copy(&t.x);
  }
  t.y_before = view_copy(&t.y);
  t.dbias_before = view_copy(&t.dbias);
  return t;
}

static void free_tensors(tensors_t *t) {
  view_t *views[] = {&t->x,     &t->bias,     &t->residual,    &t->y,
                     &t->dbias, &t->y_before, &t->dbias_before};
  for (size_t k = 0; k < sizeof views / sizeof views[0]; ++k) view_free(views[k]);
}

/* ---- Calls ------------------------------------------------------------------------ */

/* The tensors in a context's memory, and the block of a prepared mask. */
typedef struct {
  placed_t x, bias, residual, y, dbias;
  cudrop_mask_t mask;
  cudrop_prepared_t *block;
  void *workspace;
} places_t;

static places_t place(cudrop_context_t *context, const rows_trial_t *trial,
                      const tensors_t *t) {
  places_t p = {.mask = trial->mask};
  p.x = view_place(context, &t->x, false);
  p.bias = view_place(context, &t->bias, false);
  p.residual = view_place(context, &t->residual, false);
  p.y = view_place(context, &t->y, true);
  p.dbias = view_place(context, &t->dbias, true);
  if (trial->in_place) p.x.tensor = p.y.tensor;
  if (trial->prepared) p.mask = trial_prepare(context, &trial->mask, &p.block);
  return p;
}

static void fetch(cudrop_context_t *context, places_t *p, tensors_t *t) {
  placed_t *inputs[] = {&p->x, &p->bias, &p->residual};
  view_fetch(context, &p->y, &t->y);
  view_fetch(context, &p->dbias, &t->dbias);
  for (size_t k = 0; k < sizeof inputs / sizeof inputs[0]; ++k)
    view_displace(context, inputs[k]);
  view_displace(context, &p->y);
  view_displace(context, &p->dbias);
  view_insist(cudrop_prepared_destroy(context, &p->block));
  view_insist(cudrop_free(context, &p->workspace));
}

/* What both directions share. */
static cudrop_fused_t get_fused(const rows_trial_t *trial, const places_t *p) {
  return (cudrop_fused_t){.activation = trial->activation,
                          .bias = has_bias(trial) ? &p->bias.tensor : NULL,
                          .mask = trial->no_mask ? NULL : &p->mask};
}

static cudrop_status_t run_forward(cudrop_context_t *context, const rows_trial_t *trial,
                                   tensors_t *t) {
  places_t p = place(context, trial, t);
  const cudrop_fused_t fused = get_fused(trial, &p);
  const cudrop_status_t status =
      AROUND(context,
             cudrop_fused_forward(
                 context, &(cudrop_fused_forward_t){
                              .fused = &fused,
                              .x = &p.x.tensor,
                              .residual = trial->has_residual ? &p.residual.tensor : NULL,
                              .y = &p.y.tensor}));
  fetch(context, &p, t);
  return status;
}

/* dy is the residual's tensor, dx is y's; in place dx is dy, and not x. */
static cudrop_status_t run_backward(cudrop_context_t *context, const rows_trial_t *trial,
                                    tensors_t *t) {
  places_t p = place(context, trial, t);
  const cudrop_fused_t fused = get_fused(trial, &p);
  const cudrop_tensor_t *x = trial->in_place ? &p.residual.tensor : &p.x.tensor;
  cudrop_fused_backward_t args = {
      .fused = &fused,
      .dy = trial->in_place ? &p.x.tensor : &p.residual.tensor,
      .x = has_x(trial) ? x : NULL,
      .dx = has_dx(trial) ? &p.y.tensor : NULL,
      .dbias = has_dbias(trial) ? &p.dbias.tensor : NULL,
      .accumulate = trial->accumulate};
  cudrop_status_t status = cudrop_fused_backward_workspace(
      rows_count(trial->layout), rows_count_cols(trial->layout), &args.workspace_bytes);
  if (status == CUDROP_OK)
    args.workspace = view_make_workspace(context, args.workspace_bytes, &p.workspace);
  if (status == CUDROP_OK)
    status = AROUND(context, cudrop_fused_backward(context, &args));
  fetch(context, &p, t);
  return status;
}

/* ---- Expectations ----------------------------------------------------------------- */

/* x + bias, which is rounded to float. */
static float get_biased(const rows_trial_t *trial, const view_t *x, const view_t *bias,
                        int64_t e) {
  const float value = (float)view_get(x, e);
  if (!has_bias(trial)) return value;
  return value + (float)view_get(bias, view_coordinate(x, e, x->tensor.rank - 1));
}

/* A value as a float holds it: past the largest it is infinite. */
static double as_float(double value) {
  return fabs(value) > FLT_MAX * (1.0 + 0x1p-26) ? copysign(INFINITY, value) : value;
}

/* The mask by value, or NULL where everything is kept. */
static const cudrop_mask_t *get_mask(const rows_trial_t *trial) {
  return trial->no_mask ? NULL : &trial->mask;
}

/* How far an activation may be off, relative to its value, if the result has the type `dtype`. */
static double activation_bound(cudrop_activation_t activation, cudrop_dtype_t dtype) {
  if (activation == CUDROP_GELU_TANH) return 0x1p-16;
  return activation == CUDROP_GELU && dtype != CUDROP_F32 ? 0x1p-17 : 0x1p-20;
}

static const char *check_forward(const rows_trial_t *trial, const tensors_t *t) {
  const float scale = trial_scale(get_mask(trial));
  for (int64_t e = 0; e < view_count(&t->x); ++e) {
    const float z = get_biased(trial, &t->x, &t->bias, e);
    const bool kept = trial_keeps(get_mask(trial), &t->x, e);
    const float residual = trial->has_residual ? (float)view_get(&t->residual, e) : 0.0f;
    const double a = rows_trial_activation(trial->activation, z);
    double value, bound = 0.0;
    if (is_exact(trial->activation)) {
      const float dropped = kept ? (float)a * scale : 0.0f;
      value = trial->has_residual ? residual + dropped : dropped;
    } else {
      const double dropped = kept ? as_float(a * scale) : 0.0;
      value = as_float(residual + dropped);
      bound = fabs(dropped) * activation_bound(trial->activation, t->y.tensor.dtype) +
              fabs(value) * 0x1p-23 + 0x1p-140;
    }
    if (!view_is_near(&t->y, e, value, bound))
      return trial_complain(
          "element %lld: y = %.9g, not %.9g; z = %.9g, kept %d, residual %.9g",
          (long long)e, view_get(&t->y, e), value, z, kept, residual);
  }
  return "";
}

static const char *check_sums(const rows_trial_t *trial, const tensors_t *t,
                              const double *sums, const double *sizes) {
  const int64_t rows = rows_count(trial->layout), cols = rows_count_cols(trial->layout);
  for (int64_t c = 0; c < cols; ++c) {
    const bool adds = (trial->accumulate & CUDROP_ACCUMULATE_PARAMETERS) != 0;
    if (rows == 0 && !(adds ? view_is_untouched(&t->dbias, &t->dbias_before, c)
                            : view_is_near(&t->dbias, c, 0.0, 0.0)))
      return trial_complain("dbias[%lld] = %.9g is no sum of no rows", (long long)c,
                            view_get(&t->dbias, c));
    if (rows == 0) continue;
    const double value = sums[c] + (adds ? view_get(&t->dbias_before, c) : 0.0);
    const double bound =
        sizes[c] * ((double)rows * 0x1p-24 + 0x1p-18) + fabs(value) * 0x1p-22;
    if (!view_is_near(&t->dbias, c, value, bound))
      return trial_complain("dbias[%lld] = %.9g, not %.9g within %g", (long long)c,
                            view_get(&t->dbias, c), value, bound);
  }
  return "";
}

static const char *check_backward(const rows_trial_t *trial, const tensors_t *t) {
  const view_t *dy = trial->in_place ? &t->x : &t->residual;
  const view_t *x = trial->in_place ? &t->residual : &t->x;
  const int last = x->tensor.rank - 1;
  const int64_t cols = x->tensor.shape[last];
  double *sums = calloc((size_t)cols + 1, sizeof *sums);
  double *sizes = calloc((size_t)cols + 1, sizeof *sizes);
  const char *wrong = "";
  for (int64_t e = 0; e < view_count(x) && wrong[0] == '\0'; ++e) {
    const float z = get_biased(trial, x, &t->bias, e);
    const bool kept = trial_keeps(get_mask(trial), x, e);
    const float scaled = (float)view_get(dy, e) * trial_scale(get_mask(trial));
    const double slope = rows_trial_slope(trial->activation, z);
    const bool adds = (trial->accumulate & CUDROP_ACCUMULATE_DATA) != 0;
    const double gradient = kept ? as_float(scaled * slope) : 0.0;
    const double value = adds ? as_float(gradient + view_get(&t->y_before, e)) : gradient;
    /* A slope is right within 2^-20 of 1, even where it is small. */
    const double bound = is_exact(trial->activation)
                             ? (adds ? fabs(value) * 0x1p-24 : 0.0)
                             : (kept ? fabs((double)scaled) * 0x1p-20 : 0.0) +
                                   fabs(value) * 0x1p-23 + 0x1p-140;
    sums[view_coordinate(x, e, last)] += gradient;
    sizes[view_coordinate(x, e, last)] += fabs(gradient);
    if (has_dx(trial) && !view_is_near(&t->y, e, value, bound))
      wrong = trial_complain(
          "element %lld: dx = %.9g, not %.9g; z = %.9g, dy = %.9g, kept %d", (long long)e,
          view_get(&t->y, e), value, z, view_get(dy, e), kept);
  }
  if (wrong[0] == '\0' && has_dbias(trial) && (!trial->is_wild || view_count(x) == 0))
    wrong = check_sums(trial, t, sums, sizes);
  free(sums);
  free(sizes);
  return wrong;
}

typedef cudrop_status_t run_t(cudrop_context_t *, const rows_trial_t *, tensors_t *);
typedef const char *check_t(const rows_trial_t *, const tensors_t *);

static const char *explain(const rows_trial_t *trial, const char *wrong) {
  static char whole[600];
  if (wrong[0] == '\0') return wrong;
  snprintf(whole, sizeof whole,
           "%s, dtype %d, vector %d, left out %u, activation %d, p = %g, residual %d, "
           "in place %d, prepared %d: %s",
           trial->layout->name, (int)trial->dtype, (int)trial->vector_dtype,
           trial->left_out, (int)trial->activation, trial->no_mask ? -1.0 : trial->mask.p,
           trial->has_residual, trial->in_place, trial->prepared, wrong);
  return whole;
}

static const char *run_and_check(cudrop_context_t *context, const rows_trial_t *trial,
                                 run_t *run, check_t *check) {
  tensors_t t = make_tensors(trial);
  const bool is_backward = run == run_backward;
  const char *wrong = "";
  if (run(context, trial, &t) != CUDROP_OK) wrong = cudrop_last_error();
  if (wrong[0] == '\0') wrong = check(trial, &t);
  if (wrong[0] == '\0' &&
      !(view_is_fenced(&t.y, &t.y_before, !is_backward || has_dx(trial)) &&
        view_is_fenced(&t.dbias, &t.dbias_before, is_backward && has_dbias(trial))))
    wrong = "memory beside an output was written";
  free_tensors(&t);
  return explain(trial, wrong);
}

const char *rows_trial_forward(cudrop_context_t *context, const rows_trial_t *trial) {
  return run_and_check(context, trial, run_forward, check_forward);
}

const char *rows_trial_backward(cudrop_context_t *context, const rows_trial_t *trial) {
  return run_and_check(context, trial, run_backward, check_backward);
}

static const char *run_and_compare(cudrop_context_t *reference, cudrop_context_t *context,
                                   const rows_trial_t *trial, run_t *run) {
  tensors_t a = make_tensors(trial), b = make_tensors(trial);
  const char *wrong = "";
  if (run(reference, trial, &a) != CUDROP_OK || run(context, trial, &b) != CUDROP_OK) {
    wrong = cudrop_last_error();
  } else if (view_difference(&a.y, &b.y) >= 0) {
    wrong = "the full output has other bytes";
  } else if (view_difference(&a.dbias, &b.dbias) >= 0) {
    wrong = "dbias has other bytes";
  }
  free_tensors(&a);
  free_tensors(&b);
  return explain(trial, wrong);
}

const char *rows_trial_compare_forward(cudrop_context_t *reference,
                                       cudrop_context_t *context,
                                       const rows_trial_t *trial) {
  return run_and_compare(reference, context, trial, run_forward);
}

const char *rows_trial_compare_backward(cudrop_context_t *reference,
                                        cudrop_context_t *context,
                                        const rows_trial_t *trial) {
  return run_and_compare(reference, context, trial, run_backward);
}
