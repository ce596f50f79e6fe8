/* norm_host.h - bias, dropout, residual and a norm on the host; compiled for each path, like
 * strip.h. */
#ifndef CUDROP_NORM_HOST_H
#define CUDROP_NORM_HOST_H

#include "host/band.h"
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

/* ---- What is read more than once -------------------------------------------------- */

/* A strip of what both passes of the gradient read. */
typedef struct {
  const float *dy, *gamma, *h;
} read_t;

/* Rows of up to CUDROPI_BAND_COLS columns as floats, in the thread's scratch, and where the
 * gradient's first pass found each strip; of wider rows only the strip at hand. */
typedef struct {
  float gamma[CUDROPI_BAND_COLS], beta[CUDROPI_BAND_COLS];
  float h[CUDROPI_BAND_COLS], dy[CUDROPI_BAND_COLS];
  read_t read[CUDROPI_BAND_COLS / CUDROPI_STRIP];
} held_t;

static bool is_wide(const cudropi_plan_t *plan) {
  return plan->cols > CUDROPI_BAND_COLS;
}

/* Where `row`, an array of held_t, has a strip. */
static float *find_held(const cudropi_strip_t *strip, float *row) {
  return is_wide(strip->plan) ? row : row + strip->first;
}

/* The strip of an operand as floats: where it lies if it is F32, else in `row`. It is there already
 * unless `is_first`. */
static const float *look(const cudropi_strip_t *strip, int operand, bool is_first,
                         float absent, float *row) {
  const cudropi_plan_t *plan = strip->plan;
  float *held = find_held(strip, row);
  const bool is_f32 =
      cudropi_has(plan, operand) && plan->operand[operand].dtype == CUDROP_F32;
  if (!is_first && !is_f32 && !is_wide(plan)) return held;
  return cudropi_strip_look_near(strip, operand, absent, held);
}

/* The same of a vector along the rows, which is read anew for each slab. */
static const float *look_vector(const cudropi_strip_t *strip, int operand, float absent,
                                float *row) {
  return look(strip, operand, strip->row % strip->plan->tiling.slab_rows == 0, absent,
              row);
}

/* ---- Forward ---------------------------------------------------------------------- */

/* The operand that holds h. If the call has no output h, y holds h until the result overwrites y;
 * without an x, h is the residual. */
static int find_stored(const cudropi_plan_t *plan) {
  return cudropi_has(plan, CUDROPI_NORM_H)   ? CUDROPI_NORM_H
         : cudropi_has(plan, CUDROPI_NORM_X) ? CUDROPI_NORM_Y
                                             : CUDROPI_NORM_RESIDUAL;
}

/* Make h of a strip and store it. Return h as it is stored. */
static const float *make_h(const cudropi_strip_t *strip, held_t *held) {
  const int stored = find_stored(strip->plan);
  float residual[CUDROPI_STRIP], *h = find_held(strip, held->h);
  if (stored == CUDROPI_NORM_RESIDUAL) return cudropi_strip_look(strip, stored, h);
  if (cudropi_has(strip->plan, CUDROPI_NORM_X)) {
    cudropi_strip_drop(
        strip, cudropi_strip_look_biased(strip, CUDROPI_NORM_X, CUDROPI_NORM_BIAS, h), h);
    if (cudropi_has(strip->plan, CUDROPI_NORM_RESIDUAL))
      cudropi_add(strip->n, h,
                  cudropi_strip_look(strip, CUDROPI_NORM_RESIDUAL, residual));
    cudropi_strip_store(strip, stored, h);
  } else {
    cudropi_strip_store(strip, stored,
                        cudropi_strip_look(strip, CUDROPI_NORM_RESIDUAL, h));
  }
  return look(strip, stored, true, 0.0f, held->h);
}

/* y = (h - mean) * rstd * gamma, and + beta if there is a beta */
static void find_y(int n, const float *h, float mean, float rstd, const float *gamma,
                   const float *beta, float *restrict y) {
  if (beta == NULL) {
    for (int j = 0; j < n; ++j) y[j] = cudropi_normalise(h[j], mean, rstd) * gamma[j];
  } else {
    for (int j = 0; j < n; ++j)
      y[j] = cudropi_normalise(h[j], mean, rstd) * gamma[j] + beta[j];
  }
}

static void make_y(const cudropi_strip_t *strip, held_t *held, float mean, float rstd) {
  const cudropi_plan_t *plan = strip->plan;
  float y[CUDROPI_STRIP];
  const float *h = look(strip, find_stored(plan), false, 0.0f, held->h);
  const float *gamma = look_vector(strip, CUDROPI_NORM_GAMMA, 1.0f, held->gamma);
  const float *beta = NULL;
  if (cudropi_has(plan, CUDROPI_NORM_BETA))
    beta = look_vector(strip, CUDROPI_NORM_BETA, 0.0f, held->beta);
  find_y(strip->n, h, mean, rstd, gamma, beta, y);
  cudropi_strip_store(strip, CUDROPI_NORM_Y, y);
}

/* Compute and store h of a row, then find its mean and rstd as norm.h defines them. */
static void find_statistics(const cudropi_rows_job_t *job, int64_t row, float *mean,
                            float *rstd) {
  const cudropi_plan_t *plan = job->plan;
  const bool is_centred = cudropi_norm(plan)->kind == CUDROP_LAYER_NORM;
  const int32_t threads = cudropi_row_threads(plan->cols);
  cudropi_row_total_t sum, squares;
  float values[CUDROPI_STRIP];
  held_t *held = job->scratch;
  cudropi_begin_total(&sum, threads);
  cudropi_begin_total(&squares, threads);
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
    cudropi_add_to_total(&sum, &strip, make_h(&strip, held));
  }
  const float total = cudropi_finish_total(&sum);
  const float first = is_centred ? total / (float)plan->cols : 0.0f;
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
    const float *h = look(&strip, find_stored(plan), false, 0.0f, held->h);
    for (int j = 0; j < strip.n; ++j) values[j] = h[j] - first;
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
    make_y(&strip, job->scratch, mean, rstd);
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

static read_t read_strip(const cudropi_strip_t *strip) {
  held_t *held = strip->job->scratch;
  const read_t read = {look(strip, CUDROPI_NORM_GRADIENT_DY, true, 0.0f, held->dy),
                       look_vector(strip, CUDROPI_NORM_GRADIENT_GAMMA, 1.0f, held->gamma),
                       look(strip, CUDROPI_NORM_GRADIENT_H, true, 0.0f, held->h)};
  if (!is_wide(strip->plan)) held->read[strip->first / CUDROPI_STRIP] = read;
  return read;
}

/* The same, after the first pass. */
static read_t read_again(const cudropi_strip_t *strip) {
  const held_t *held = strip->job->scratch;
  return is_wide(strip->plan) ? read_strip(strip)
                              : held->read[strip->first / CUDROPI_STRIP];
}

/* g and g * hhat of a strip. */
static void find_products(int n, const read_t *of, float mean, float rstd,
                          float *restrict g, float *restrict gh) {
  const float *restrict dy = of->dy, *restrict gamma = of->gamma, *restrict h = of->h;
  for (int j = 0; j < n; ++j) {
    g[j] = dy[j] * gamma[j];
    gh[j] = g[j] * cudropi_normalise(h[j], mean, rstd);
  }
}

/* Write mean_g and mean_gh of a row to the workspace, given the row's first strip. */
static void find_means(const cudropi_strip_t *first) {
  const cudropi_plan_t *plan = first->plan;
  const int64_t row = first->row;
  const float mean = read_each(plan, CUDROPI_NORM_GRADIENT_MEAN, row);
  const float rstd = read_each(plan, CUDROPI_NORM_GRADIENT_RSTD, row);
  const int32_t threads = cudropi_row_threads(plan->cols);
  cudropi_row_total_t sum_g, sum_gh;
  cudropi_begin_total(&sum_g, threads);
  cudropi_begin_total(&sum_gh, threads);
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    cudropi_strip_t strip = cudropi_cut_strip(first->job, row, col, CUDROPI_STRIP);
    if (strip.next_row != row) strip.next_row = first->row_after;
    float g[CUDROPI_STRIP], gh[CUDROPI_STRIP];
    cudropi_strip_fetch(&strip, CUDROPI_NORM_GRADIENT_DY);
    cudropi_strip_fetch(&strip, CUDROPI_NORM_GRADIENT_H);
    const read_t of = read_strip(&strip);
    find_products(strip.n, &of, mean, rstd, g, gh);
    cudropi_add_to_total(&sum_g, &strip, g);
    cudropi_add_to_total(&sum_gh, &strip, gh);
  }
  const cudropi_norm_t *norm = cudropi_norm(plan);
  plan->of_rows[row] = cudropi_mean_g(norm, cudropi_finish_total(&sum_g));
  plan->of_rows[plan->rows + row] = cudropi_mean_gh(norm, cudropi_finish_total(&sum_gh));
}

enum { DBIAS, DGAMMA, DBETA, NORM_SUMS };
static const int norm_sums[NORM_SUMS] = {CUDROPI_NORM_GRADIENT_DBIAS,
                                         CUDROPI_NORM_GRADIENT_DGAMMA,
                                         CUDROPI_NORM_GRADIENT_DBETA};

/* What the slopes of a row depend on. */
typedef struct {
  float mean, rstd, mean_g, mean_gh;
} of_row_t;

/* The slopes of a strip, without dh, and what the strip adds to dgamma and dbeta. */
static void find_slopes(int n, const read_t *of, const of_row_t *row,
                        float *restrict slope, float *restrict dgamma,
                        float *restrict dbeta) {
  const float *restrict dy = of->dy, *restrict gamma = of->gamma, *restrict h = of->h;
  const of_row_t r = *row;
  for (int j = 0; j < n; ++j) {
    const float hhat = cudropi_normalise(h[j], r.mean, r.rstd);
    slope[j] = cudropi_norm_slope(dy[j] * gamma[j], hhat, r.rstd, r.mean_g, r.mean_gh);
    dgamma[j] = dgamma[j] + dy[j] * hhat;
    dbeta[j] = dbeta[j] + dy[j];
  }
}

/* Store the gradients of data of a strip. Its row's means are found before its first strip. */
static void find_gradients(const cudropi_strip_t *strip, float *const *sums) {
  const cudropi_plan_t *plan = strip->plan;
  if (strip->first == 0) find_means(strip);
  const of_row_t row = {read_each(plan, CUDROPI_NORM_GRADIENT_MEAN, strip->row),
                        read_each(plan, CUDROPI_NORM_GRADIENT_RSTD, strip->row),
                        plan->of_rows[strip->row],
                        plan->of_rows[plan->rows + strip->row]};
  float dresidual[CUDROPI_STRIP], dx[CUDROPI_STRIP], dh[CUDROPI_STRIP];
  const read_t of = read_again(strip);
  find_slopes(strip->n, &of, &row, dresidual, sums[DGAMMA], sums[DBETA]);
  if (cudropi_has(plan, CUDROPI_NORM_GRADIENT_DH)) {
    cudropi_strip_fetch(strip, CUDROPI_NORM_GRADIENT_DH);
    cudropi_add(strip->n, dresidual,
                cudropi_strip_look(strip, CUDROPI_NORM_GRADIENT_DH, dh));
  }
  cudropi_strip_drop(strip, dresidual, dx);
  cudropi_add(strip->n, sums[DBIAS], dx);
  cudropi_strip_store_gradient(strip, CUDROPI_NORM_GRADIENT_DRESIDUAL, dresidual);
  cudropi_strip_store_gradient(strip, CUDROPI_NORM_GRADIENT_DX, dx);
}

static void do_norm_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  cudropi_do_bands(job, slab, find_gradients, NORM_SUMS, norm_sums);
}

CUDROPI_DEFINE_HOST(cudropi_norm_forward, do_norm, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_norm_gradient, do_norm_gradient, NULL, NULL);

#endif /* CUDROP_NORM_HOST_H */
