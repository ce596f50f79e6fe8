/*
 * embedding.h - looking rows of tables up, and summing their gradients: one text for the host
 * and the GPU.
 *
 * The gradient of a table is a list of entries, a row of dy each, whose key is the row of the
 * table that it belongs to: of the tokens sorted by id, where equal ids stay in the order of
 * their rows; of the positions place by place. The list is cut into segments.
 *
 *   keys       3 3 3 5 | 5 5 5 5 | 5 5 8 9
 *   segment       0    |    1    |    2
 *
 * The entries of one key in one segment are a run; they are added one by one. A key that has
 * several runs ends a segment with its first, the head, and begins segments with the others,
 * its tails, which are added to the head in order. Every sum begins with +0. So its order
 * follows from the ids alone, and its bits are the same on the host and on every GPU.
 */
#ifndef CUDROP_EMBEDDING_H
#define CUDROP_EMBEDDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/philox.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CUDROPI_SEGMENT = 32,     /* entries */
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
} cudropi_lookup_t;

/* Is it the number of a row of the tokens? */
CUDROP_INLINE bool cudropi_is_token(const cudropi_lookup_t *lookup, int32_t id) {
  return id >= 0 && id < lookup->vocabulary;
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
  uint32_t *counts;   /* the sort's: of each digit in each tile; then of each digit */
  int passes;         /* of the sort; the result is in key[passes % 2] */
  float *head, *tail; /* of each segment: a row of the table */
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

/* Is the key of a segment's first or last entry also that of the neighbour beyond it? */
CUDROP_INLINE bool cudropi_has_tail(const cudropi_gather_t *gather, int64_t segment) {
  const int64_t first = segment * CUDROPI_SEGMENT;
  return first > 0 &&
         cudropi_entry_key(gather, first - 1) == cudropi_entry_key(gather, first);
}
CUDROP_INLINE bool cudropi_goes_on(const cudropi_gather_t *gather, int64_t segment) {
  const int64_t end = (segment + 1) * CUDROPI_SEGMENT;
  return end < gather->entries &&
         cudropi_entry_key(gather, end - 1) == cudropi_entry_key(gather, end);
}

/* Does the segment end with a head: the first run of a key that goes on? */
CUDROP_INLINE bool cudropi_has_head(const cudropi_gather_t *gather, int64_t segment) {
  const int64_t first = segment * CUDROPI_SEGMENT;
  const int64_t last = first + CUDROPI_SEGMENT - 1;
  return cudropi_goes_on(gather, segment) &&
         !(cudropi_has_tail(gather, segment) &&
           cudropi_entry_key(gather, first) == cudropi_entry_key(gather, last));
}

/* How many segments a list has. */
CUDROP_INLINE int64_t cudropi_count_segments(int64_t entries) {
  return entries / CUDROPI_SEGMENT + (entries % CUDROPI_SEGMENT != 0);
}

/* The bytes that it needs for `entries` rows of `cols` columns; SIZE_MAX past it. */
size_t cudropi_gather_bytes(int64_t entries, int64_t cols, bool is_sorted);

/* Deal that memory out. */
void cudropi_gather_place(cudropi_gather_t *gather, int64_t cols, void *memory);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_EMBEDDING_H */
