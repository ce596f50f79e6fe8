/*
 * embedding.h - looking up rows of tables, and summing the tables' gradients: one source for host
 * and GPU.
 *
 * The gradient of a table is computed from a list of entries. An entry is a row of dy; its key is
 * the row of the table that it is added to. The list for tokens is sorted by id, and equal ids stay
 * in the order of their rows. The list for positions goes place by place. The list is cut into
 * segments of 32 entries (4 in the picture).
 *
 *   keys       3 3 3 5 | 5 5 5 5 | 5 5 8 9
 *   segment       0    |    1    |    2
 *   level 1   0 . . . . . . . . . . . . . .
 *
 * The entries of one key in one segment are a run; they are added one by one. If a key has several
 * runs, the first is a head, which ends a segment; the others are tails, which begin segments. A
 * segment of the next level is made of 32 segments, its parts. The run of a key in that segment is
 * the sum of its runs in the parts, added one by one; again the run is all of the key, a head or a
 * tail. The levels go on until one segment is the whole list. Every sum begins with +0.
 *
 * So the sum of a key is a tree whose shape follows from the ids alone. Its bits are the same on
 * the host and on every GPU, and no chain of additions grows with the number of equal ids. The
 * first level is 0. The n entries of a key, n <= 32^k, lie in one or two segments of level k - 1,
 * so each entry goes through at most 31 k + 1 additions that round.
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
/* The gradient of each table is a plan of its own, which has only that table. */
enum {
  CUDROPI_EMBEDDING_GRADIENT_IDS = CUDROPI_EMBEDDING_IDS,
  CUDROPI_EMBEDDING_GRADIENT_DY,
  CUDROPI_EMBEDDING_GRADIENT_DTOKENS,
  CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS
};

enum {
  CUDROPI_SEGMENT = 32,  /* entries, or parts in a higher level, of a segment */
  CUDROPI_SORT_BITS = 8, /* bits of a key by which a pass sorts */
  CUDROPI_SORT_DIGITS = 1 << CUDROPI_SORT_BITS
};

/* How a row finds its rows in the tables. */
typedef struct {
  int64_t vocabulary;                 /* ids in [0, vocabulary) are in range */
  int64_t places;                     /* row r has place r % places */
  int64_t token_stride, place_stride; /* elements from row to row of the tables */
  uint64_t *out_of_range;             /* counts ids out of range; may be NULL */
  bool has_wide_ids;                  /* ids are int64_t, else int32_t */
} cudropi_lookup_t;

/* Is the id in range? */
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
  if (((uint64_t)row | (uint64_t)lookup->places) >> 32 == 0) /* fast on a GPU */
    return (uint32_t)row % (uint32_t)lookup->places;
  return row % lookup->places;
}

/* The entries of a table's gradient, and their sums. */
typedef struct {
  int64_t entries, segments;
  int64_t keys; /* rows of the table; a key >= keys is an id out of range */
  int64_t batches;
  bool is_sorted;            /* by id; else entry e has place e / batches */
  uint32_t *key[2], *row[2]; /* if sorted: the sort begins with key[0] and row[0] */
  int sorted;                /* the sorted list is in key[sorted] and row[sorted]; a GPU's
                                sort says where */
  int bits;                  /* of a key */
  void *temporary;           /* of the GPU's sort */
  int64_t width;      /* entries of a way in a launch: 32, or a part in higher levels */
  float *head, *tail; /* cols sums for each segment of 32 entries */
} cudropi_gather_t;

/* The passes of the host's sort, each from one array to the other. */
static inline int cudropi_count_passes(const cudropi_gather_t *gather) {
  return (gather->bits + CUDROPI_SORT_BITS - 1) / CUDROPI_SORT_BITS;
}

/* How many elements the rows of the table are apart. */
CUDROP_INLINE int64_t cudropi_table_stride(const cudropi_lookup_t *lookup,
                                           const cudropi_gather_t *gather) {
  return gather->is_sorted ? lookup->token_stride : lookup->place_stride;
}

CUDROP_INLINE uint32_t cudropi_entry_key(const cudropi_gather_t *gather, int64_t entry) {
  if (gather->is_sorted) return gather->key[gather->sorted][entry];
  return (uint32_t)entry / (uint32_t)gather->batches;
}

/* The row of dy for an entry. */
CUDROP_INLINE uint32_t cudropi_entry_row(const cudropi_gather_t *gather, int64_t entry) {
  if (gather->is_sorted) return gather->row[gather->sorted][entry];
  const uint32_t place = (uint32_t)entry / (uint32_t)gather->batches;
  const uint32_t batch = (uint32_t)entry - place * (uint32_t)gather->batches;
  return batch * (uint32_t)gather->keys + place;
}

/* Does entry `first` have the same key as the entry before it? */
CUDROP_INLINE bool cudropi_has_tail(const cudropi_gather_t *gather, int64_t first) {
  return first > 0 &&
         cudropi_entry_key(gather, first - 1) == cudropi_entry_key(gather, first);
}

/* Does entry `end` have the same key as the entry before it? */
CUDROP_INLINE bool cudropi_goes_on(const cudropi_gather_t *gather, int64_t end) {
  return end < gather->entries &&
         cudropi_entry_key(gather, end - 1) == cudropi_entry_key(gather, end);
}

/* Do entries [first, end) end with a head: the first run of a key that goes on at `end`? */
CUDROP_INLINE bool cudropi_has_head(const cudropi_gather_t *gather, int64_t first,
                                    int64_t end) {
  return cudropi_goes_on(gather, end) &&
         !(cudropi_has_tail(gather, first) &&
           cudropi_entry_key(gather, first) == cudropi_entry_key(gather, end - 1));
}

/*
 * The row of `head` and `tail` for the segment of 32 entries that has this entry. The tail of a
 * segment of any level lies in the row of the segment's first entry. It replaces the tail of the
 * first part, which is contained in it. The head lies in the row of the segment's last entry. If
 * the head begins before the last part, the last part has no head of its own.
 */
CUDROP_INLINE int64_t cudropi_find_slot(int64_t entry) {
  return entry / CUDROPI_SEGMENT;
}

/* How many segments a list has. */
CUDROP_INLINE int64_t cudropi_count_segments(int64_t entries) {
  return entries / CUDROPI_SEGMENT + (entries % CUDROPI_SEGMENT != 0);
}

/*
 * The temporary bytes of the GPU's sort, enough for fewer entries too. CUB sorts up to 4,864
 * entries without any. For more it keeps 256 counts of 4 bytes for each of up to 4 passes and for
 * each tile, and a tile has more than 7,000 entries. tests/test_sort_calls.c asks CUB.
 */
CUDROP_INLINE int64_t cudropi_count_temporary_bytes(int64_t entries) {
  return entries <= 2048 ? 2048 : (entries / 2048 + 8) * 1024;
}

/* The options of a plan. */
typedef struct {
  cudropi_lookup_t lookup;
  cudropi_gather_t gather; /* gradients only */
} cudropi_embedding_t;

static inline const cudropi_embedding_t *cudropi_embedding(const cudropi_plan_t *plan) {
  return (const cudropi_embedding_t *)(const void *)plan->options;
}

/* The table whose gradient is summed. */
CUDROP_INLINE int cudropi_find_table(const cudropi_gather_t *gather) {
  return gather->is_sorted ? CUDROPI_EMBEDDING_GRADIENT_DTOKENS
                           : CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS;
}

CUDROPI_DECLARE_HOST(cudropi_embedding_forward);
CUDROPI_DECLARE_HOST(cudropi_embedding_gradient);
int cudropi_launch_embedding(const struct cudropi_work *work);
int cudropi_launch_embedding_gradient(const struct cudropi_work *work); /* sorts first */
/* List the entries and sort the list: *sorted is what gather->sorted becomes. */
int cudropi_launch_list(const struct cudropi_work *work, int *sorted);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_EMBEDDING_H */
