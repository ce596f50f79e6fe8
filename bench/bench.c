/* bench.c - the cases that the options select, one after another. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "report.h"

enum {
  SMALL = 1024, /* elements of a case whose latency is measured */
  COLS = 1024,  /* elements of a row, unless the options say otherwise */
  NO_ROOF = 8   /* bytes that are too few to be copied: a number and no tensor */
};

/* ---- What the options leave open --------------------------------------------------------- */

static const struct {
  int64_t n[BENCH_SIZES];
  int sizes, repeats;
} choices[2][3] = {
    /* not quick, and quick */
    [false] = {[CUDROP_HOST] = {{1 << 12, 1 << 16, 1 << 20, 1 << 24}, 4, 11},
               [CUDROP_CUDA] = {{1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 28}, 5, 31}},
    [true] = {[CUDROP_HOST] = {{1 << 12, 1 << 18}, 2, 5},
              [CUDROP_CUDA] = {{1 << 12, 1 << 20, 1 << 24}, 3, 11}},
};

static bench_options_t choose(const bench_options_t *options, cudrop_backend_t backend) {
  bench_options_t chosen = *options;
  char word[BENCH_TEXT];
  if (chosen.operators == 0)
    bench_select(BENCH_OPERATOR_NAMES, "all", &chosen.operators, word);
  if (chosen.dtypes == 0)
    bench_select(BENCH_DTYPE_NAMES, "F32,BF16", &chosen.dtypes, word);
  if (chosen.layouts == 0)
    bench_select(BENCH_LAYOUT_NAMES, "dense", &chosen.layouts, word);
  if (chosen.sizes == 0) {
    memcpy(chosen.n, choices[chosen.is_quick][backend].n, sizeof chosen.n);
    chosen.sizes = choices[chosen.is_quick][backend].sizes;
  }
  if (chosen.cols == 0) chosen.cols = COLS;
  if (chosen.repeats == 0) chosen.repeats = choices[chosen.is_quick][backend].repeats;
  return chosen;
}

/* ---- Cases ------------------------------------------------------------------------------- */

static bool is_in(uint32_t set, int k) {
  return (set >> k & 1) != 0;
}

/* Every case of one layout and size that fits the options; counts them if `cases` is NULL. */
static int list_cases(const bench_options_t *options, bench_layout_id_t layout, int64_t n,
                      bench_case_t *cases) {
  int count = 0;
  for (int op = 0; op < BENCH_OPERATORS; ++op) {
    for (int dtype = 0; dtype < BENCH_DTYPES; ++dtype) {
      bench_case_t what = {.op = (bench_operator_id_t)op,
                           .dtype = (cudrop_dtype_t)dtype,
                           .layout = layout,
                           .n = n,
                           .p = options->p,
                           .cols = options->cols};
      if (!is_in(options->operators, op) || !bench_fit(&what) ||
          (dtype != 0 && !is_in(options->dtypes, dtype)))
        continue;
      if (cases != NULL) cases[count] = what;
      ++count;
    }
  }
  return count;
}

static int list_all_cases(const bench_options_t *options, bench_case_t *cases) {
  int count = 0;
  for (int layout = 0; layout < BENCH_LAYOUTS; ++layout)
    for (int k = 0; k < options->sizes && is_in(options->layouts, layout); ++k)
      count += list_cases(options, (bench_layout_id_t)layout, options->n[k],
                          cases != NULL ? cases + count : NULL);
  return count;
}

int bench_count_cases(const bench_options_t *options) {
  const bench_options_t chosen = choose(options, CUDROP_HOST);
  return list_all_cases(&chosen, NULL);
}

/* Make the call once and look at what it did. */
static bench_verdict_t verify(const bench_options_t *options, bench_work_t *work) {
  const bench_task_t task = bench_work_task(work);
  if (!task.run(task.argument) || !bench_ok(cudrop_synchronize(work->context)))
    return BENCH_FAILED;
  if (options->tamper != NULL) options->tamper(work);
  return bench_inspect(work);
}

static bench_verdict_t time_work(bench_machine_t *machine, const bench_options_t *options,
                                 bench_work_t *work, bench_row_t *row) {
  const bench_task_t task = bench_work_task(work);
  const size_t moved = bench_bytes(&work->what);
  const size_t bytes = moved > NO_ROOF ? moved : 0;
  return bench_measure(machine, &task, bytes, true, options->repeats, &row->cold) &&
                 bench_measure(machine, &task, bytes, false, options->repeats, &row->warm)
             ? BENCH_RIGHT
             : BENCH_FAILED;
}

static void count_verdict(bench_outcome_t *outcome, bench_verdict_t verdict) {
  outcome->measured += verdict == BENCH_RIGHT;
  outcome->wrong += verdict == BENCH_WRONG;
  outcome->failed += verdict == BENCH_FAILED;
}

static void run_row(bench_machine_t *machine, const bench_options_t *options,
                    const bench_case_t *what, bench_row_t *row) {
  bench_work_t work;
  *row = (bench_row_t){.what = *what, .verdict = BENCH_FAILED};
  if (bench_work_open(&work, machine->context, what))
    row->verdict = verify(options, &work);
  if (row->verdict == BENCH_RIGHT) row->verdict = time_work(machine, options, &work, row);
  if (row->verdict != BENCH_RIGHT)
    snprintf(row->reason, sizeof row->reason, "%s", bench_failure());
  bench_work_close(&work);
}

/*
 * The document so far, over the one before: a run that is killed leaves what it has measured. A
 * pipe takes it once, when all is done.
 */
static void write_so_far(const bench_report_t *report, bool is_done) {
  FILE *json = report->options.json;
  if (json == NULL || (fseek(json, 0, SEEK_SET) != 0 && !is_done)) return;
  bench_write_json(json, report);
  fflush(json);
}

static void run_rows(bench_machine_t *machine, const bench_case_t *cases, int count,
                     FILE *table, bench_report_t *report) {
  const double start = bench_now();
  for (int k = 0; k < count; ++k) {
    const double seconds = (bench_now() - start) * 1e-9;
    if (report->options.budget > 0.0 && seconds > report->options.budget) {
      report->outcome.left_out = count - k;
      break;
    }
    bench_row_t *row = &report->rows[report->row_count++];
    run_row(machine, &report->options, &cases[k], row);
    count_verdict(&report->outcome, row->verdict);
    bench_print_row(table, row);
    write_so_far(report, false);
  }
}

/* ---- Latency ----------------------------------------------------------------------------- */

/* A kernel of one thread that changes nothing. */
typedef struct {
  cudrop_context_t *context;
  cudrop_prepared_t *block;
} empty_t;

static bool run_empty(void *argument) {
  const empty_t *empty = argument;
  return bench_ok(cudrop_advance(empty->context, empty->block, 0));
}

static bool time_empty(bench_machine_t *machine, const bench_options_t *options,
                       bench_small_t *small) {
  empty_t empty = {machine->context, NULL};
  const cudrop_mask_t mask = cudrop_mask(0, 0, options->p);
  const bench_task_t task = {run_empty, &empty};
  const bool timed =
      bench_ok(cudrop_prepared_create(machine->context, &mask, &empty.block)) &&
      bench_measure_latency(machine, &task, options->repeats, &small->latency);
  (void)cudrop_prepared_destroy(machine->context, &empty.block);
  return timed;
}

static void run_small(bench_machine_t *machine, const bench_options_t *options,
                      bench_small_t *small) {
  bench_work_t work;
  small->verdict = BENCH_FAILED;
  if (small->what.n == 0) {
    if (time_empty(machine, options, small)) small->verdict = BENCH_RIGHT;
  } else {
    const bench_task_t task = bench_work_task(&work);
    if (bench_work_open(&work, machine->context, &small->what))
      small->verdict = verify(options, &work);
    if (small->verdict == BENCH_RIGHT &&
        !bench_measure_latency(machine, &task, options->repeats, &small->latency))
      small->verdict = BENCH_FAILED;
  }
  if (small->verdict != BENCH_RIGHT)
    snprintf(small->reason, sizeof small->reason, "%s", bench_failure());
  if (small->what.n > 0) bench_work_close(&work);
}

/* The empty kernel, then every operator and type that was selected. */
static bool run_smalls(bench_machine_t *machine, FILE *table, bench_report_t *report) {
  const int count = list_cases(&report->options, BENCH_DENSE, SMALL, NULL);
  bench_case_t *cases = calloc((size_t)count + 1, sizeof *cases);
  report->smalls = calloc((size_t)count + 1, sizeof *report->smalls);
  if (cases == NULL || report->smalls == NULL) {
    free(cases);
    return bench_fail("no memory for %d cases", count);
  }
  list_cases(&report->options, BENCH_DENSE, SMALL, cases);
  bench_print_small_head(table);
  for (int k = 0; k <= count; ++k) {
    bench_small_t *small = &report->smalls[report->small_count++];
    if (k > 0) small->what = cases[k - 1];
    run_small(machine, &report->options, small);
    report->outcome.wrong += small->verdict == BENCH_WRONG;
    report->outcome.failed += small->verdict == BENCH_FAILED;
    bench_print_small(table, small);
    write_so_far(report, false);
  }
  free(cases);
  return true;
}

/* ---- All --------------------------------------------------------------------------------- */

static bool run_report(bench_machine_t *machine, FILE *table, bench_report_t *report) {
  const int count = list_all_cases(&report->options, NULL);
  bench_case_t *cases = calloc((size_t)count + 1, sizeof *cases);
  report->rows = calloc((size_t)count + 1, sizeof *report->rows);
  bool done = cases != NULL && report->rows != NULL;
  if (done) {
    list_all_cases(&report->options, cases);
    bench_print_head(table, report);
    run_rows(machine, cases, count, table, report);
    done = run_smalls(machine, table, report);
  } else {
    bench_fail("no memory for %d cases", count);
  }
  if (done) bench_print_foot(table, report);
  if (done) write_so_far(report, true);
  free(cases);
  return done;
}

bool bench_run(const bench_options_t *options, FILE *table, bench_outcome_t *outcome) {
  bench_machine_t machine;
  bench_report_t report = {.machine = &machine};
  bool done =
      bench_machine_open(&machine, options->backend, options->device, options->threads);
  if (done) {
    report.options = choose(options, machine.backend);
    done = run_report(&machine, table, &report);
  }
  *outcome = report.outcome;
  free(report.rows);
  free(report.smalls);
  bench_machine_close(&machine);
  return done;
}
