/*
 * attend_host.h - attention without a matrix of weights on the host; compiled for each path, like
 * strip.h.
 *
 * Scores are made in tiles of 96 queries and 128 keys. A tile's weights are multiplied by V, or in
 * the gradient by what it needs, and forgotten. Queries and keys are cut at multiples of these
 * numbers from a head's first ones, whatever the slabs and threads are.
 */
#ifndef CUDROP_ATTEND_HOST_H
#define CUDROP_ATTEND_HOST_H

#include "host/product.h"
#include "ops/attend/attend.h"
#include "ops/attention/attention_host.h"

enum {
  TILE_QUERIES = 96,
  TILE_KEYS = 128,
  TILE_DOWN = TILE_KEYS + 16, /* from row to row of a tile: not a power of 2 */
  MOST_WIDTH = CUDROPI_ATTEND_MOST_COLS
};
_Static_assert(CUDROPI_ATTEND_RANGE % TILE_QUERIES == 0, "a range has whole tiles");

/* What is the same for all rows. */
typedef struct {
  const cudropi_rows_job_t *job;
  const cudropi_plan_t *plan;
  const cudropi_attend_t *options;
  int cols, width; /* D, and the columns of its matrices, which are +0 from D on */
  float scale;     /* of the scores */
} attend_t;

static attend_t begin_attend(const cudropi_rows_job_t *job) {
  const cudropi_plan_t *plan = job->plan;
  return (attend_t){job,
                    plan,
                    cudropi_attend(plan),
                    (int)plan->cols,
                    (int)cudropi_attend_width(plan->cols),
                    cudropi_attention(plan)->scores_scale};
}

/* ---- Rows of tensors -------------------------------------------------------------- */

static char *locate_key(const attend_t *of, int operand, int64_t row, int64_t key) {
  return cudropi_locate(of->plan, operand, row, key * of->options->key_stride[operand]);
}

/* Load a row of D elements times `scale`, and +0 behind it. */
static void load_row(const attend_t *of, int operand, const char *from, float scale,
                     float *values) {
  cudropi_read(of->plan->operand[operand].dtype, of->cols, from, values);
  for (int j = 0; j < of->cols; ++j) values[j] = values[j] * scale;
  for (int j = of->cols; j < of->width; ++j) values[j] = 0.0f;
}

/* Store a row of D elements times `scale`, or add it to the old one. No product is -0. */
static void store_row(const attend_t *of, int operand, char *to, float scale,
                      const float *values) {
  const cudrop_dtype_t dtype = of->plan->operand[operand].dtype;
  float made[MOST_WIDTH], old[MOST_WIDTH];
  for (int j = 0; j < of->cols; ++j) made[j] = fmaf(values[j], scale, 0.0f);
  if (of->plan->adds_to_data) {
    cudropi_read(dtype, of->cols, to, old);
    cudropi_add(of->cols, made, old);
  }
  cudropi_write(dtype, of->cols, to, made);
}

/* Load `n` rows times `scale`, one below the other. */
static void load_rows(const attend_t *of, int operand, int64_t row, int n, float scale,
                      float *values) {
  for (int r = 0; r < n; ++r)
    load_row(of, operand, cudropi_locate(of->plan, operand, row + r, 0), scale,
             values + r * of->width);
}

/* The factors of a product with [keys, D], in panels. */
static void pack_keys(const attend_t *of, int operand, int64_t row, int64_t first, int n,
                      float *panels) {
  float values[MOST_WIDTH];
  for (int key = 0; key < n; ++key) {
    load_row(of, operand, locate_key(of, operand, row, first + key), 1.0f, values);
    cudropi_pack_row(values, key, of->width, TILE_KEYS, panels);
  }
}

/* The factors of a product with [D, keys], in panels; +0 for keys from n on. */
static void pack_keys_across(const attend_t *of, int operand, int64_t row, int64_t first,
                             int n, float *panels) {
  float values[MOST_WIDTH];
  for (int key = 0; key < TILE_KEYS; ++key) {
    if (key < n)
      load_row(of, operand, locate_key(of, operand, row, first + key), 1.0f, values);
    if (key == n) memset(values, 0, sizeof values);
    cudropi_pack_col(values, key, of->cols, of->width, panels);
  }
}

/* ---- Tiles ------------------------------------------------------------------------ */

/* The first key of a tile, and rows [row, row + rows) of it. */
typedef struct {
  int64_t row, key;
  int rows;
  const int64_t *seen; /* how many keys each row sees */
} tile_t;

/* How many of `left` keys are in one tile. */
static int count_keys(int64_t left) {
  return left <= 0 ? 0 : left < TILE_KEYS ? (int)left : TILE_KEYS;
}

/* How many keys of a tile its row r sees. */
static int count_seen(const tile_t *tile, int r) {
  return count_keys(tile->seen[r] - tile->key);
}

/* The most keys of a tile that one of its rows sees. */
static int count_tile_keys(const tile_t *tile) {
  int most = 0;
  for (int r = 0; r < tile->rows; ++r) {
    const int seen = count_seen(tile, r);
    most = seen > most ? seen : most;
  }
  return most;
}

/* Write how many keys each of `n` rows sees; returns the largest. */
static int64_t find_seen(const attend_t *of, int64_t row, int n, int64_t *seen) {
  int64_t most = 0;
  for (int r = 0; r < n; ++r) {
    seen[r] = cudropi_count_visible(&of->options->attention.visible, row + r);
    most = seen[r] > most ? seen[r] : most;
  }
  return most;
}

/* tile = Q K^T: `left` has the rows of Q, `across` the keys. */
static void multiply_keys(const attend_t *of, const tile_t *tile, const float *left,
                          const float *across, float *made) {
  cudropi_multiply(tile->rows, TILE_KEYS, of->cols,
                   (cudropi_matrix_t){left, of->width, 1}, across, of->width, made,
                   TILE_DOWN, false);
}

/* Is anything drawn? Else all is kept, or all is dropped. */
static bool is_drawn(const attend_t *of) {
  const cudropi_source_t source = of->plan->draw.source;
  return source == CUDROPI_FROM_PHILOX || source == CUDROPI_FROM_OPERAND;
}

/* The keys of row r of a tile that it sees, as a strip. */
static cudropi_strip_t cut_tile_row(const attend_t *of, const tile_t *tile, int r) {
  const int64_t row = tile->row + r;
  return (cudropi_strip_t){.job = of->job,
                           .plan = of->plan,
                           .row = row,
                           .first = tile->key,
                           .n = count_seen(tile, r),
                           .next_row = row + 1,
                           .next_first = tile->key};
}

/* The keep bytes of a tile: of all its keys at once where each row begins a group of the mask, else
 * of those that a row sees. */
static void keep_tile(const attend_t *of, const tile_t *tile, uint8_t *kept) {
  const cudropi_strip_t first = cut_tile_row(of, tile, 0);
  const uint64_t index = cudropi_strip_index(&first, tile->row, tile->key);
  const uint64_t step =
      tile->rows < 2 ? 0 : cudropi_strip_index(&first, tile->row + 1, tile->key) - index;
  if (of->plan->draw.source == CUDROPI_FROM_PHILOX && of->job->draw != NULL &&
      index % CUDROP_MASK_LANES == 0 && step % CUDROP_MASK_LANES == 0) {
    const cudropi_lines_t lines = {index / CUDROP_MASK_LANES, step / CUDROP_MASK_LANES,
                                   tile->rows, TILE_KEYS};
    of->job->draw(&of->plan->draw.schedule, &lines, kept);
    return;
  }
  for (int r = 0; r < tile->rows; ++r) {
    const cudropi_strip_t strip = cut_tile_row(of, tile, r);
    if (strip.n > 0) cudropi_strip_keep(&strip, kept + r * TILE_KEYS);
  }
}

enum { SUMS = 16 }; /* lanes of a sum or a maximum along a row of a tile */

/* The largest of `most` and a row of a tile; NaN is ignored. */
static float find_tile_most(const float *values, float most) {
  float lane[SUMS];
  for (int k = 0; k < SUMS; ++k) lane[k] = most;
  for (int j = 0; j < TILE_KEYS; j += SUMS)
    for (int k = 0; k < SUMS; ++k)
      lane[k] = values[j + k] > lane[k] ? values[j + k] : lane[k];
  for (int k = 0; k < SUMS; ++k) most = lane[k] > most ? lane[k] : most;
  return most;
}

/* The sum of a row of a tile, in the same order on every path. */
static float sum_tile_row(const float *values) {
  float sum[SUMS] = {0.0f};
  for (int j = 0; j < TILE_KEYS; j += SUMS)
    for (int k = 0; k < SUMS; ++k) sum[k] = sum[k] + values[j + k];
  for (int half = SUMS / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sum[k] = sum[k] + sum[k + half];
  return sum[0];
}

static void fill_behind(float *values, int n, float value) {
  for (int j = n; j < TILE_KEYS; ++j) values[j] = value;
}

/* ---- Forward ---------------------------------------------------------------------- */

/* What a thread of forward keeps: the queries of a slab, and a tile with its keys. */
typedef struct {
  float q[CUDROPI_ATTEND_FLOATS], o[CUDROPI_ATTEND_FLOATS];
  float k_across[TILE_KEYS * MOST_WIDTH], v[TILE_KEYS * MOST_WIDTH];
  float tile[TILE_QUERIES * TILE_DOWN];
  uint8_t kept[TILE_QUERIES * TILE_KEYS];
  float most[CUDROPI_ATTEND_RANGE], sum[CUDROPI_ATTEND_RANGE];
  int64_t seen[CUDROPI_ATTEND_RANGE];
} forward_t;
_Static_assert(sizeof(forward_t) <= CUDROPI_SCRATCH_BYTES, "forward_t does not fit");

/* Make weights e^(score - most) of row r of a tile, before they are divided by their sum; drop some
 * of them. o, the sum and the weights before get a factor if `most` grows. */
static void weigh_row(const attend_t *of, forward_t *held, const tile_t *tile, int r,
                      int at) {
  float *values = held->tile + r * TILE_DOWN, *o = held->o + at * of->width;
  const int n = count_seen(tile, r);
  const float before = held->most[at];
  fill_behind(values, n, -INFINITY); /* whose weight is +0 */
  const float most = find_tile_most(values, before);
  const float reference = most == -INFINITY ? 0.0f : most;
  exponentiate(TILE_KEYS, reference, values);
  const float factor = cudropi_exp_to_zero(before - reference);
  held->most[at] = most;
  held->sum[at] = held->sum[at] * factor + sum_tile_row(values);
  if (factor != 1.0f)
    for (int j = 0; j < of->width; ++j) o[j] = o[j] * factor;
  if (is_drawn(of)) cudropi_select(n, values, held->kept + r * TILE_KEYS);
}

/* Add what queries [at, at + rows) of the slab see of a tile's keys. */
static void attend_tile(const attend_t *of, forward_t *held, const tile_t *tile, int at) {
  const int keys = count_tile_keys(tile);
  if (keys == 0) return;
  multiply_keys(of, tile, held->q + at * of->width, held->k_across, held->tile);
  if (is_drawn(of)) keep_tile(of, tile, held->kept);
  for (int r = 0; r < tile->rows; ++r) weigh_row(of, held, tile, r, at + r);
  if (of->plan->draw.source == CUDROPI_ALL_DROPPED) return;
  cudropi_multiply(tile->rows, of->width, keys,
                   (cudropi_matrix_t){held->tile, TILE_DOWN, 1}, held->v, TILE_KEYS,
                   held->o + at * of->width, of->width, true);
}

static void store_outputs(const attend_t *of, forward_t *held, int64_t row, int n) {
  const cudropi_plan_t *plan = of->plan;
  for (int r = 0; r < n; ++r) {
    const float sum = held->sum[r];
    const bool is_zero = sum == 0.0f || plan->draw.source == CUDROPI_ALL_DROPPED;
    const float factor = is_zero ? 0.0f : plan->draw.schedule.scale / sum;
    float *o = held->o + r * of->width;
    if (is_zero) memset(o, 0, (size_t)of->width * sizeof *o); /* there may be a NaN */
    store_row(of, CUDROPI_ATTEND_O, cudropi_locate(plan, CUDROPI_ATTEND_O, row + r, 0),
              factor, o);
    if (!cudropi_has(plan, CUDROPI_ATTEND_LSE)) continue;
    const float lse = (float)((double)held->most[r] + log((double)sum));
    memcpy(cudropi_locate(plan, CUDROPI_ATTEND_LSE, row + r, 0), &lse, sizeof lse);
  }
}

/* A slab of forward is a range of the queries of one head. */
static void do_attend(const cudropi_rows_job_t *job, int64_t slab) {
  const attend_t of = begin_attend(job);
  forward_t *held = job->scratch;
  const int64_t queries = of.options->attention.visible.queries;
  const int64_t range = cudropi_attend_range(of.plan->cols),
                ranges = (queries + range - 1) / range;
  const int64_t from = slab % ranges * range, left = queries - from;
  const int64_t row = slab / ranges * queries + from;
  const int n = (int)(left < range ? left : range);
  const int64_t seen = find_seen(&of, row, n, held->seen);
  load_rows(&of, CUDROPI_ATTEND_Q, row, n, of.scale, held->q);
  memset(held->o, 0, (size_t)(n * of.width) * sizeof *held->o);
  for (int r = 0; r < n; ++r) {
    held->most[r] = -INFINITY;
    held->sum[r] = 0.0f;
  }
  for (int64_t key = 0; key < seen; key += TILE_KEYS) {
    const int keys = count_keys(seen - key);
    pack_keys_across(&of, CUDROPI_ATTEND_K, row, key, keys, held->k_across);
    pack_keys(&of, CUDROPI_ATTEND_V, row, key, keys, held->v);
    for (int at = 0; at < n; at += TILE_QUERIES) {
      const tile_t tile = {row + at, key, n - at < TILE_QUERIES ? n - at : TILE_QUERIES,
                           held->seen + at};
      attend_tile(&of, held, &tile, at);
    }
  }
  store_outputs(&of, held, row, n);
}

/* ---- The gradient ----------------------------------------------------------------- */

/* What a thread of the gradient keeps: the keys of a tile, its queries, and the tile. */
typedef struct {
  float k_across[TILE_KEYS * MOST_WIDTH], v_across[TILE_KEYS * MOST_WIDTH];
  float k[TILE_KEYS * MOST_WIDTH];
  float dk[TILE_KEYS * MOST_WIDTH], dv[TILE_KEYS * MOST_WIDTH];
  float q[TILE_QUERIES * MOST_WIDTH], dout[TILE_QUERIES * MOST_WIDTH];
  float q_panels[TILE_QUERIES * MOST_WIDTH], dout_panels[TILE_QUERIES * MOST_WIDTH];
  float weights[TILE_QUERIES * TILE_DOWN], dscores[TILE_QUERIES * TILE_DOWN];
  uint8_t kept[TILE_QUERIES * TILE_KEYS];
  int64_t seen[TILE_QUERIES];
} gradient_t;
_Static_assert(sizeof(gradient_t) <= CUDROPI_SCRATCH_BYTES, "gradient_t does not fit");

/* In the workspace: the sum of dO * O of each row, and the gradients of q in float. */
static float *find_delta(const attend_t *of, int64_t row) {
  return of->plan->of_rows + row;
}

static float *find_dq(const attend_t *of, int64_t row) {
  return of->plan->of_rows + of->plan->rows + row * of->width;
}

static void begin_rows(const attend_t *of, int64_t row, int64_t n) {
  float o[MOST_WIDTH], dout[MOST_WIDTH];
  const cudropi_plan_t *plan = of->plan;
  memset(find_dq(of, row), 0, (size_t)(n * of->width) * sizeof *o);
  for (int64_t r = row; r < row + n; ++r) {
    cudropi_row_total_t total = {.threads = cudropi_row_threads(plan->cols)};
    const cudropi_strip_t strip = cudropi_cut_strip(of->job, r, 0, CUDROPI_STRIP);
    load_row(of, CUDROPI_ATTEND_O, cudropi_locate(plan, CUDROPI_ATTEND_O, r, 0), 1.0f, o);
    load_row(of, CUDROPI_ATTEND_DOUT, cudropi_locate(plan, CUDROPI_ATTEND_DOUT, r, 0),
             1.0f, dout);
    for (int j = 0; j < of->cols; ++j) o[j] = o[j] * dout[j];
    cudropi_add_to_total(&total, &strip, o);
    *find_delta(of, r) = cudropi_finish_total(&total);
  }
}

/* Of row r of a tile: from scores, make drop(P); from dO V^T, make dS / scale. */
static void differentiate_row(const attend_t *of, gradient_t *held, const tile_t *tile,
                              int r) {
  float *p = held->weights + r * TILE_DOWN, *ds = held->dscores + r * TILE_DOWN;
  const int n = count_seen(tile, r);
  const float scale = of->plan->draw.schedule.scale;
  const float delta = *find_delta(of, tile->row + r);
  const uint8_t *kept = held->kept + r * TILE_KEYS;
  float lse;
  memcpy(&lse, cudropi_locate(of->plan, CUDROPI_ATTEND_LSE, tile->row + r, 0),
         sizeof lse);
  fill_behind(p, n, -INFINITY); /* whose weight is +0 */
  exponentiate(TILE_KEYS, lse == -INFINITY ? INFINITY : lse, p);
  cudropi_scale(n, ds, scale);
  cudropi_select(n, ds, kept);
  for (int j = 0; j < n; ++j) ds[j] = p[j] * (ds[j] - delta);
  cudropi_scale(n, p, scale);
  cudropi_select(n, p, kept);
  fill_behind(p, n, 0.0f);
  fill_behind(ds, n, 0.0f);
}

static void load_queries(const attend_t *of, gradient_t *held, const tile_t *tile) {
  load_rows(of, CUDROPI_ATTEND_Q, tile->row, tile->rows, of->scale, held->q);
  load_rows(of, CUDROPI_ATTEND_DOUT, tile->row, tile->rows, 1.0f, held->dout);
  for (int r = 0; r < tile->rows; ++r) {
    cudropi_pack_row(held->q + r * of->width, r, of->width, TILE_QUERIES, held->q_panels);
    cudropi_pack_row(held->dout + r * of->width, r, of->width, TILE_QUERIES,
                     held->dout_panels);
  }
}

/* Add a tile's part of dq, dk and dv. */
static void differentiate_tile(const attend_t *of, gradient_t *held, const tile_t *tile) {
  const int keys = count_tile_keys(tile), width = of->width;
  const cudropi_matrix_t weights_across = {held->weights, 1, TILE_DOWN};
  const cudropi_matrix_t dscores_across = {held->dscores, 1, TILE_DOWN};
  if (keys == 0) return;
  load_queries(of, held, tile);
  multiply_keys(of, tile, held->q, held->k_across, held->weights);
  multiply_keys(of, tile, held->dout, held->v_across, held->dscores);
  if (is_drawn(of)) {
    keep_tile(of, tile, held->kept);
  } else {
    memset(held->kept, of->plan->draw.source == CUDROPI_ALL_KEPT, sizeof held->kept);
  }
  for (int r = 0; r < tile->rows; ++r) differentiate_row(of, held, tile, r);
  if (cudropi_has(of->plan, CUDROPI_ATTEND_DV))
    cudropi_multiply(keys, width, tile->rows, weights_across, held->dout_panels,
                     TILE_QUERIES, held->dv, width, true);
  if (cudropi_has(of->plan, CUDROPI_ATTEND_DK))
    cudropi_multiply(keys, width, tile->rows, dscores_across, held->q_panels,
                     TILE_QUERIES, held->dk, width, true);
  if (cudropi_has(of->plan, CUDROPI_ATTEND_DQ))
    cudropi_multiply(tile->rows, width, keys,
                     (cudropi_matrix_t){held->dscores, TILE_DOWN, 1}, held->k, TILE_KEYS,
                     find_dq(of, tile->row), width, true);
}

static void store_keys(const attend_t *of, int operand, int64_t row, int64_t first, int n,
                       const float *gradient) {
  if (!cudropi_has(of->plan, operand)) return;
  for (int key = 0; key < n; ++key)
    store_row(of, operand, locate_key(of, operand, row, first + key), 1.0f,
              gradient + key * of->width);
}

/* Do the heads [row, end) that share keys, for a tile of keys, of which they see `n`. */
static void differentiate_keys(const attend_t *of, gradient_t *held, int64_t row,
                               int64_t end, int64_t key, int n) {
  const int64_t queries = of->options->attention.visible.queries;
  const size_t bytes = (size_t)(TILE_KEYS * of->width) * sizeof *held->k;
  pack_keys_across(of, CUDROPI_ATTEND_K, row, key, n, held->k_across);
  pack_keys_across(of, CUDROPI_ATTEND_V, row, key, n, held->v_across);
  pack_keys(of, CUDROPI_ATTEND_K, row, key, n, held->k);
  memset(held->dk, 0, bytes);
  memset(held->dv, 0, bytes);
  for (int64_t head = row; head < end; head += queries)
    for (int64_t at = 0; at < queries; at += TILE_QUERIES) {
      const int64_t left = queries - at;
      const tile_t tile = {head + at, key,
                           (int)(left < TILE_QUERIES ? left : TILE_QUERIES), held->seen};
      find_seen(of, tile.row, tile.rows, held->seen);
      differentiate_tile(of, held, &tile);
    }
}

/* How many keys the rows [row, end) see at most. */
static int64_t find_most_seen(const attend_t *of, int64_t row, int64_t end) {
  int64_t most = 0;
  for (int64_t seen; row < end; ++row)
    if (find_seen(of, row, 1, &seen) > most) most = seen;
  return most;
}

/* A slab of the gradient is the heads that share keys. */
static void do_attend_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  const attend_t of = begin_attend(job);
  gradient_t *held = job->scratch;
  const int64_t rows = of.options->group * of.options->attention.visible.queries;
  const int64_t row = slab * rows, keys = of.plan->mask_cols;
  const int64_t seen = find_most_seen(&of, row, row + rows);
  begin_rows(&of, row, rows);
  /* Keys that no query sees have sums of no rows. */
  const int64_t stored = of.plan->adds_to_data ? seen : keys;
  for (int64_t key = 0; key < stored; key += TILE_KEYS) {
    const int n = count_keys(stored - key);
    differentiate_keys(&of, held, row, row + rows, key, count_keys(seen - key));
    store_keys(&of, CUDROPI_ATTEND_DK, row, key, n, held->dk);
    store_keys(&of, CUDROPI_ATTEND_DV, row, key, n, held->dv);
  }
  if (!cudropi_has(of.plan, CUDROPI_ATTEND_DQ)) return;
  for (int64_t r = row; r < row + rows; ++r)
    store_row(&of, CUDROPI_ATTEND_DQ, cudropi_locate(of.plan, CUDROPI_ATTEND_DQ, r, 0),
              of.scale, find_dq(&of, r));
}

CUDROPI_DEFINE_HOST(cudropi_attend_forward, do_attend, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_attend_gradient, do_attend_gradient, NULL, NULL);

#endif /* CUDROP_ATTEND_HOST_H */
