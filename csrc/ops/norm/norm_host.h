/* norm_host.h - bias, dropout, residual and a norm on the host; compiled for each path, like
 * strip.h. */
#ifndef CUDROP_NORM_HOST_H
#define CUDROP_NORM_HOST_H

#include "host/row_total.h"
#include "ops/norm/norm.h"

/* ---- One value a row --------------------------------------------------------------- */

/* The address of a row's element in a tensor that has one element a row. */
static float *get_each(const cudropi_plan_t *plan, int operand, int64_t row) {
  const cudropi_operand_t *each = &plan->operand[operand];
  return (float *)each->data +
         cudropi_row_place(plan->rank, plan->shape, each->stride, row);
}

static float read_each(const cudropi_plan_t *plan, int operand, int64_t row) {
  return cudropi_has(plan, operand) ? *get_each(plan, operand, row) : 0.0f;
}

static void write_each(const cudropi_plan_t *plan, int operand, int64_t row,
                       float value) {
  if (cudropi_has(plan, operand)) *get_each(plan, operand, row) = value;
}

/* ---- Forward ---------------------------------------------------------------------- */

/* The operand that holds h. If the call has no output h, y holds h until the result overwrites y;
 * without an x, h is the residual. */
static int find_stored(const cudropi_plan_t *plan) {
  return cudropi_has(plan, CUDROPI_NORM_H)   ? CUDROPI_NORM_H
         : cudropi_has(plan, CUDROPI_NORM_X) ? CUDROPI_NORM_Y
                                             : CUDROPI_NORM_RESIDUAL;
}

/* h = residual + drop(x + bias); without an x, h = residual. */
static void sum_branch(const cudropi_strip_t *strip, float *h) {
  float residual[CUDROPI_STRIP];
  if (!cudropi_has(strip->plan, CUDROPI_NORM_X)) {
    cudropi_strip_load(strip, CUDROPI_NORM_RESIDUAL, h);
    return;
  }
  cudropi_strip_load_biased(strip, CUDROPI_NORM_X, CUDROPI_NORM_BIAS, h);
  cudropi_strip_drop(strip, h);
  if (!cudropi_has(strip->plan, CUDROPI_NORM_RESIDUAL)) return;
  cudropi_strip_load(strip, CUDROPI_NORM_RESIDUAL, residual);
  cudropi_add(strip->n, h, residual);
}

static void make_h(const cudropi_strip_t *strip, float *h) {
  const int stored = find_stored(strip->plan);
  sum_branch(strip, h);
  if (stored == CUDROPI_NORM_RESIDUAL) return;
  cudropi_strip_store(strip, stored, h);
  cudropi_strip_load_near(strip, stored, 0.0f, h);
}

static void make_y(const cudropi_strip_t *strip, float mean, float rstd) {
  float h[CUDROPI_STRIP], gamma[CUDROPI_STRIP], beta[CUDROPI_STRIP];
  cudropi_strip_load_near(strip, find_stored(strip->plan), 0.0f, h);
  cudropi_strip_load_near(strip, CUDROPI_NORM_GAMMA, 1.0f, gamma);
  for (int j = 0; j < strip->n; ++j)
    h[j] = cudropi_normalise(h[j], mean, rstd) * gamma[j];
  if (cudropi_has(strip->plan, CUDROPI_NORM_BETA)) {
    cudropi_strip_load_near(strip, CUDROPI_NORM_BETA, 0.0f, beta);
    cudropi_add(strip->n, h, beta);
  }
  cudropi_strip_store(strip, CUDROPI_NORM_Y, h);
}

/* Compute and store h of a row, then find its mean and rstd as norm.h defines them. */
static void find_statistics(const cudropi_rows_job_t *job, int64_t row, float *mean,
                            float *rstd) {
  const cudropi_plan_t *plan = job->plan;
  const bool is_centred = cudropi_norm(plan)->kind == CUDROP_LAYER_NORM;
  const int32_t threads = cudropi_row_threads(plan->cols);
  cudropi_row_total_t sum, squares;
  float values[CUDROPI_STRIP];
  cudropi_begin_total(&sum, threads);
  cudropi_begin_total(&squares, threads);
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
    make_h(&strip, values);
    cudropi_add_to_total(&sum, &strip, values);
  }
  const float total = cudropi_finish_total(&sum);
  const float first = is_centred ? total / (float)plan->cols : 0.0f;
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
    cudropi_strip_load_near(&strip, find_stored(plan), 0.0f, values);
    for (int j = 0; j < strip.n; ++j) values[j] = values[j] - first;
    cudropi_add_to_totals(&sum, &squares, &strip, values);
  }
  const float drift =
      is_centred ? cudropi_drift(cudropi_finish_total(&sum), plan->cols) : 0.0f;
  *mean = first + drift;
  *rstd = cudropi_rstd(cudropi_finish_total(&squares), drift, plan->cols,
                       cudropi_norm(plan)->epsilon);
}

static void do_norm_row(const cudropi_rows_job_t *job, int64_t row) {
  const cudropi_plan_t *plan = job->plan;
  float mean, rstd;
  find_statistics(job, row, &mean, &rstd);
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
    make_y(&strip, mean, rstd);
  }
  write_each(plan, CUDROPI_NORM_MEAN, row, mean);
  write_each(plan, CUDROPI_NORM_RSTD, row, rstd);
}

static void do_norm(const cudropi_rows_job_t *job, int64_t slab) {
  int64_t first = 0, end = 0;
  cudropi_find_slab(job->plan, slab, &first, &end);
  for (int64_t row = first; row < end; ++row) do_norm_row(job, row);
}

/* ---- The gradient ----------------------------------------------------------------- */

/* A strip of the terms that the gradients are computed from. */
typedef struct {
  float dy[CUDROPI_STRIP], g[CUDROPI_STRIP], hhat[CUDROPI_STRIP];
} terms_t;

static void find_terms(const cudropi_strip_t *strip, terms_t *terms) {
  const float mean = read_each(strip->plan, CUDROPI_NORM_GRADIENT_MEAN, strip->row);
  const float rstd = read_each(strip->plan, CUDROPI_NORM_GRADIENT_RSTD, strip->row);
  cudropi_strip_load(strip, CUDROPI_NORM_GRADIENT_DY, terms->dy);
  cudropi_strip_load_near(strip, CUDROPI_NORM_GRADIENT_GAMMA, 1.0f, terms->g);
  cudropi_strip_load(strip, CUDROPI_NORM_GRADIENT_H, terms->hhat);
  for (int j = 0; j < strip->n; ++j) {
    terms->g[j] = terms->dy[j] * terms->g[j];
    terms->hhat[j] = cudropi_normalise(terms->hhat[j], mean, rstd);
  }
}

/* Write mean_g and mean_gh of a row to the workspace. */
static void find_means(const cudropi_rows_job_t *job, int64_t row) {
  const cudropi_plan_t *plan = job->plan;
  const int32_t threads = cudropi_row_threads(plan->cols);
  cudropi_row_total_t g, gh;
  cudropi_begin_total(&g, threads);
  cudropi_begin_total(&gh, threads);
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
    float products[CUDROPI_STRIP];
    terms_t terms;
    find_terms(&strip, &terms);
    for (int j = 0; j < strip.n; ++j) products[j] = terms.g[j] * terms.hhat[j];
    cudropi_add_to_total(&g, &strip, terms.g);
    cudropi_add_to_total(&gh, &strip, products);
  }
  const float total = cudropi_finish_total(&g), cols = (float)plan->cols;
  plan->of_rows[row] =
      cudropi_norm(plan)->kind == CUDROP_LAYER_NORM ? total / cols : 0.0f;
  plan->of_rows[plan->rows + row] = cudropi_finish_total(&gh) / cols;
}

enum { NORM_SUMS = 3 };
static const int norm_sums[NORM_SUMS] = {CUDROPI_NORM_GRADIENT_DBIAS,
                                         CUDROPI_NORM_GRADIENT_DGAMMA,
                                         CUDROPI_NORM_GRADIENT_DBETA};

/* Store the gradients of data, and write to `added` what the row adds to the column sums. */
static void find_gradients(const cudropi_strip_t *strip,
                           float added[NORM_SUMS][CUDROPI_STRIP]) {
  const cudropi_plan_t *plan = strip->plan;
  const float rstd = read_each(plan, CUDROPI_NORM_GRADIENT_RSTD, strip->row);
  const float mean_g = plan->of_rows[strip->row];
  const float mean_gh = plan->of_rows[plan->rows + strip->row];
  float dh[CUDROPI_STRIP];
  terms_t terms;
  find_terms(strip, &terms);
  for (int j = 0; j < strip->n; ++j) {
    added[0][j] = cudropi_norm_slope(terms.g[j], terms.hhat[j], rstd, mean_g, mean_gh);
    added[1][j] = terms.dy[j] * terms.hhat[j];
    added[2][j] = terms.dy[j];
  }
  if (cudropi_has(plan, CUDROPI_NORM_GRADIENT_DH)) {
    cudropi_strip_load(strip, CUDROPI_NORM_GRADIENT_DH, dh);
    cudropi_add(strip->n, added[0], dh);
  }
  memcpy(dh, added[0], (size_t)strip->n * sizeof *dh);
  cudropi_strip_drop(strip, added[0]);
  cudropi_strip_store_gradient(strip, CUDROPI_NORM_GRADIENT_DRESIDUAL, dh);
  cudropi_strip_store_gradient(strip, CUDROPI_NORM_GRADIENT_DX, added[0]);
}

/* Do `width` columns of a slab, from `col` on. Each way of tiling.h sums its own rows. */
static void do_norm_tile(const cudropi_rows_job_t *job, int64_t slab, int64_t col,
                         int width) {
  const cudropi_plan_t *plan = job->plan;
  float sums[NORM_SUMS][CUDROPI_TILE_THREADS * 8], added[NORM_SUMS][CUDROPI_STRIP];
  const int ways = cudropi_count_ways(plan, slab);
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  const int n = cudropi_cut_strip(job, first, col, width).n;
  for (int s = 0; s < NORM_SUMS; ++s)
    if (plan->partial[norm_sums[s]] != NULL)
      memset(sums[s], 0, (size_t)(ways * width) * sizeof *sums[s]);
  for (int64_t row = first; row < end; ++row) {
    const cudropi_strip_t strip = cudropi_cut_tile(job, row, col, width);
    find_gradients(&strip, added);
    for (int s = 0; s < NORM_SUMS; ++s)
      if (plan->partial[norm_sums[s]] != NULL)
        cudropi_add(n, sums[s] + (row - first) % ways * width, added[s]);
  }
  for (int s = 0; s < NORM_SUMS; ++s) {
    float *partial = plan->partial[norm_sums[s]], total[CUDROPI_STRIP] = {0.0f};
    if (partial == NULL) continue;
    for (int way = 0; way < ways; ++way) cudropi_add(n, total, sums[s] + way * width);
    memcpy(partial + slab * plan->cols + col, total, (size_t)n * sizeof *total);
  }
}

static void do_norm_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_plan_t *plan = job->plan;
  const int width = cudropi_tile_width(plan);
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  for (int64_t row = first; row < end; ++row) find_means(job, row);
  for (int64_t col = 0; col < plan->cols; col += width)
    do_norm_tile(job, slab, col, width);
}

CUDROPI_DEFINE_HOST(cudropi_norm_forward, do_norm, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_norm_gradient, do_norm_gradient, NULL, NULL);

#endif /* CUDROP_NORM_HOST_H */
