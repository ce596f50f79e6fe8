/*
 * family.h - a family of operators: what the harness asks of all, whatever they take.
 *
 *   fit      a case becomes one that there is
 *   open     its operands are allocated and filled
 *   call     the call that is timed
 *   inspect  what the call has written beside what it should have
 *   bytes    what the case is said to move, and the same in words
 *
 * Everything that a work holds is given back by bench_work_close(), for all families.
 */
#ifndef BENCH_FAMILY_H
#define BENCH_FAMILY_H

#include "work.h"

struct bench_family {
  const char *name; /* which stands for all its operators in a list */
  /* As bench_fit(), of a case whose dtype is 0 or one that is measured. */
  bool (*fit)(bench_case_t *what);
  /* Describe and open the work's operands, in work->operand, and what else the call needs. */
  bool (*open)(bench_work_t *work);
  cudrop_status_t (*call)(const bench_work_t *work);
  bench_verdict_t (*inspect)(const bench_work_t *work);
  size_t (*bytes)(const bench_case_t *what);
  /* Add the terms of the formula to an empty text. */
  void (*state)(bench_operator_id_t op, char text[BENCH_TEXT]);
};

extern const bench_family_t bench_elementwise; /* sections 7 to 11 of cudrop.h */
extern const bench_family_t bench_rowwise;     /* sections 12 to 16 */

#endif /* BENCH_FAMILY_H */
