/*
 * attend_tile_host.h - tiles of scores on the host, and the rows of tensors that they are made of;
 * compiled for each path, like strip.h.
 *
 * A tile has 96 queries and 128 keys. Its weights are multiplied by V, or in the gradient by what
 * it needs, and forgotten. Queries and keys are cut at multiples of these numbers from a head's
 * first ones, whatever the slabs and threads are.
 */
#ifndef CUDROP_ATTEND_TILE_HOST_H
#define CUDROP_ATTEND_TILE_HOST_H

#include <math.h>

#include "host/maps.h"
#include "host/product.h"
#include "host/row_total.h"
#include "ops/attend/attend.h"

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

/* Store a row of D elements times `scale`, +0 where the product is -0, or add it to the old one. */
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

/* Some keys of a tile, from `begin` to `end`. */
typedef struct {
  int begin, end;
} range_t;

static int clamp_key(int64_t key) {
  return key <= 0 ? 0 : key < TILE_KEYS ? (int)key : TILE_KEYS;
}

/* The keys of `seen` that are in the tile whose first key is `key`. */
static range_t find_range(cudropi_seen_t seen, int64_t key) {
  return (range_t){clamp_key(seen.begin - key), clamp_key(seen.end - key)};
}

/* Load key `key` of a tile, or +0 if it is not one of `keys`. */
static void load_key(const attend_t *of, int operand, int64_t row, int64_t first, int key,
                     range_t keys, float *values) {
  if (key >= keys.begin && key < keys.end)
    load_row(of, operand, locate_key(of, operand, row, first + key), 1.0f, values);
  else
    memset(values, 0, (size_t)of->width * sizeof *values);
}

/* The factors of a product with [keys, D], in panels; +0 for keys before the first of `keys`. */
static void pack_keys(const attend_t *of, int operand, int64_t row, int64_t first,
                      range_t keys, float *panels) {
  float values[MOST_WIDTH];
  for (int key = 0; key < keys.end; ++key) {
    load_key(of, operand, row, first, key, keys, values);
    cudropi_pack_row(values, key, of->width, TILE_KEYS, panels);
  }
}

/* The factors of a product with [D, keys], in panels; +0 for keys that are not of `keys`. */
static void pack_keys_across(const attend_t *of, int operand, int64_t row, int64_t first,
                             range_t keys, float *panels) {
  float values[MOST_WIDTH];
  for (int key = 0; key < TILE_KEYS; ++key) {
    load_key(of, operand, row, first, key, keys, values);
    cudropi_pack_col(values, key, of->cols, of->width, panels);
  }
}

/* ---- Tiles ------------------------------------------------------------------------ */

/* The first key of a tile, and rows [row, row + rows) of it. */
typedef struct {
  int64_t row, key;
  int rows;
  const cudropi_seen_t *seen; /* the keys that each row sees */
} tile_t;

/* The keys of a tile that its row r sees. */
static range_t find_seen(const tile_t *tile, int r) {
  return find_range(tile->seen[r], tile->key);
}

/* How many keys of a tile there are up to the last that one of its rows sees. */
static int count_tile_keys(const tile_t *tile) {
  int most = 0;
  for (int r = 0; r < tile->rows; ++r) {
    const range_t seen = find_seen(tile, r);
    if (seen.begin < seen.end) most = seen.end > most ? seen.end : most;
  }
  return most;
}

/* The keys of `a` and of `b`, and those between them. */
static cudropi_seen_t join(cudropi_seen_t a, cudropi_seen_t b) {
  if (a.begin == a.end) return b;
  if (b.begin == b.end) return a;
  return (cudropi_seen_t){a.begin < b.begin ? a.begin : b.begin,
                          a.end > b.end ? a.end : b.end};
}

static cudropi_seen_t see(const attend_t *of, int64_t row) {
  return cudropi_find_seen(&of->options->attention.visible, row);
}

/* The first key of the tile that a key is in. */
static int64_t begin_tile(int64_t key) {
  return key / TILE_KEYS * TILE_KEYS;
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
                           .n = find_seen(tile, r).end,
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

/* Make e^(score - reference) of a tile's row. Not inlined: the constants of e^x need the
 * registers. */
CUDROPI_ONCE void exponentiate_tile(float reference, float *values) {
  for (int j = 0; j < TILE_KEYS; ++j) values[j] = values[j] - reference;
  map_exp_to_zero(TILE_KEYS, values, values);
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

/* Set the values of a tile's row for the keys that are not of `keys`. */
static void fill_around(float *values, range_t keys, float value) {
  for (int j = 0; j < keys.begin; ++j) values[j] = value;
  for (int j = keys.end; j < TILE_KEYS; ++j) values[j] = value;
}

#endif /* CUDROP_ATTEND_TILE_HOST_H */
