/*
 * rowwise.h - the family of operators on rows, each described by a table of its operands.
 *
 * A case is a batch of samples, a sample is rows, a row is what the operator works along:
 *
 *   full     [batch, inner, cols]     inner: the queries of an attention, the positions of an
 *                                     embedding's sentence, or all rows in one sample
 *   row      [cols]                   a vector, of parameters or their gradients
 *   each     [batch, inner]           an element a row
 *   table    [vocabulary, cols]       a row for each id
 *   places   [inner, cols]            a row for each position in a sample
 *
 * How the outputs are inspected is in rowwise_reference.h.
 */
#ifndef BENCH_ROWWISE_H
#define BENCH_ROWWISE_H

#include "family.h"

typedef enum {
  BENCH_ALL, /* of the extent that an operand has */
  BENCH_FULL,
  BENCH_SEEN, /* as much of a full tensor as a causal attention looks at */
  BENCH_ROW,
  BENCH_EACH,
  BENCH_TABLE,
  BENCH_PLACES,
  BENCH_EXTENTS
} bench_extent_t;

typedef struct {
  const char *name;
  bench_extent_t extent;
  bench_extent_t moved; /* how much of it is read or written */
  cudrop_dtype_t dtype; /* 0: that of the case */
  bool is_output;
} bench_member_t;

/* What the rows of a sample are. */
typedef enum { BENCH_ALL_ROWS, BENCH_QUERIES, BENCH_POSITIONS } bench_inner_t;

typedef struct {
  int64_t batch, inner, cols;
  int64_t rows; /* of the batch */
  int64_t vocabulary;
} bench_sizes_t;

typedef struct bench_reference bench_reference_t;
typedef struct bench_near bench_near_t;

typedef struct {
  bench_member_t members[BENCH_MOST_OPERANDS]; /* to the first without a name */
  bench_inner_t inner;
  /* The workspace that is enough; NULL for none. */
  cudrop_status_t (*query)(int64_t rows, int64_t cols, size_t *bytes);
  cudrop_status_t (*call)(const bench_work_t *work);
  /* What must be there; rowwise_reference.h. */
  void (*begin)(bench_reference_t *row);
  void (*expect)(const bench_reference_t *row, int64_t col, bench_near_t *near);
} bench_rowwise_t;

extern const bench_rowwise_t bench_fused_forward, bench_fused_backward,
    bench_norm_forward, bench_norm_backward, bench_attention_forward,
    bench_attention_reapply, bench_attention_backward, bench_embedding_forward,
    bench_embedding_backward;

/* The operator of a case. */
const bench_rowwise_t *bench_find_rowwise(const bench_case_t *what);

/* The sizes of a case that was fitted, and how many elements an extent has. */
bench_sizes_t bench_find_sizes(const bench_case_t *what);
int64_t bench_count(const bench_sizes_t *sizes, bench_extent_t extent);

/* How many keys a query sees: queries are the last ones of a sequence, as with a cache. */
int64_t bench_count_visible(const bench_sizes_t *sizes, int64_t query);

bench_verdict_t bench_rowwise_inspect(const bench_work_t *work);

#endif /* BENCH_ROWWISE_H */
