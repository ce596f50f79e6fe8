/*
 * catalogue.h - what can be measured: operators, element types and layouts, by name, and the
 * bytes that each case is said to move.
 */
#ifndef BENCH_CATALOGUE_H
#define BENCH_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

typedef enum {
  BENCH_FORWARD,
  BENCH_FORWARD_PREPARED, /* the same with a mask that lies in memory */
  BENCH_BACKWARD,
  BENCH_ACCUMULATE,
  BENCH_ALPHA_FORWARD,
  BENCH_ALPHA_BACKWARD,
  BENCH_EXPORT_BITS,
  BENCH_EXPORT_BYTES,
  BENCH_EXPORT_SCALE,
  BENCH_COUNT_KEPT,
  BENCH_APPLY_BYTES,
  BENCH_APPLY_BITS,
  BENCH_FUSED_FORWARD,
  BENCH_FUSED_BACKWARD,
  BENCH_NORM_FORWARD,
  BENCH_NORM_BACKWARD,
  BENCH_ATTENTION_FORWARD,
  BENCH_ATTENTION_REAPPLY,
  BENCH_ATTENTION_BACKWARD,
  BENCH_EMBEDDING_FORWARD,
  BENCH_EMBEDDING_BACKWARD,
  BENCH_OPERATORS
} bench_operator_id_t;

typedef enum {
  BENCH_DENSE,
  BENCH_MISALIGNED,
  BENCH_SHARD,
  BENCH_TRANSPOSED,
  BENCH_SECOND,
  BENCH_CHANNELS,
  BENCH_LAYOUTS
} bench_layout_id_t;

/* One past the last cudrop_dtype_t. */
enum { BENCH_DTYPES = CUDROP_I64 + 1 };

/* What operators of one kind have in common; family.h. */
typedef struct bench_family bench_family_t;

typedef struct {
  const char *name;
  const bench_family_t *family;
} bench_operator_t;

extern const bench_operator_t bench_operators[BENCH_OPERATORS];

/* One thing to measure. Operators whose operands are masks alone have dtype 0. */
typedef struct {
  bench_operator_id_t op;
  cudrop_dtype_t dtype;
  bench_layout_id_t layout;
  int64_t n;
  double p;
  int64_t cols; /* of an operator on rows; elementwise 0 */
} bench_case_t;

/*
 * Let n and cols be what the operator takes of them: whole rows, and one row where n is less.
 * False: there is no such case.
 */
bool bench_fit(bench_case_t *what);

/* The bytes of a case that was fitted: every operand counted once for each way. */
size_t bench_bytes(const bench_case_t *what);

enum { BENCH_TEXT = 96 };

/* The formula of bench_bytes() in words, as in "2 * n * size + n"; returns `text`. */
const char *bench_formula(bench_operator_id_t op, char text[BENCH_TEXT]);

/* Add `count` times something to a formula, nothing for a count of 0. */
void bench_add_term(char text[BENCH_TEXT], int count, const char *words);

/* What lists of words select from. */
typedef enum {
  BENCH_OPERATOR_NAMES,
  BENCH_DTYPE_NAMES,
  BENCH_LAYOUT_NAMES
} bench_names_t;

/* The name of entry k, NULL where there is none to select; "-" for dtype 0. */
const char *bench_name(bench_names_t names, int k);

/*
 * Read names with commas between them, or "all", into a set: bit k for entry k. False for a
 * word that names nothing, which is copied to `word`.
 */
bool bench_select(bench_names_t names, const char *list, uint32_t *set,
                  char word[BENCH_TEXT]);

#endif /* BENCH_CATALOGUE_H */
