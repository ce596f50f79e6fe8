/* embedding_trial.c - an embedding and its gradients, worked out by lists and loops. */
#include "embedding_trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "around.h"
#include "trial.h"

typedef struct {
  view_t ids, tokens, positions, y, counter;
  view_t dy, dtokens, dpositions;
  view_t dtokens_before, dpositions_before, y_before, counter_before;
} tensors_t;

/* ---- Tensors ---------------------------------------------------------------------- */

static int32_t choose_id(const embedding_trial_t *trial, int64_t k) {
  const uint64_t mixed = (uint64_t)(k + 1) * 0x9e3779b97f4a7c15u;
  const uint32_t random = (uint32_t)(mixed >> 32);
  const int64_t vocabulary = trial->layout->vocabulary;
  const int64_t spread = vocabulary > 0 ? random % vocabulary : 0;
  switch (trial->ids) {
    case IDS_FEW:
      return (int32_t)(vocabulary > 0 ? random % 3 * 5 % vocabulary : 0);
    case IDS_ONE:
      return (int32_t)(vocabulary - 1);
    case IDS_WILD:
      return k % 5 == 1    ? -1 - (int32_t)(random % 7)
             : k % 5 == 3  ? (int32_t)vocabulary
             : k % 17 == 2 ? (k % 2 == 0 ? INT32_MAX : INT32_MIN)
                           : (int32_t)spread;
    default:
      return (int32_t)spread;
  }
}

static view_t make_ids(const embedding_trial_t *trial) {
  const embedding_layout_t *layout = trial->layout;
  view_t ids = view_make(CUDROP_I32, layout->rank, layout->shape, layout->id_stride, 0);
  for (int64_t k = 0; k < view_count(&ids); ++k) {
    const int32_t id = choose_id(trial, k);
    memcpy(view_element(&ids, k), &id, sizeof id);
  }
  return ids;
}

static view_t fill(const embedding_trial_t *trial, view_t view, uint64_t seed) {
  if (trial->is_wild) {
    view_randomise(&view, seed);
  } else {
    view_fill_tamely(&view, seed);
  }
  return view;
}

static view_t make_table(const embedding_trial_t *trial, int64_t rows) {
  const embedding_layout_t *layout = trial->layout;
  const int64_t shape[] = {rows, layout->cols},
                stride[] = {layout->cols + layout->gap, 1};
  return view_make(trial->table_dtype, 2, shape, stride, layout->shift);
}

static int64_t count_places(const embedding_layout_t *layout) {
  return layout->rank > 0 ? layout->shape[layout->rank - 1] : 1;
}

static tensors_t make_tensors(const embedding_trial_t *trial) {
  const embedding_layout_t *layout = trial->layout;
  const bool adds = trial->accumulate != 0;
  static const int64_t start = 40; /* of the count, which is not cleared */
  int64_t shape[CUDROP_MAX_RANK];
  memcpy(shape, layout->shape, sizeof layout->shape);
  shape[layout->rank] = layout->cols;
  tensors_t t = {.ids = make_ids(trial)};
  t.y = view_make(trial->dtype, layout->rank + 1, shape, layout->y_stride, layout->shift);
  t.dy = fill(
      trial,
      view_make(trial->dtype, layout->rank + 1, shape, layout->y_stride, layout->shift),
      1);
  t.tokens = fill(trial, make_table(trial, layout->vocabulary), 2);
  t.positions = fill(trial, make_table(trial, count_places(layout)), 3);
  t.dtokens = make_table(trial, layout->vocabulary);
  t.dpositions = make_table(trial, count_places(layout));
  if (adds) t.dtokens = fill(trial, t.dtokens, 4);
  if (adds) t.dpositions = fill(trial, t.dpositions, 5);
  t.counter = view_make(CUDROP_F64, 0, NULL, NULL, 0); /* of 8 bytes, as the count */
  memcpy(view_element(&t.counter, 0), &start, sizeof start);
  t.dtokens_before = view_copy(&t.dtokens);
  t.dpositions_before = view_copy(&t.dpositions);
  t.y_before = view_copy(&t.y);
  t.counter_before = view_copy(&t.counter);
  return t;
}

static void free_tensors(tensors_t *t) {
  view_t *views[] = {&t->ids,      &t->tokens,         &t->positions,
                     &t->y,        &t->counter,        &t->dy,
                     &t->dtokens,  &t->dpositions,     &t->dtokens_before,
                     &t->y_before, &t->counter_before, &t->dpositions_before};
  for (size_t k = 0; k < sizeof views / sizeof views[0]; ++k) view_free(views[k]);
}

/* ---- Calls ------------------------------------------------------------------------ */

/* The mask by value, or in a block. */
static cudrop_mask_t make_mask(cudrop_context_t *context, const embedding_trial_t *trial,
                               cudrop_prepared_t **block) {
  return trial->prepared ? trial_prepare(context, &trial->mask, block) : trial->mask;
}

static cudrop_status_t run_forward(cudrop_context_t *context,
                                   const embedding_trial_t *trial, tensors_t *t) {
  cudrop_prepared_t *block = NULL;
  const cudrop_mask_t mask = make_mask(context, trial, &block);
  placed_t ids = view_place(context, &t->ids, false);
  placed_t tokens = view_place(context, &t->tokens, false);
  placed_t positions = view_place(context, &t->positions, false);
  placed_t y = view_place(context, &t->y, true);
  placed_t counter = view_place(context, &t->counter, true);
  const cudrop_status_t status = AROUND(
      context,
      cudrop_embedding_forward(
          context, &(cudrop_embedding_forward_t){
                       .ids = &ids.tensor,
                       .tokens = &tokens.tensor,
                       .positions = trial->no_positions ? NULL : &positions.tensor,
                       .mask = trial->no_mask ? NULL : &mask,
                       .y = &y.tensor,
                       .out_of_range = trial->no_counter ? NULL : counter.tensor.data}));
  view_fetch(context, &y, &t->y);
  view_fetch(context, &counter, &t->counter);
  placed_t *all[] = {&ids, &tokens, &positions, &y, &counter};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) view_displace(context, all[k]);
  view_insist(cudrop_prepared_destroy(context, &block));
  return status;
}

static cudrop_status_t run_backward(cudrop_context_t *context,
                                    const embedding_trial_t *trial, tensors_t *t) {
  cudrop_prepared_t *block = NULL;
  void *workspace = NULL;
  const cudrop_mask_t mask = make_mask(context, trial, &block);
  placed_t ids = view_place(context, &t->ids, false);
  placed_t dy = view_place(context, &t->dy, false);
  placed_t dtokens = view_place(context, &t->dtokens, true);
  placed_t dpositions = view_place(context, &t->dpositions, true);
  cudrop_embedding_backward_t args = {
      .ids = &ids.tensor,
      .dy = &dy.tensor,
      .mask = trial->no_mask ? NULL : &mask,
      .dtokens = trial->no_tokens ? NULL : &dtokens.tensor,
      .dpositions = trial->no_positions ? NULL : &dpositions.tensor,
      .vocabulary = trial->no_tokens ? trial->layout->vocabulary : 0,
      .accumulate = trial->accumulate};
  cudrop_status_t status = cudrop_embedding_backward_workspace(
      view_count(&t->ids), trial->layout->cols, &args.workspace_bytes);
  if (status == CUDROP_OK)
    args.workspace = view_make_workspace(context, args.workspace_bytes, &workspace);
  if (status == CUDROP_OK)
    status = AROUND(context, cudrop_embedding_backward(context, &args));
  view_fetch(context, &dtokens, &t->dtokens);
  view_fetch(context, &dpositions, &t->dpositions);
  placed_t *all[] = {&ids, &dy, &dtokens, &dpositions};
  for (size_t k = 0; k < sizeof all / sizeof all[0]; ++k) view_displace(context, all[k]);
  view_insist(cudrop_prepared_destroy(context, &block));
  view_insist(cudrop_free(context, &workspace));
  return status;
}

/* ---- Expectations ----------------------------------------------------------------- */

static const cudrop_mask_t *get_mask(const embedding_trial_t *trial) {
  return trial->no_mask ? NULL : &trial->mask;
}

static int32_t get_id(const tensors_t *t, int64_t row) {
  int32_t id;
  memcpy(&id, view_element(&t->ids, row), sizeof id);
  return id;
}

static bool is_in_range(const embedding_trial_t *trial, int32_t id) {
  return id >= 0 && id < trial->layout->vocabulary;
}

static const char *check_forward(const embedding_trial_t *trial, const tensors_t *t) {
  const int64_t cols = trial->layout->cols, places = count_places(trial->layout);
  uint64_t found = 0, wanted = 40;
  for (int64_t row = 0; row < view_count(&t->ids); ++row) {
    const int32_t id = get_id(t, row);
    const bool is_there = is_in_range(trial, id);
    if (!trial->no_counter && cols > 0) wanted += !is_there;
    for (int64_t col = 0; col < cols; ++col) {
      const int64_t e = row * cols + col;
      float z = is_there ? (float)view_get(&t->tokens, id * cols + col) : 0.0f;
      if (is_there && !trial->no_positions)
        z = z + (float)view_get(&t->positions, row % places * cols + col);
      const bool kept = is_there && trial_keeps(get_mask(trial), &t->y, e);
      const float value = kept ? z * trial_scale(get_mask(trial)) : 0.0f;
      if (!view_is_near(&t->y, e, value, 0.0))
        return trial_complain("row %lld of id %d, column %lld: y = %.9g, not %.9g",
                              (long long)row, (int)id, (long long)col, view_get(&t->y, e),
                              (double)value);
    }
  }
  memcpy(&found, view_element(&t->counter, 0), sizeof found);
  if (found != wanted)
    return trial_complain("%llu ids are out of range, not %llu",
                          (unsigned long long)found - 40,
                          (unsigned long long)wanted - 40);
  return "";
}

/* An entry of a table's gradient. */
typedef struct {
  int64_t key, row; /* key -1: out of range, which is sorted to the end */
} entry_t;

static int compare_entries(const void *a, const void *b) {
  const entry_t *left = a, *right = b;
  const uint64_t x = (uint64_t)left->key, y = (uint64_t)right->key;
  if (x != y) return x < y ? -1 : 1;
  return left->row < right->row ? -1 : left->row > right->row;
}

/* drop(dy) of a row, which is nothing for an id out of range. */
static float get_gradient(const embedding_trial_t *trial, const tensors_t *t, int64_t row,
                          int64_t col) {
  const int64_t e = row * trial->layout->cols + col;
  if (!is_in_range(trial, get_id(t, row)) || !trial_keeps(get_mask(trial), &t->dy, e))
    return 0.0f;
  return (float)view_get(&t->dy, e) * trial_scale(get_mask(trial));
}

/* Entries first to end of a list, which are those of one key; a column of their rows. */
typedef struct {
  const entry_t *list;
  int64_t first, end, col;
} range_t;

/*
 * The sum of those of the entries that lie in the piece from `at` on, as wide as `width`: a power
 * of 32. The 32 parts of a piece are summed by themselves, and added one by one.
 */
static float sum_piece(const embedding_trial_t *trial, const tensors_t *t,
                       const range_t *range, int64_t at, int64_t width) {
  float total = 0.0f;
  if (width == 1) return get_gradient(trial, t, range->list[at].row, range->col);
  for (int part = 0; part < 32; ++part) {
    const int64_t from = at + part * (width / 32);
    if (from >= range->end || from + width / 32 <= range->first) continue;
    total = total + sum_piece(trial, t, range, from, width / 32);
  }
  return total;
}

static float sum_entries(const embedding_trial_t *trial, const tensors_t *t,
                         const range_t *range) {
  int64_t width = 32;
  while (width < range->end) width *= 32;
  return sum_piece(trial, t, range, 0, width);
}

/* One table's gradient, whose entries are sorted. */
static const char *check_table(const embedding_trial_t *trial, const tensors_t *t,
                               const entry_t *list, const view_t *table,
                               const view_t *before) {
  const int64_t n = view_count(&t->ids), cols = trial->layout->cols;
  int64_t first = 0;
  for (int64_t key = 0; key < table->tensor.shape[0]; ++key) {
    int64_t end = first;
    while (end < n && list[end].key == key) ++end;
    for (int64_t col = 0; col < cols; ++col) {
      const int64_t at = key * cols + col;
      const range_t range = {list, first, end, col};
      float value = sum_entries(trial, t, &range);
      const bool is_left = trial->accumulate != 0 && end == first;
      if (trial->accumulate != 0) value = (float)view_get(before, at) + value;
      if (is_left ? !view_is_untouched(table, before, at)
                  : !view_is_near(table, at, value, 0.0))
        return trial_complain("a gradient's row %lld, column %lld: %.9g, not %.9g",
                              (long long)key, (long long)col, view_get(table, at),
                              (double)value);
    }
    first = end;
  }
  return "";
}

static const char *check_backward(const embedding_trial_t *trial, const tensors_t *t) {
  const int64_t n = view_count(&t->ids), places = count_places(trial->layout);
  entry_t *list = calloc((size_t)n + 1, sizeof *list);
  const char *wrong = "";
  for (int64_t row = 0; row < n; ++row) {
    const int32_t id = get_id(t, row);
    list[row] = (entry_t){is_in_range(trial, id) ? id : -1, row};
  }
  qsort(list, (size_t)n, sizeof *list, compare_entries);
  if (!trial->no_tokens)
    wrong = check_table(trial, t, list, &t->dtokens, &t->dtokens_before);
  for (int64_t row = 0; row < n; ++row) list[row] = (entry_t){row % places, row};
  qsort(list, (size_t)n, sizeof *list, compare_entries);
  if (!trial->no_positions && wrong[0] == '\0')
    wrong = check_table(trial, t, list, &t->dpositions, &t->dpositions_before);
  free(list);
  return wrong;
}

static const char *explain(const embedding_trial_t *trial, const char *wrong) {
  static char whole[600];
  if (wrong[0] == '\0') return wrong;
  snprintf(whole, sizeof whole,
           "%s, dtype %d, tables %d, ids %d, p = %g, prepared %d, accumulate %d: %s",
           trial->layout->name, (int)trial->dtype, (int)trial->table_dtype,
           (int)trial->ids, trial->no_mask ? -1.0 : trial->mask.p, trial->prepared,
           (int)trial->accumulate, wrong);
  return whole;
}

const char *embedding_trial_run(cudrop_context_t *context,
                                const embedding_trial_t *trial) {
  tensors_t t = make_tensors(trial);
  const char *wrong = "";
  if (run_forward(context, trial, &t) != CUDROP_OK) wrong = cudrop_last_error();
  if (wrong[0] == '\0') wrong = check_forward(trial, &t);
  if (wrong[0] == '\0' && run_backward(context, trial, &t) != CUDROP_OK)
    wrong = cudrop_last_error();
  if (wrong[0] == '\0') wrong = check_backward(trial, &t);
  if (wrong[0] == '\0' &&
      !(view_is_fenced(&t.y, &t.y_before, true) &&
        view_is_fenced(&t.counter, &t.counter_before, true) &&
        view_is_fenced(&t.dtokens, &t.dtokens_before, !trial->no_tokens) &&
        view_is_fenced(&t.dpositions, &t.dpositions_before, !trial->no_positions)))
    wrong = "memory beside an output was written";
  free_tensors(&t);
  return explain(trial, wrong);
}
