/* table.c - the report as lines of text. */
#include <math.h>

#include "report.h"

/* n as people write it: a power of 2 as one. */
static const char *format_count(int64_t n, char text[BENCH_TEXT]) {
  const bool is_power = n > 0 && (n & (n - 1)) == 0;
  if (is_power && n >= 1024)
    snprintf(text, BENCH_TEXT, "2^%d", __builtin_ctzll((unsigned long long)n));
  else
    snprintf(text, BENCH_TEXT, "%lld", (long long)n);
  return text;
}

/* A number in a column, or a dash where there is none. */
static void print_number(FILE *to, int width, int digits, double value) {
  if (isnan(value))
    fprintf(to, " %*s", width, "-");
  else
    fprintf(to, " %*.*f", width, digits, value);
}

static void print_microseconds(FILE *to, double ns) {
  print_number(to, 9, ns < 1e4 ? 3 : 1, ns / 1e3);
}

static void print_case(FILE *to, const bench_case_t *what) {
  char text[BENCH_TEXT];
  fprintf(to, "%-18s %-6s %-10s %8s", bench_name(BENCH_OPERATOR_NAMES, (int)what->op),
          bench_name(BENCH_DTYPE_NAMES, (int)what->dtype),
          bench_name(BENCH_LAYOUT_NAMES, (int)what->layout), format_count(what->n, text));
}

const char bench_legend[] =
    "  cold     one call after the caches were flushed; warm: the same call ran just "
    "before\n"
    "  us       the median time of a call; spread%: 90th minus 10th percentile, in % of "
    "it\n"
    "  GB/s     the bytes that the case moves (--help has the formula) over that time\n"
    "  roof     GB/s of a plain copy, memcpy or device to device, that reads half of "
    "those\n"
    "           bytes and writes half, timed in turns with the case\n"
    "  %roof    time of that copy over time of the case; more than 100 where an "
    "operator\n"
    "           moves less than a copy\n"
    "  host us  on a GPU: what the call costs the host's thread, without waiting\n"
    "  latency  small cases, warm: call, the host's thread; stream, one call among many; "
    "graph,\n"
    "           the same in a CUDA graph; trip, a call and waiting for it\n"
    "  -        not measured, or nothing to measure: a host has no stream and no graph\n";

void bench_print_head(FILE *to, const bench_report_t *report) {
  const bench_machine_t *machine = report->machine;
  const int version = cudrop_version();
  fprintf(to, "cudrop %d.%d.%d (%s), %s\n", version / 10000, version / 100 % 100,
          version % 100, bench_commit, cudrop_build_info());
  fprintf(to, "%s device %d: %s; processor: %s",
          machine->backend == CUDROP_CUDA ? "cuda" : "host", machine->device,
          machine->name, machine->cpu);
  if (machine->threads > 0) fprintf(to, "; threads: %d", machine->threads);
  fputc('\n', to);
  fprintf(
      to,
      "p = %g, rows of %d, %d repeats; %.0f MiB are written to flush the caches; every "
      "result was verified\n\n",
      report->options.p, report->options.cols, report->options.repeats,
      (double)machine->flush_bytes / (1 << 20));
  fprintf(to, "%s\n", bench_legend);
  fprintf(to, "%-18s %-6s %-10s %8s %-4s %9s %7s %8s %8s %6s %9s\n", "operator", "type",
          "layout", "n", "", "us", "spread%", "GB/s", "roof", "%roof", "host us");
}

static void print_times(FILE *to, const bench_row_t *row, const char *name,
                        const bench_times_t *times) {
  const double bytes = (double)bench_bytes(&row->what);
  print_case(to, &row->what);
  fprintf(to, " %-4s", name);
  print_microseconds(to, times->ns.median);
  print_number(to, 7, 1, 100.0 * (times->ns.p90 - times->ns.p10) / times->ns.median);
  print_number(to, 8, 2, isnan(times->percent) ? NAN : bytes / times->ns.median);
  print_number(to, 8, 2, bytes / times->roof_ns.median);
  print_number(to, 6, 1, times->percent);
  print_microseconds(to, times->host_ns);
  fputc('\n', to);
}

/* What stands in place of times. */
static void print_reason(FILE *to, const bench_case_t *what, bench_verdict_t verdict,
                         const char *reason) {
  print_case(to, what);
  fprintf(to, " %s: %s\n", verdict == BENCH_WRONG ? "WRONG, not timed" : "FAILED",
          reason);
}

void bench_print_row(FILE *to, const bench_row_t *row) {
  if (row->verdict == BENCH_RIGHT) {
    print_times(to, row, "cold", &row->cold);
    print_times(to, row, "warm", &row->warm);
  } else {
    print_reason(to, &row->what, row->verdict, row->reason);
  }
  fflush(to);
}

void bench_print_small_head(FILE *to) {
  fprintf(to, "\n%-18s %-6s %-10s %8s      %9s %9s %9s %9s\n", "latency, us", "type",
          "layout", "n", "call", "stream", "graph", "trip");
}

void bench_print_small(FILE *to, const bench_small_t *small) {
  if (small->verdict != BENCH_RIGHT) {
    print_reason(to, &small->what, small->verdict, small->reason);
    return;
  }
  if (small->what.n == 0)
    fprintf(to, "%-18s %-6s %-10s %8s", "empty kernel", "-", "-", "-");
  else
    print_case(to, &small->what);
  fputs("     ", to);
  print_microseconds(to, small->latency.call.median);
  print_microseconds(to, small->latency.stream.median);
  print_microseconds(to, small->latency.graph.median);
  print_microseconds(to, small->latency.trip.median);
  fputc('\n', to);
  fflush(to);
}

void bench_print_foot(FILE *to, const bench_report_t *report) {
  const bench_outcome_t *outcome = &report->outcome;
  fprintf(to, "\n%d cases measured, %d wrong, %d failed", outcome->measured,
          outcome->wrong, outcome->failed);
  if (outcome->left_out > 0)
    fprintf(to, ", %d left out: %g seconds are over", outcome->left_out,
            report->options.budget);
  fputc('\n', to);
}
