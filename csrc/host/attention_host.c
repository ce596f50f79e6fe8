/* attention_host.c - attention weights, on the host. */
#include <math.h>

#include "row_sum.h"
#include "rows_host.h"

/* Keys of a row that are worked out once; those of a longer one are, in every pass over it. */
enum { HELD = 4096 };

/* A row and the keys that it sees. */
typedef struct {
  const cudropi_rows_job_t *job;
  const cudropi_rows_t *rows;
  int64_t row, seen;
  bool is_held;
} row_t;

typedef void row_function_t(const row_t *row);

static void do_slab(const cudropi_rows_job_t *job, int64_t slab,
                    row_function_t *function) {
  const cudropi_rows_t *rows = job->rows;
  const int64_t first = slab * rows->tiling.slab_rows;
  for (int64_t r = first; r < rows->rows && r < first + rows->tiling.slab_rows; ++r) {
    const row_t row = {job, rows, r, cudropi_count_visible(&rows->visible, r),
                       rows->cols <= HELD};
    function(&row);
  }
}

/* The strip of a row from column `first` on, before column `end`. */
static cudropi_strip_t cut_strip(const row_t *row, int64_t first, int64_t end) {
  const int64_t left = end - first;
  return (cudropi_strip_t){row->job, row->rows, row->row, first,
                           left < CUDROPI_STRIP ? (int)left : CUDROPI_STRIP};
}

/* +0 where the row does not see. */
static void clear_unseen(const row_t *row, cudropi_rows_operand_t operand) {
  static const float zeros[CUDROPI_STRIP];
  for (int64_t col = row->seen; col < row->rows->cols; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->rows->cols);
    cudropi_strip_store(&strip, operand, zeros);
  }
}

/* Add a strip's values to what the threads of the row have, as row_sum.h deals them. */
static void add_strip(const cudropi_strip_t *strip, int32_t threads, const float *values,
                      float *partial) {
  for (int j = 0; j < strip->n; ++j) {
    float *sum = &partial[(strip->first + j) / 8 % threads];
    *sum = *sum + values[j];
  }
}

/* ---- Forward ---------------------------------------------------------------------- */

/* scale * s */
static void load_scores(const cudropi_strip_t *strip, float *z) {
  cudropi_strip_load(strip, CUDROPI_ROWS_X, 0.0f, z);
  for (int j = 0; j < strip->n; ++j) z[j] = z[j] * strip->rows->scores_scale;
}

/* e^(z - reference) */
static void exponentiate(const row_t *row, int n, float reference, float *z) {
  for (int j = 0; j < n; ++j) z[j] = z[j] - reference;
  row->job->loops->exp_to_zero(n, z, z);
}

/* As they are stored. */
static void round_values(const cudropi_strip_t *strip, float *values) {
  const cudrop_dtype_t dtype = strip->rows->operand[CUDROPI_ROWS_X].dtype;
  float stored[CUDROPI_STRIP]; /* or narrower ones */
  cudropi_strip_write(strip, dtype, stored, values);
  cudropi_strip_read(strip, dtype, stored, values);
}

/* The largest value of the row; NaN is ignored. */
static float find_most(const row_t *row, float *held) {
  float most = -INFINITY;
  for (int64_t col = 0; col < row->seen; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->seen);
    float *z = row->is_held ? held + col : held;
    load_scores(&strip, z);
    for (int j = 0; j < strip.n; ++j) most = z[j] > most ? z[j] : most;
  }
  return most;
}

static float sum_powers(const row_t *row, float reference, float *held) {
  const int32_t threads = cudropi_row_threads(row->rows->cols);
  float partial[CUDROPI_ROW_MOST_THREADS] = {0.0f};
  for (int64_t col = 0; col < row->seen; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->seen);
    float *z = row->is_held ? held + col : held;
    if (!row->is_held) load_scores(&strip, z);
    exponentiate(row, strip.n, reference, z);
    add_strip(&strip, threads, z, partial);
  }
  return cudropi_row_fold(threads, partial);
}

static void do_row(const row_t *row) {
  const cudropi_rows_t *rows = row->rows;
  float held[HELD];
  const float most = find_most(row, held);
  const float reference = most == -INFINITY ? 0.0f : most;
  const float total = sum_powers(row, reference, held);
  const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
  const bool has_weights = cudropi_rows_has(rows, CUDROPI_ROWS_WEIGHTS);
  const bool has_y = cudropi_rows_has(rows, CUDROPI_ROWS_Y);
  for (int64_t col = 0; col < row->seen; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->seen);
    float *z = row->is_held ? held + col : held;
    if (!row->is_held) {
      load_scores(&strip, z);
      exponentiate(row, strip.n, reference, z);
    }
    for (int j = 0; j < strip.n; ++j) z[j] = z[j] * inverse;
    round_values(&strip, z);
    if (has_weights) cudropi_strip_store(&strip, CUDROPI_ROWS_WEIGHTS, z);
    if (!has_y) continue;
    cudropi_strip_drop(&strip, z);
    cudropi_strip_store(&strip, CUDROPI_ROWS_Y, z);
  }
  if (has_y) clear_unseen(row, CUDROPI_ROWS_Y);
}

void cudropi_host_attention(const cudropi_rows_job_t *job, int64_t slab) {
  do_slab(job, slab, do_row);
}

/* ---- Reapply ---------------------------------------------------------------------- */

static void reapply_row(const row_t *row) {
  for (int64_t col = 0; col < row->seen; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->seen);
    float values[CUDROPI_STRIP];
    cudropi_strip_load(&strip, CUDROPI_ROWS_WEIGHTS, 0.0f, values);
    cudropi_strip_drop(&strip, values);
    cudropi_strip_store(&strip, CUDROPI_ROWS_Y, values);
  }
  clear_unseen(row, CUDROPI_ROWS_Y);
}

void cudropi_host_attention_reapply(const cudropi_rows_job_t *job, int64_t slab) {
  do_slab(job, slab, reapply_row);
}

/* ---- The gradient ----------------------------------------------------------------- */

/* dP, and P */
static void load_gradient(const cudropi_strip_t *strip, float *gradient, float *weights) {
  cudropi_strip_load(strip, CUDROPI_ROWS_DY, 0.0f, gradient);
  cudropi_strip_load(strip, CUDROPI_ROWS_WEIGHTS, 0.0f, weights);
  cudropi_strip_drop(strip, gradient);
}

/* The sum of dP * P. */
static float sum_products(const row_t *row, float *gradient, float *weights) {
  const int32_t threads = cudropi_row_threads(row->rows->cols);
  float partial[CUDROPI_ROW_MOST_THREADS] = {0.0f}, products[CUDROPI_STRIP];
  for (int64_t col = 0; col < row->seen; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->seen);
    const int64_t at = row->is_held ? col : 0;
    load_gradient(&strip, gradient + at, weights + at);
    for (int j = 0; j < strip.n; ++j) products[j] = gradient[at + j] * weights[at + j];
    add_strip(&strip, threads, products, partial);
  }
  return cudropi_row_fold(threads, partial);
}

static void do_row_gradient(const row_t *row) {
  const float scale = row->rows->scores_scale;
  float gradient[HELD], weights[HELD];
  const float sum = sum_products(row, gradient, weights);
  for (int64_t col = 0; col < row->seen; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->seen);
    float *dp = gradient + (row->is_held ? col : 0);
    const float *p = weights + (row->is_held ? col : 0);
    if (!row->is_held) load_gradient(&strip, gradient, weights);
    for (int j = 0; j < strip.n; ++j) dp[j] = scale * (p[j] * (dp[j] - sum));
    cudropi_strip_store(&strip, CUDROPI_ROWS_DX, dp);
  }
  clear_unseen(row, CUDROPI_ROWS_DX);
}

void cudropi_host_attention_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  do_slab(job, slab, do_row_gradient);
}
