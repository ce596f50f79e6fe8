/* work.h - a case with its memory: a call of the library that can be repeated. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "operand.h"

/* What can be timed: `run` puts the work on the context's stream, or does it. */
typedef struct {
  bool (*run)(void *argument);
  void *argument;
} bench_task_t;

typedef struct {
  bench_case_t what;
  cudrop_context_t *context;
  bench_operand_t x, keep, y;
  cudrop_mask_t mask;  /* by value, whether or not the call gets it so */
  void *block;         /* the prepared mask's, or NULL */
  cudrop_mask_t given; /* the mask that the call gets */
} bench_work_t;

/* Give it to bench_work_close(), also after a failure. */
bool bench_work_open(bench_work_t *work, cudrop_context_t *context,
                     const bench_case_t *what);
void bench_work_close(bench_work_t *work);

/* The call as a task; the work must not move while the task is used. */
bench_task_t bench_work_task(bench_work_t *work);

#endif /* BENCH_WORK_H */
