/*
 * embedding.h - looking rows of tables up, and summing their gradients: one text for the host
 * and the GPU.
 *
 * The gradient of a table is a list of entries, a row of dy each, whose key is the row of the
 * table that it belongs to: of the tokens sorted by id, where equal ids stay in the order of
 * their rows; of the positions place by place. The list is cut into segments of 32 entries.
 *
 *   keys       3 3 3 5 | 5 5 5 5 | 5 5 8 9
 *   segment       0    |    1    |    2
 *   level 1   0 . . . . . . . . . . . . . .
 *
 * The entries of one key in one segment are a run; they are added one by one. A key that has
 * several runs ends a segment with its first, the head, and begins segments with the others,
 * its tails. A segment of the next level is 32 segments, the parts of it: what a key has there
 * is the sum of its runs in the parts, added one by one, and again is all of the key, a head or a
 * tail. The levels go on until one segment is the whole list. Every sum begins with +0.
 *
 * So the sum of a key is a tree whose shape follows from the ids alone: its bits are the same on
 * the host and on every GPU, and no chain of additions grows with the number of equal ids. n
 * entries, n <= 32^k, lie in one or two segments of level k - 1 (the first level is 0), so that
 * each entry is in at most 31 k + 1 additions that round.
 */
#ifndef CUDROP_EMBEDDING_H
#define CUDROP_EMBEDDING_H

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CUDROPI_EMBEDDING_IDS,
  CUDROPI_EMBEDDING_TOKENS,
  CUDROPI_EMBEDDING_POSITIONS,
  CUDROPI_EMBEDDING_Y,
  CUDROPI_EMBEDDING_COUNTER
};
/* The gradient of a table is one plan, which has one of the tables. */
enum {
  CUDROPI_EMBEDDING_GRADIENT_IDS = CUDROPI_EMBEDDING_IDS,
  CUDROPI_EMBEDDING_GRADIENT_DY,
  CUDROPI_EMBEDDING_GRADIENT_DTOKENS,
  CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS
};

enum {
  CUDROPI_SEGMENT = 32,     /* entries; parts of a segment of a higher level */
  CUDROPI_SORT_TILE = 2048, /* entries that are sorted by a block at a time */
  CUDROPI_SORT_BITS = 8,    /* of a key, by which a pass sorts */
  CUDROPI_SORT_DIGITS = 1 << CUDROPI_SORT_BITS
};

/* Tables by ids and by places. */
typedef struct {
  int64_t vocabulary;                 /* ids from 0 to below it are in range */
  int64_t places;                     /* row r has place r % places */
  int64_t token_stride, place_stride; /* elements from row to row of the tables */
  uint64_t *out_of_range;             /* to be counted there, or NULL */
  bool has_wide_ids;                  /* int64_t, not int32_t */
} cudropi_lookup_t;

/* Is it the number of a row of the tokens? */
CUDROP_INLINE bool cudropi_is_token(const cudropi_lookup_t *lookup, int64_t id) {
  return id >= 0 && id < lookup->vocabulary;
}

/* Element `at` of the ids. */
CUDROP_INLINE int64_t cudropi_read_id(const cudropi_lookup_t *lookup, const void *ids,
                                      int64_t at) {
  if (lookup->has_wide_ids) return ((const int64_t *)ids)[at];
  return ((const int32_t *)ids)[at];
}

CUDROP_INLINE int64_t cudropi_find_place(const cudropi_lookup_t *lookup, int64_t row) {
  if (((uint64_t)row | (uint64_t)lookup->places) >> 32 == 0) /* which is fast on a GPU */
    return (uint32_t)row % (uint32_t)lookup->places;
  return row % lookup->places;
}

/* The entries of a table's gradient, and their sums. */
typedef struct {
  int64_t entries, segments;
  int64_t keys; /* rows of the table; a key past them is that of an id out of range */
  int64_t batches;
  bool is_sorted;            /* by token; else entry e has place e / batches */
  uint32_t *key[2], *row[2]; /* sorted: what is sorted, and where to */
  uint32_t *counts; /* the sort's: of each digit in each tile; then of each digit */
  int passes;       /* of the sort; the result is in key[passes % 2] */
  int64_t width; /* entries that a way of a launch has: 32, and of higher levels a part */
  float *head, *tail; /* of each segment of 32 entries: a row of the table */
} cudropi_gather_t;

/* Elements from row to row of the table. */
CUDROP_INLINE int64_t cudropi_table_stride(const cudropi_lookup_t *lookup,
                                           const cudropi_gather_t *gather) {
  return gather->is_sorted ? lookup->token_stride : lookup->place_stride;
}

CUDROP_INLINE uint32_t cudropi_entry_key(const cudropi_gather_t *gather, int64_t entry) {
  if (gather->is_sorted) return gather->key[gather->passes % 2][entry];
  return (uint32_t)entry / (uint32_t)gather->batches;
}

/* The row of dy. */
CUDROP_INLINE uint32_t cudropi_entry_row(const cudropi_gather_t *gather, int64_t entry) {
  if (gather->is_sorted) return gather->row[gather->passes % 2][entry];
  const uint32_t place = (uint32_t)entry / (uint32_t)gather->batches;
  const uint32_t batch = (uint32_t)entry - place * (uint32_t)gather->batches;
  return batch * (uint32_t)gather->keys + place;
}

/* Is the key of entry `first` also that of the one before it? */
CUDROP_INLINE bool cudropi_has_tail(const cudropi_gather_t *gather, int64_t first) {
  return first > 0 &&
         cudropi_entry_key(gather, first - 1) == cudropi_entry_key(gather, first);
}

/* Is the key of the entry before `end` also that of the one there? */
CUDROP_INLINE bool cudropi_goes_on(const cudropi_gather_t *gather, int64_t end) {
  return end < gather->entries &&
         cudropi_entry_key(gather, end - 1) == cudropi_entry_key(gather, end);
}

/* Do entries first to end end with the first run of a key that goes on? */
CUDROP_INLINE bool cudropi_has_head(const cudropi_gather_t *gather, int64_t first,
                                    int64_t end) {
  return cudropi_goes_on(gather, end) &&
         !(cudropi_has_tail(gather, first) &&
           cudropi_entry_key(gather, first) == cudropi_entry_key(gather, end - 1));
}

/*
 * The row of what is kept of each segment of 32 entries, for the segment that has this entry. The
 * tail of a segment of any level lies in the row of its first entry: the tail of its first part,
 * which is a part of it, is not needed any more. The head lies in the row of its last entry: where
 * the head begins before the last part, that part has no head of its own.
 */
CUDROP_INLINE int64_t cudropi_find_slot(int64_t entry) {
  return entry / CUDROPI_SEGMENT;
}

/* How many segments a list has. */
CUDROP_INLINE int64_t cudropi_count_segments(int64_t entries) {
  return entries / CUDROPI_SEGMENT + (entries % CUDROPI_SEGMENT != 0);
}

/* The options of a plan. */
typedef struct {
  cudropi_lookup_t lookup;
  cudropi_gather_t gather; /* of a gradient */
} cudropi_embedding_t;

static inline const cudropi_embedding_t *cudropi_embedding(const cudropi_plan_t *plan) {
  return (const cudropi_embedding_t *)(const void *)plan->options;
}

/* The table that a gradient of one is for. */
CUDROP_INLINE int cudropi_find_table(const cudropi_gather_t *gather) {
  return gather->is_sorted ? CUDROPI_EMBEDDING_GRADIENT_DTOKENS
                           : CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS;
}

CUDROPI_DECLARE_HOST(cudropi_embedding_forward);
CUDROPI_DECLARE_HOST(cudropi_embedding_gradient);
int cudropi_launch_embedding(const struct cudropi_work *work);
int cudropi_launch_embedding_gradient(const struct cudropi_work *work); /* after ... */
int cudropi_launch_sort(const struct cudropi_work *work);               /* ... this */

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_EMBEDDING_H */
