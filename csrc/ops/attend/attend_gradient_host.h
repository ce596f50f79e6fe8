/* attend_gradient_host.h - the gradients of attention without a matrix of weights on the host;
 * compiled for each path, like strip.h. */
#ifndef CUDROP_ATTEND_GRADIENT_HOST_H
#define CUDROP_ATTEND_GRADIENT_HOST_H

#include "ops/attend/attend_tile_host.h"

/* What a thread of the gradient keeps: the keys of a tile, its queries, and the tile. */
typedef struct {
  float k_across[TILE_KEYS * MOST_WIDTH], v_across[TILE_KEYS * MOST_WIDTH];
  float k[TILE_KEYS * MOST_WIDTH];
  float dk[TILE_KEYS * MOST_WIDTH], dv[TILE_KEYS * MOST_WIDTH];
  float q[TILE_QUERIES * MOST_WIDTH], dout[TILE_QUERIES * MOST_WIDTH];
  float q_panels[TILE_QUERIES * MOST_WIDTH], dout_panels[TILE_QUERIES * MOST_WIDTH];
  float weights[TILE_QUERIES * TILE_DOWN], dscores[TILE_QUERIES * TILE_DOWN];
  uint8_t kept[TILE_QUERIES * TILE_KEYS];
  cudropi_seen_t seen[TILE_QUERIES];
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
  const range_t seen = find_seen(tile, r);
  const int n = seen.end;
  const float scale = of->plan->draw.schedule.scale;
  const float delta = *find_delta(of, tile->row + r);
  const uint8_t *kept = held->kept + r * TILE_KEYS;
  float lse;
  memcpy(&lse, cudropi_locate(of->plan, CUDROPI_ATTEND_LSE, tile->row + r, 0),
         sizeof lse);
  fill_around(p, seen, -INFINITY); /* whose weight is +0 */
  exponentiate_tile(lse == -INFINITY ? INFINITY : lse, p);
  cudropi_drop(n, ds, scale, kept, ds);
  for (int j = 0; j < n; ++j) ds[j] = p[j] * (ds[j] - delta);
  cudropi_drop(n, p, scale, kept, p);
  fill_around(p, seen, 0.0f);
  fill_around(ds, seen, 0.0f);
}

/* Rows that see no key count as +0: a NaN there would be in every sum. */
static void load_queries(const attend_t *of, gradient_t *held, const tile_t *tile) {
  const size_t bytes = (size_t)of->width * sizeof *held->q;
  load_rows(of, CUDROPI_ATTEND_Q, tile->row, tile->rows, of->scale, held->q);
  load_rows(of, CUDROPI_ATTEND_DOUT, tile->row, tile->rows, 1.0f, held->dout);
  for (int r = 0; r < tile->rows; ++r) {
    if (tile->seen[r].begin == tile->seen[r].end) {
      memset(held->q + r * of->width, 0, bytes);
      memset(held->dout + r * of->width, 0, bytes);
    }
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

static void store_keys(const attend_t *of, int operand, int64_t row, int64_t first,
                       range_t keys, const float *gradient) {
  if (!cudropi_has(of->plan, operand)) return;
  for (int key = keys.begin; key < keys.end; ++key)
    store_row(of, operand, locate_key(of, operand, row, first + key), 1.0f,
              gradient + key * of->width);
}

/* Do the heads [row, end) that share keys, for a tile of keys, of which they see `keys`. */
static void differentiate_keys(const attend_t *of, gradient_t *held, int64_t row,
                               int64_t end, int64_t key, range_t keys) {
  const int64_t queries = of->options->attention.visible.queries;
  const size_t bytes = (size_t)(TILE_KEYS * of->width) * sizeof *held->k;
  pack_keys_across(of, CUDROPI_ATTEND_K, row, key, keys, held->k_across);
  pack_keys_across(of, CUDROPI_ATTEND_V, row, key, keys, held->v_across);
  pack_keys(of, CUDROPI_ATTEND_K, row, key, keys, held->k);
  memset(held->dk, 0, bytes);
  memset(held->dv, 0, bytes);
  for (int64_t head = row; head < end; head += queries)
    for (int64_t at = 0; at < queries; at += TILE_QUERIES) {
      const int64_t left = queries - at;
      const tile_t tile = {head + at, key,
                           (int)(left < TILE_QUERIES ? left : TILE_QUERIES), held->seen};
      for (int r = 0; r < tile.rows; ++r) held->seen[r] = see(of, tile.row + r);
      differentiate_tile(of, held, &tile);
    }
}

/* The keys that the rows [row, end) see, and those between. */
static cudropi_seen_t see_all(const attend_t *of, int64_t row, int64_t end) {
  cudropi_seen_t seen = {0};
  for (; row < end; ++row) seen = join(seen, see(of, row));
  return seen;
}

/* A slab of the gradient is the heads that share keys. */
static void do_attend_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  const attend_t of = begin_attend(job);
  gradient_t *held = job->scratch;
  const int64_t rows = of.options->group * of.options->attention.visible.queries;
  const int64_t row = slab * rows;
  const cudropi_seen_t seen = see_all(&of, row, row + rows);
  begin_rows(&of, row, rows);
  /* Keys that no query sees have sums of no rows. */
  const cudropi_seen_t stored =
      of.plan->adds_to_data ? seen : (cudropi_seen_t){0, of.plan->mask_cols};
  for (int64_t key = begin_tile(stored.begin); key < stored.end; key += TILE_KEYS) {
    const range_t keys = find_range(stored, key);
    differentiate_keys(&of, held, row, row + rows, key, find_range(seen, key));
    store_keys(&of, CUDROPI_ATTEND_DK, row, key, keys, held->dk);
    store_keys(&of, CUDROPI_ATTEND_DV, row, key, keys, held->dv);
  }
  if (!cudropi_has(of.plan, CUDROPI_ATTEND_DQ)) return;
  for (int64_t r = row; r < row + rows; ++r)
    store_row(&of, CUDROPI_ATTEND_DQ, cudropi_locate(of.plan, CUDROPI_ATTEND_DQ, r, 0),
              of.scale, find_dq(&of, r));
}

CUDROPI_DEFINE_HOST(cudropi_attend_gradient, do_attend_gradient, NULL, NULL);

#endif /* CUDROP_ATTEND_GRADIENT_HOST_H */
