/* norm_trial.c - bias, dropout, residual and a norm beside their formulas. */
#include "norm_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "trial.h"

/* Half the distance of 1 from the next float: what a rounding may change, as a part. */
static const double u = 0x1p-24;

/* ---- Tensors ---------------------------------------------------------------------- */

/* X, RESIDUAL and Y are dy, dh and dx in backward, where H is an input. */
typedef enum {
  X,
  RESIDUAL,
  H,
  Y,
  DRESIDUAL,
  BIAS,
  GAMMA,
  BETA,
  DBIAS,
  DGAMMA,
  DBETA,
  MEAN,
  RSTD,
  VIEWS
} name_t;

static const char *const names[VIEWS] = {
    "x or dy", "residual or dh", "h",      "y or dx", "dresidual", "bias", "gamma",
    "beta",    "dbias",          "dgamma", "dbeta",   "mean",      "rstd"};

typedef struct {
  view_t view[VIEWS], before[VIEWS];
  bool is_there[VIEWS], is_output[VIEWS];
  name_t from[VIEWS]; /* the input that an output is in the place of, or itself */
} tensors_t;

static bool has(const norm_trial_t *trial, uint32_t part) {
  return (trial->parts & part) != 0;
}

static int64_t count_cols(const norm_trial_t *trial) {
  return trial->layout->shape[trial->layout->rank - 1];
}

static int64_t count_rows(const norm_trial_t *trial) {
  int64_t rows = 1;
  for (int d = 0; d < trial->layout->rank - 1; ++d) rows *= trial->layout->shape[d];
  return rows;
}

static view_t make_full(const norm_trial_t *trial, name_t name) {
  const rows_layout_t *layout = trial->layout;
  const int shift = layout->shift > 0 && name == X ? layout->shift + 1 : layout->shift;
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
    const double mean = trial->norm == CUDROP_LAYER_NORM ? sum / (double)cols : 0.0;
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
  const bool centred = trial->norm == CUDROP_LAYER_NORM;
  const bool there[VIEWS] = {[X] = true,
                             [RESIDUAL] = has(trial, NORM_RESIDUAL),
                             [H] = is_backward || has(trial, NORM_H),
                             [Y] = !is_backward || has(trial, NORM_DX),
                             [DRESIDUAL] = is_backward && has(trial, NORM_RESIDUAL),
                             [BIAS] = !is_backward && has(trial, NORM_BIAS),
                             [GAMMA] = has(trial, NORM_GAMMA),
                             [BETA] = !is_backward && has(trial, NORM_BETA),
                             [DBIAS] = is_backward && has(trial, NORM_BIAS),
                             [DGAMMA] = is_backward && has(trial, NORM_GAMMA),
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
  void *block, *workspace;
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
  if (!trial->prepared) return;
  cudrop_mask_t value = trial->mask;
  value.offset -= 3;
  view_insist(cudrop_alloc(context, CUDROP_PREPARED_BYTES, &p->block));
  view_insist(cudrop_prepare(context, &value, p->block));
  p->mask.seed = 0;
  p->mask.p = 0.0;
  p->mask.offset = 3;
  p->mask.prepared = p->block;
}

static void fetch(cudrop_context_t *context, places_t *p, tensors_t *t) {
  for (name_t k = X; k < VIEWS; ++k) {
    if (t->is_output[k]) view_fetch(context, &p->placed[k], &t->view[k]);
    view_displace(context, &p->placed[k]);
  }
  view_insist(cudrop_free(context, &p->block));
  view_insist(cudrop_free(context, &p->workspace));
}

static cudrop_status_t run_forward(cudrop_context_t *context, const norm_trial_t *trial,
                                   tensors_t *t) {
  places_t p = {0};
  place(context, trial, t, &p);
  const cudrop_status_t status = cudrop_norm_forward(
      context, &(cudrop_norm_forward_t){.x = p.tensor[X],
                                        .bias = p.tensor[BIAS],
                                        .mask = trial->no_mask ? NULL : &p.mask,
                                        .residual = p.tensor[RESIDUAL],
                                        .norm = trial->norm,
                                        .gamma = p.tensor[GAMMA],
                                        .beta = p.tensor[BETA],
                                        .epsilon = trial->epsilon,
                                        .h = p.tensor[H],
                                        .y = p.tensor[Y],
                                        .mean = p.tensor[MEAN],
                                        .rstd = p.tensor[RSTD]});
  fetch(context, &p, t);
  return status;
}

static cudrop_status_t run_backward(cudrop_context_t *context, const norm_trial_t *trial,
                                    tensors_t *t) {
  places_t p = {0};
  place(context, trial, t, &p);
  cudrop_norm_backward_t args = {.dy = p.tensor[X],
                                 .dh = p.tensor[RESIDUAL],
                                 .h = p.tensor[H],
                                 .mean = p.tensor[MEAN],
                                 .rstd = p.tensor[RSTD],
                                 .gamma = p.tensor[GAMMA],
                                 .norm = trial->norm,
                                 .mask = trial->no_mask ? NULL : &p.mask,
                                 .dx = p.tensor[Y],
                                 .dresidual = p.tensor[DRESIDUAL],
                                 .dbias = p.tensor[DBIAS],
                                 .dgamma = p.tensor[DGAMMA],
                                 .dbeta = p.tensor[DBETA],
                                 .accumulate = trial->accumulate};
  cudrop_status_t status = cudrop_norm_backward_workspace(&args, &args.workspace_bytes);
  if (status == CUDROP_OK)
    view_insist(cudrop_alloc(context, args.workspace_bytes, &p.workspace));
  args.workspace = p.workspace;
  if (status == CUDROP_OK) status = cudrop_norm_backward(context, &args);
  fetch(context, &p, t);
  return status;
}

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
                        names[name], view_get(&t->view[name], e), expected.value, bound);
}

/* The same of a gradient that may be added to what was there. */
static const char *expect_sum(const tensors_t *t, name_t name, int64_t e, near_t expected,
                              bool adds) {
  if (!t->is_there[name]) return "";
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
  if (trial->norm == CUDROP_LAYER_NORM)
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

static const char *check_forward(const norm_trial_t *trial, const tensors_t *t) {
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
  if (trial->norm == CUDROP_LAYER_NORM) r.mean_g = finish(&g, additions + 1.0, n);
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

static const char *check_backward(const norm_trial_t *trial, const tensors_t *t) {
  const int64_t cols = count_cols(trial), rows = cols > 0 ? count_rows(trial) : 0;
  const size_t size = (size_t)cols + 1;
  sum_t *memory = calloc(3 * size, sizeof *memory);
  column_sums_t sums = {memory, memory + size, memory + 2 * size};
  const char *wrong = "";
  for (int64_t row = 0; row < rows && wrong[0] == '\0' && !trial->is_wild; ++row)
    wrong = check_row(trial, t, row, &sums);
  for (int64_t c = 0; c < cols && wrong[0] == '\0' && !trial->is_wild; ++c)
    wrong = check_column(trial, t, c, &sums);
  free(memory);
  return wrong;
}

/* ---- Trials ----------------------------------------------------------------------- */

static const char *explain(const norm_trial_t *trial, const char *wrong) {
  static char whole[900];
  if (wrong[0] == '\0') return wrong;
  snprintf(whole, sizeof whole,
           "%s, dtype %d, vector %d, norm %d, parts %#x, accumulate %u, sharing %d, "
           "p = %g, prepared %d, wild %d: %s",
           trial->layout->name, (int)trial->dtype, (int)trial->vector_dtype,
           (int)trial->norm, trial->parts, trial->accumulate, (int)trial->sharing,
           trial->no_mask ? -1.0 : trial->mask.p, trial->prepared, trial->is_wild, wrong);
  return whole;
}

static const char *run_and_check(cudrop_context_t *context, const norm_trial_t *trial,
                                 bool is_backward) {
  tensors_t t = make_tensors(trial, is_backward);
  const char *wrong = "";
  if ((is_backward ? run_backward : run_forward)(context, trial, &t) != CUDROP_OK)
    wrong = cudrop_last_error();
  if (wrong[0] == '\0') wrong = (is_backward ? check_backward : check_forward)(trial, &t);
  for (name_t k = X; k < VIEWS && wrong[0] == '\0'; ++k) {
    const bool is_written = t.is_there[k] && t.is_output[k];
    if (!view_is_fenced(&t.view[k], &t.before[k], is_written))
      wrong = trial_complain("memory beside %s was written", names[k]);
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
      wrong = trial_complain("%s has other bytes", names[k]);
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
