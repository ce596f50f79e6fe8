/* attend_host.h - attention without a matrix of weights on the host; compiled for each path, like
 * strip.h. */
#ifndef CUDROP_ATTEND_HOST_H
#define CUDROP_ATTEND_HOST_H

#include "ops/attend/attend_tile_host.h"

/* What a thread of forward keeps: the queries of a slab, and a tile with its keys. */
typedef struct {
  float q[CUDROPI_ATTEND_FLOATS], o[CUDROPI_ATTEND_FLOATS];
  float k_across[TILE_KEYS * MOST_WIDTH], v[TILE_KEYS * MOST_WIDTH];
  float tile[TILE_QUERIES * TILE_DOWN];
  uint8_t kept[TILE_QUERIES * TILE_KEYS];
  float most[CUDROPI_ATTEND_RANGE], sum[CUDROPI_ATTEND_RANGE];
  cudropi_seen_t seen[CUDROPI_ATTEND_RANGE];
} forward_t;
_Static_assert(sizeof(forward_t) <= CUDROPI_SCRATCH_BYTES, "forward_t does not fit");

/* Make weights e^(score - most) of row r of a tile, before they are divided by their sum; drop some
 * of them. o, the sum and the weights before get a factor if `most` grows. */
static void weigh_row(const attend_t *of, forward_t *held, const tile_t *tile, int r,
                      int at) {
  float *values = held->tile + r * TILE_DOWN, *o = held->o + at * of->width;
  const range_t seen = find_seen(tile, r);
  const float before = held->most[at];
  fill_around(values, seen, -INFINITY); /* whose weight is +0 */
  const float most = find_tile_most(values, before);
  const float reference = most == -INFINITY ? 0.0f : most;
  exponentiate_tile(reference, values);
  const float factor = cudropi_exp_to_zero(before - reference);
  held->most[at] = most;
  held->sum[at] = held->sum[at] * factor + sum_tile_row(values);
  if (factor != 1.0f)
    for (int j = 0; j < of->width; ++j) o[j] = o[j] * factor;
  if (is_drawn(of))
    cudropi_drop(seen.end, values, 1.0f, held->kept + r * TILE_KEYS, values);
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
  cudropi_seen_t seen = {0};
  load_rows(&of, CUDROPI_ATTEND_Q, row, n, of.scale, held->q);
  memset(held->o, 0, (size_t)(n * of.width) * sizeof *held->o);
  for (int r = 0; r < n; ++r) {
    held->most[r] = -INFINITY;
    held->sum[r] = 0.0f;
    held->seen[r] = see(&of, row + r);
    seen = join(seen, held->seen[r]);
  }
  for (int64_t key = begin_tile(seen.begin); key < seen.end; key += TILE_KEYS) {
    const range_t keys = find_range(seen, key);
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

CUDROPI_DEFINE_HOST(cudropi_attend_forward, do_attend, NULL, NULL);

#endif /* CUDROP_ATTEND_HOST_H */
