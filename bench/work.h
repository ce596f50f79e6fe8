/* work.h - a case with its memory: a call of the library that can be repeated. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "operand.h"

/* What can be timed: `run` puts the work on the context's stream, or does it. */
typedef struct {
  bool (*run)(void *argument);
  void *argument;
} bench_task_t;

enum { BENCH_MOST_OPERANDS = 12 };

typedef struct {
  bench_case_t what;
  cudrop_context_t *context;
  bench_operand_t operand[BENCH_MOST_OPERANDS]; /* as the family numbers them */
  cudrop_mask_t mask;                           /* by value, however the call gets it */
  cudrop_prepared_t *block;                     /* the prepared mask's, or NULL */
  cudrop_mask_t given;                          /* the mask that the call gets */
  void *workspace;                              /* that the call is lent, or NULL */
  size_t workspace_bytes;
} bench_work_t;

/* Of a case that was fitted. Give it to bench_work_close(), also after a failure. */
bool bench_work_open(bench_work_t *work, cudrop_context_t *context,
                     const bench_case_t *what);
void bench_work_close(bench_work_t *work);

/* The call as a task; the work must not move while the task is used. */
bench_task_t bench_work_task(bench_work_t *work);

/* Of a case: its result is right, or wrong, or something else went wrong. */
typedef enum { BENCH_RIGHT, BENCH_WRONG, BENCH_FAILED } bench_verdict_t;

/* Up to so many elements are inspected one and all; of more, some. */
enum { BENCH_INSPECTED = 1 << 20 };

/*
 * Compare what the work's outputs hold after ONE call with what they should hold. WRONG comes
 * with a failure that names the first element which is wrong, FAILED with one that says why the
 * outputs cannot be read.
 */
bench_verdict_t bench_inspect(const bench_work_t *work);

#endif /* BENCH_WORK_H */
