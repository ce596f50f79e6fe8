/* report.h - what was measured: as a table, and as a JSON document. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench.h"
#include "measure.h"

/* A case, measured if it is RIGHT; else the reason why not. */
typedef struct {
  bench_case_t what;
  bench_verdict_t verdict;
  char reason[256];
  bench_times_t cold, warm;
} bench_row_t;

/* A small case, or with n = 0 the empty kernel. */
typedef struct {
  bench_case_t what;
  bench_verdict_t verdict;
  char reason[256];
  bench_latency_t latency;
} bench_small_t;

typedef struct {
  bench_options_t options; /* with what was chosen filled in */
  const bench_machine_t *machine;
  bench_row_t *rows;
  int row_count;
  bench_small_t *smalls;
  int small_count;
  bench_outcome_t outcome;
} bench_report_t;

/* What the table's columns are: lines of text, indented by two. */
extern const char bench_legend[];

/* The table, a piece at a time. The head has the legend. */
void bench_print_head(FILE *to, const bench_report_t *report);
void bench_print_row(FILE *to, const bench_row_t *row);
void bench_print_small_head(FILE *to);
void bench_print_small(FILE *to, const bench_small_t *small);
void bench_print_foot(FILE *to, const bench_report_t *report);

void bench_write_json(FILE *to, const bench_report_t *report);

/* git's description of the commit that was built. */
extern const char bench_commit[];

#endif /* BENCH_REPORT_H */
