/* attention_host.h - attention weights on the host; compiled for each path, like strip.h. */
#ifndef CUDROP_ATTENTION_HOST_H
#define CUDROP_ATTENTION_HOST_H

#include <math.h>

#include "host/maps.h"
#include "host/row_total.h"
#include "ops/attention/attention.h"

/* Rows up to this length are kept; longer ones are computed again in each pass. */
enum { HELD = 4096 };

/* A row, and the keys [begin, end) that it sees, in strips from column `first` on. */
typedef struct {
  const cudropi_rows_job_t *job;
  const cudropi_plan_t *plan;
  int64_t row, begin, end, first;
  bool is_held;
} row_t;

typedef void row_function_t(const row_t *row);

static void do_slab(const cudropi_rows_job_t *job, int64_t slab,
                    row_function_t *function) {
  const cudropi_plan_t *plan = job->plan;
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  for (int64_t r = first; r < end; ++r) {
    const cudropi_seen_t seen = cudropi_find_seen(&cudropi_attention(plan)->visible, r);
    const int64_t strip = seen.begin / CUDROPI_STRIP * CUDROPI_STRIP;
    const row_t row = {job, plan, r, seen.begin, seen.end, strip, plan->cols <= HELD};
    function(&row);
  }
}

/* The strip of a row that begins at column `first` and does not pass `end`. No prefetch: the next
 * strip is often masked. */
static cudropi_strip_t cut_strip(const row_t *row, int64_t first, int64_t end) {
  cudropi_strip_t strip = cudropi_cut_strip(row->job, row->row, first, CUDROPI_STRIP);
  strip.is_fetched = false;
  if (strip.n < end - first) return strip;
  strip.n = (int)(end - first);
  strip.next_row = row->row + 1;
  strip.next_first = 0;
  return strip;
}

/* How many columns of a strip are before the first key that the row sees. */
static int count_hidden(const row_t *row, const cudropi_strip_t *strip) {
  const int64_t hidden = row->begin - strip->first;
  return hidden < 0 ? 0 : hidden < strip->n ? (int)hidden : strip->n;
}

static void hide(const row_t *row, const cudropi_strip_t *strip, float value,
                 float *values) {
  const int hidden = count_hidden(row, strip);
  for (int j = 0; j < hidden; ++j) values[j] = value;
}

/* Store what the row sees of a strip. */
static void store_seen(const row_t *row, const cudropi_strip_t *strip, int operand,
                       const float *values) {
  const int hidden = count_hidden(row, strip);
  cudropi_strip_t seen = *strip;
  seen.first += hidden;
  seen.n -= hidden;
  if (seen.n > 0) cudropi_strip_store(&seen, operand, values + hidden);
}

static void clear(const row_t *row, int operand, int64_t first, int64_t end) {
  static const float zeros[CUDROPI_STRIP];
  for (int64_t col = first; col < end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, end);
    cudropi_strip_store(&strip, operand, zeros);
  }
}

/* Store +0 for the keys that the row does not see. */
static void clear_unseen(const row_t *row, int operand) {
  clear(row, operand, 0, row->begin);
  clear(row, operand, row->end, row->plan->cols);
}

/* ---- Forward ---------------------------------------------------------------------- */

/* z = scale * scores, and -infinity before the first key that is seen */
static void load_scores(const row_t *row, const cudropi_strip_t *strip, float *z) {
  cudropi_strip_load(strip, CUDROPI_ATTENTION_SCORES, z);
  for (int j = 0; j < strip->n; ++j)
    z[j] = z[j] * cudropi_attention(strip->plan)->scores_scale;
  hide(row, strip, -INFINITY, z);
}

/* z = 2^64 e^(z - reference). Not inlined: the constants of e^x need the registers. */
CUDROPI_ONCE void exponentiate(int n, float reference, float *z) {
  for (int j = 0; j < n; ++j) z[j] = z[j] - reference;
  map_lifted_exp(n, z, z);
}

/* The same for weights of 16 bits. */
CUDROPI_ONCE void exponentiate_narrow(int n, float reference, float *z) {
  for (int j = 0; j < n; ++j) z[j] = z[j] - reference;
  map_narrow_exp(n, z, z);
}

static void exponentiate_strip(const cudropi_strip_t *strip, float reference, float *z) {
  if (strip->plan->branch == CUDROP_F32) {
    exponentiate(strip->n, reference, z);
  } else {
    exponentiate_narrow(strip->n, reference, z);
  }
}

/* Round values to the type in which they are stored. */
static void round_values(const cudropi_strip_t *strip, float *values) {
  const cudrop_dtype_t dtype = strip->plan->operand[CUDROPI_ATTENTION_SCORES].dtype;
  float stored[CUDROPI_STRIP]; /* or narrower elements */
  cudropi_write(dtype, strip->n, stored, values);
  cudropi_read(dtype, strip->n, stored, values);
}

/* The largest scaled score of the row; NaN is ignored. A held row leaves all scores in `held`. */
static float find_most(const row_t *row, float *held) {
  float most = -INFINITY;
  for (int64_t col = row->first; col < row->end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->end);
    float *z = row->is_held ? held + col : held;
    load_scores(row, &strip, z);
    for (int j = 0; j < strip.n; ++j) most = z[j] > most ? z[j] : most;
  }
  return most;
}

static float sum_powers(const row_t *row, float reference, float *held) {
  cudropi_row_total_t total = {.threads = cudropi_row_threads(row->plan->cols)};
  for (int64_t col = row->first; col < row->end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->end);
    float *z = row->is_held ? held + col : held;
    if (!row->is_held) load_scores(row, &strip, z);
    exponentiate_strip(&strip, reference, z);
    cudropi_add_to_total(&total, &strip, z);
  }
  return cudropi_finish_total(&total);
}

static void do_attention_row(const row_t *row) {
  const cudropi_plan_t *plan = row->plan;
  float held[HELD];
  const float most = find_most(row, held);
  const float reference = most == -INFINITY ? 0.0f : most;
  const float total = sum_powers(row, reference, held);
  const float inverse = cudropi_attention_inverse(most, total);
  const bool has_weights = cudropi_has(plan, CUDROPI_ATTENTION_WEIGHTS);
  const bool has_y = cudropi_has(plan, CUDROPI_ATTENTION_Y);
  for (int64_t col = row->first; col < row->end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->end);
    float *z = row->is_held ? held + col : held;
    if (!row->is_held) {
      load_scores(row, &strip, z);
      exponentiate_strip(&strip, reference, z);
    }
    for (int j = 0; j < strip.n; ++j) z[j] = z[j] * inverse;
    round_values(&strip, z);
    if (has_weights) store_seen(row, &strip, CUDROPI_ATTENTION_WEIGHTS, z);
    if (!has_y) continue;
    cudropi_strip_drop(&strip, z, z);
    store_seen(row, &strip, CUDROPI_ATTENTION_Y, z);
  }
  if (has_y) clear_unseen(row, CUDROPI_ATTENTION_Y);
}

static void do_attention(const cudropi_rows_job_t *job, int64_t slab) {
  do_slab(job, slab, do_attention_row);
}

/* ---- Reapply ---------------------------------------------------------------------- */

static void reapply_row(const row_t *row) {
  for (int64_t col = row->first; col < row->end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->end);
    float values[CUDROPI_STRIP];
    cudropi_strip_drop(
        &strip, cudropi_strip_look(&strip, CUDROPI_REAPPLY_WEIGHTS, values), values);
    store_seen(row, &strip, CUDROPI_REAPPLY_Y, values);
  }
  clear_unseen(row, CUDROPI_REAPPLY_Y);
}

static void do_attention_reapply(const cudropi_rows_job_t *job, int64_t slab) {
  do_slab(job, slab, reapply_row);
}

/* ---- The gradient ----------------------------------------------------------------- */

/* Load dP to `gradient` and P to `weights`. */
static void load_gradient(const row_t *row, const cudropi_strip_t *strip, float *gradient,
                          float *weights) {
  const float *dy = cudropi_strip_look(strip, CUDROPI_ATTENTION_GRADIENT_DY, gradient);
  cudropi_strip_load(strip, CUDROPI_ATTENTION_GRADIENT_WEIGHTS, weights);
  cudropi_strip_drop(strip, dy, gradient);
  hide(row, strip, 0.0f, gradient);
  hide(row, strip, 0.0f, weights);
}

/* The sum of dP * P over the row. A held row leaves dP and P in `gradient` and `weights`. */
static float sum_products(const row_t *row, float *gradient, float *weights) {
  cudropi_row_total_t total = {.threads = cudropi_row_threads(row->plan->cols)};
  float products[CUDROPI_STRIP];
  for (int64_t col = row->first; col < row->end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->end);
    const int64_t at = row->is_held ? col : 0;
    load_gradient(row, &strip, gradient + at, weights + at);
    for (int j = 0; j < strip.n; ++j) products[j] = gradient[at + j] * weights[at + j];
    cudropi_add_to_total(&total, &strip, products);
  }
  return cudropi_finish_total(&total);
}

static void do_row_gradient(const row_t *row) {
  const float scale = cudropi_attention(row->plan)->scores_scale;
  float gradient[HELD], weights[HELD];
  const float sum = sum_products(row, gradient, weights);
  for (int64_t col = row->first; col < row->end; col += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cut_strip(row, col, row->end);
    float *dp = gradient + (row->is_held ? col : 0);
    const float *p = weights + (row->is_held ? col : 0);
    if (!row->is_held) load_gradient(row, &strip, gradient, weights);
    for (int j = 0; j < strip.n; ++j) dp[j] = scale * (p[j] * (dp[j] - sum));
    store_seen(row, &strip, CUDROPI_ATTENTION_GRADIENT_DSCORES, dp);
  }
  clear_unseen(row, CUDROPI_ATTENTION_GRADIENT_DSCORES);
}

static void do_attention_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  do_slab(job, slab, do_row_gradient);
}

CUDROPI_DEFINE_HOST(cudropi_attention_forward, do_attention, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_attention_reapply, do_attention_reapply, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_attention_gradient, do_attention_gradient, NULL, NULL);

#endif /* CUDROP_ATTENTION_HOST_H */
