/* embedding_host.h - embedding on the host; compiled for each path, like strip.h. */
#ifndef CUDROP_EMBEDDING_HOST_H
#define CUDROP_EMBEDDING_HOST_H

#include "host/strip.h"
#include "ops/embedding/embedding.h"

/* ---- Tables ----------------------------------------------------------------------- */

/* The address of the strip's columns in a row of a table. Rows are `stride` elements apart. */
static char *locate_in_table(const cudropi_strip_t *strip, int table, int64_t stride,
                             int64_t row) {
  const cudropi_operand_t *from = &strip->plan->operand[table];
  return (char *)from->data +
         (row * stride + strip->first) * (int64_t)cudrop_dtype_bytes(from->dtype);
}

static void load_table(const cudropi_strip_t *strip, int table, int64_t stride,
                       int64_t row, float *values) {
  cudropi_read(strip->plan->operand[table].dtype, strip->n,
               locate_in_table(strip, table, stride, row), values);
}

/* The id of a row. */
static int64_t get_id(const cudropi_plan_t *plan, int64_t row) {
  const cudropi_operand_t *ids = &plan->operand[CUDROPI_EMBEDDING_IDS];
  return cudropi_read_id(&cudropi_embedding(plan)->lookup, ids->data,
                         cudropi_row_place(plan->rank, plan->shape, ids->stride, row));
}

/* ---- Forward ---------------------------------------------------------------------- */

/* z = drop(tokens[id] + positions[place]), or zeros for an id out of range. */
static void embed(const cudropi_strip_t *strip, int64_t id, float *z) {
  const cudropi_plan_t *plan = strip->plan;
  const cudropi_lookup_t *lookup = &cudropi_embedding(plan)->lookup;
  float position[CUDROPI_STRIP];
  if (!cudropi_is_token(lookup, id)) {
    for (int j = 0; j < strip->n; ++j) z[j] = 0.0f;
    return;
  }
  load_table(strip, CUDROPI_EMBEDDING_TOKENS, lookup->token_stride, id, z);
  if (cudropi_has(plan, CUDROPI_EMBEDDING_POSITIONS)) {
    load_table(strip, CUDROPI_EMBEDDING_POSITIONS, lookup->place_stride,
               cudropi_find_place(lookup, strip->row), position);
    cudropi_add(strip->n, z, position);
  }
  cudropi_strip_drop(strip, z, z);
}

static void do_embedding(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_plan_t *plan = job->plan;
  uint64_t out_of_range = 0;
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  for (int64_t row = first; row < end; ++row) {
    const int64_t id = get_id(plan, row);
    out_of_range += !cudropi_is_token(&cudropi_embedding(plan)->lookup, id);
    for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
      const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
      float z[CUDROPI_STRIP];
      embed(&strip, id, z);
      cudropi_strip_store(&strip, CUDROPI_EMBEDDING_Y, z);
    }
  }
  if (out_of_range > 0 && cudropi_embedding(plan)->lookup.out_of_range != NULL)
    __atomic_fetch_add(cudropi_embedding(plan)->lookup.out_of_range, out_of_range,
                       __ATOMIC_RELAXED);
}

/* ---- The gradient's list ---------------------------------------------------------- */

/* Sort by one digit of the key. Entries with equal digits keep their order. */
static void sort_by(const cudropi_gather_t *gather, int pass) {
  const uint32_t *key = gather->key[pass % 2], *row = gather->row[pass % 2];
  uint32_t *to_key = gather->key[1 - pass % 2], *to_row = gather->row[1 - pass % 2];
  const int shift = pass * CUDROPI_SORT_BITS;
  uint32_t next[CUDROPI_SORT_DIGITS] = {0}, total = 0;
  for (int64_t e = 0; e < gather->entries; ++e)
    ++next[key[e] >> shift & (CUDROPI_SORT_DIGITS - 1)];
  for (int d = 0; d < CUDROPI_SORT_DIGITS; ++d) {
    const uint32_t count = next[d];
    next[d] = total;
    total += count;
  }
  for (int64_t e = 0; e < gather->entries; ++e) {
    const uint32_t at = next[key[e] >> shift & (CUDROPI_SORT_DIGITS - 1)]++;
    to_key[at] = key[e];
    to_row[at] = row[e];
  }
}

static void list_entries(const cudropi_rows_job_t *job) {
  const cudropi_plan_t *plan = job->plan;
  const cudropi_gather_t *gather = &cudropi_embedding(plan)->gather;
  if (!gather->is_sorted) return;
  for (int64_t row = 0; row < gather->entries; ++row) {
    const int64_t id = get_id(plan, row);
    gather->key[0][row] = cudropi_is_token(&cudropi_embedding(plan)->lookup, id)
                              ? (uint32_t)id
                              : (uint32_t)gather->keys;
    gather->row[0][row] = (uint32_t)row;
  }
  for (int pass = 0; pass < cudropi_count_passes(gather); ++pass) sort_by(gather, pass);
}

/* ---- The gradient's sums ---------------------------------------------------------- */

/* Store the sum of a key in its row of the table, or add it to that row. */
static void store_sum(const cudropi_strip_t *strip, uint32_t key, const float *sum) {
  const cudropi_plan_t *plan = strip->plan;
  const int table = cudropi_find_table(&cudropi_embedding(plan)->gather);
  const int64_t stride = cudropi_table_stride(&cudropi_embedding(plan)->lookup,
                                              &cudropi_embedding(plan)->gather);
  float total[CUDROPI_STRIP];
  memcpy(total, sum, (size_t)strip->n * sizeof *total);
  if (plan->adds_to_parameters) {
    load_table(strip, table, stride, key, total);
    cudropi_add(strip->n, total, sum);
  }
  cudropi_write(plan->operand[table].dtype, strip->n,
                locate_in_table(strip, table, stride, key), total);
}

/* Store the sum of a run of the segment [first, end): heads and tails in the workspace, a run that
 * is all of its key in the table. */
static void store_run(const cudropi_strip_t *strip, int64_t first, int64_t end,
                      uint32_t key, bool is_tail, bool is_head, const float *sum) {
  const cudropi_gather_t *gather = &cudropi_embedding(strip->plan)->gather;
  const int64_t cols = strip->plan->cols;
  const size_t bytes = (size_t)strip->n * sizeof *sum;
  if (is_tail) {
    memcpy(gather->tail + cudropi_find_slot(first) * cols + strip->first, sum, bytes);
  } else if (is_head) {
    memcpy(gather->head + cudropi_find_slot(end - 1) * cols + strip->first, sum, bytes);
  } else if (key < gather->keys) {
    store_sum(strip, key, sum);
  }
}

/* sum += drop(dy), if the id of the row is in range. */
static void add_entry(const cudropi_strip_t *strip, float *sum) {
  float gradient[CUDROPI_STRIP];
  if (!cudropi_is_token(&cudropi_embedding(strip->plan)->lookup,
                        get_id(strip->plan, strip->row)))
    return;
  cudropi_strip_drop(strip,
                     cudropi_strip_look(strip, CUDROPI_EMBEDDING_GRADIENT_DY, gradient),
                     gradient);
  cudropi_add(strip->n, sum, gradient);
}

static void do_embedding_gradient(const cudropi_rows_job_t *job, int64_t segment) {
  const cudropi_plan_t *plan = job->plan;
  const cudropi_gather_t *gather = &cudropi_embedding(plan)->gather;
  const int64_t first = segment * CUDROPI_SEGMENT, left = gather->entries - first;
  const int64_t end = first + (left < CUDROPI_SEGMENT ? left : CUDROPI_SEGMENT);
  for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
    cudropi_strip_t strip = cudropi_cut_strip(job, 0, col, CUDROPI_STRIP);
    strip.next_row = plan->rows; /* only the list knows the next row */
    bool is_tail = cudropi_has_tail(gather, first);
    float sum[CUDROPI_STRIP] = {0.0f};
    for (int64_t e = first; e < end; ++e) {
      const uint32_t key = cudropi_entry_key(gather, e);
      strip.row = cudropi_entry_row(gather, e);
      add_entry(&strip, sum);
      if (e + 1 < end && cudropi_entry_key(gather, e + 1) == key) continue;
      const bool goes_on = e + 1 == end && cudropi_goes_on(gather, end);
      store_run(&strip, first, end, key, is_tail, goes_on, sum);
      memset(sum, 0, sizeof sum);
      is_tail = false;
    }
  }
}

/* Sum the runs of a segment [first, end) of a higher level from the runs of its parts. */
static void join_strip(const cudropi_strip_t *strip, int64_t part, int64_t first,
                       int64_t end) {
  const cudropi_gather_t *gather = &cudropi_embedding(strip->plan)->gather;
  const int64_t cols = strip->plan->cols, col = strip->first;
  bool is_tail = cudropi_has_tail(gather, first);
  float sum[CUDROPI_STRIP] = {0.0f};
  for (int64_t at = first; at < end && at < gather->entries; at += part) {
    const bool has_head = cudropi_has_head(gather, at, at + part);
    if (cudropi_has_tail(gather, at)) {
      cudropi_add(strip->n, sum, gather->tail + cudropi_find_slot(at) * cols + col);
      if (!has_head && cudropi_goes_on(gather, at + part)) continue;
      store_run(strip, first, end, cudropi_entry_key(gather, at), is_tail, false, sum);
      memset(sum, 0, sizeof sum);
      is_tail = false;
    }
    if (has_head)
      cudropi_add(strip->n, sum,
                  gather->head + cudropi_find_slot(at + part - 1) * cols + col);
  }
  if (cudropi_goes_on(gather, end))
    store_run(strip, first, end, cudropi_entry_key(gather, end), is_tail, true, sum);
}

/* Join the runs of all segments, level by level. */
static void join_runs(const cudropi_rows_job_t *job) {
  const cudropi_plan_t *plan = job->plan;
  const int64_t entries = cudropi_embedding(plan)->gather.entries;
  for (int64_t part = CUDROPI_SEGMENT; part < entries; part *= CUDROPI_SEGMENT) {
    const int64_t width = part * CUDROPI_SEGMENT;
    for (int64_t first = 0; first < entries; first += width) {
      for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
        const cudropi_strip_t strip = cudropi_cut_strip(job, 0, col, CUDROPI_STRIP);
        join_strip(&strip, part, first, first + width);
      }
    }
  }
}

CUDROPI_DEFINE_HOST(cudropi_embedding_forward, do_embedding, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_embedding_gradient, do_embedding_gradient, list_entries,
                    join_runs);

#endif /* CUDROP_EMBEDDING_HOST_H */
