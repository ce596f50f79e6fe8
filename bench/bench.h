/*
 * bench.h - measure the library on this machine: what `cudrop bench` does.
 *
 * Each case is verified before it is timed; one whose result is wrong is reported and not
 * timed.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>

#include "work.h"

enum { BENCH_SIZES = 32 };

/* Sets and numbers that are 0 are chosen for the backend. */
typedef struct {
  cudrop_backend_t backend;
  int device;
  int threads;                         /* of the host */
  uint32_t operators, dtypes, layouts; /* sets of bench_select() */
  int64_t n[BENCH_SIZES];
  int sizes;
  int cols; /* elements of a row, of operators on rows */
  double p;
  int repeats;   /* at most BENCH_MOST_REPEATS */
  double budget; /* no case is begun after so many seconds; 0: no limit */
  bool is_quick; /* what is chosen takes seconds */
  FILE *json;    /* NULL, or where the document goes */
  /* For tests of the harness: called between a call and its inspection, if not NULL. */
  void (*tamper)(bench_work_t *work);
} bench_options_t;

/* How many cases there were: measured, with a wrong result, failed, and not begun. */
typedef struct {
  int measured, wrong, failed, left_out;
} bench_outcome_t;

/* How many cases the options select; 0: no operator takes these types in these layouts. */
int bench_count_cases(const bench_options_t *options);

/*
 * Measure every case that the options select, and print a table to `table`. False with a
 * failure if the machine cannot be opened; what happens to cases is in
 * *outcome.
 */
bool bench_run(const bench_options_t *options, FILE *table, bench_outcome_t *outcome);

#endif /* BENCH_H */
