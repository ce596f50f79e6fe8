/* json.c - the report as one JSON document; README.md says what each member is. */
#define _POSIX_C_SOURCE 200809L /* gmtime_r */
#include <math.h>
#include <string.h>
#include <time.h>

#include "report.h"

/* ---- Values ------------------------------------------------------------------------------ */

static void write_text(FILE *to, const char *text) {
  fputc('"', to);
  for (; *text != '\0'; ++text) {
    const unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\')
      fprintf(to, "\\%c", byte);
    else if (byte < 0x20)
      fprintf(to, "\\u%04x", byte);
    else
      fputc(byte, to);
  }
  fputc('"', to);
}

static void write_number(FILE *to, double value) {
  if (isfinite(value))
    fprintf(to, "%.10g", value);
  else
    fputs("null", to);
}

/* A member of an object behind another one. */
static void write_member(FILE *to, const char *name, double value) {
  fprintf(to, ", \"%s\": ", name);
  write_number(to, value);
}

static void write_text_member(FILE *to, const char *name, const char *text) {
  fprintf(to, ", \"%s\": ", name);
  write_text(to, text);
}

static void write_spread(FILE *to, const char *name, const bench_spread_t *spread) {
  fprintf(to, "\"%s\": {\"median\": ", name);
  write_number(to, spread->median);
  write_member(to, "p10", spread->p10);
  write_member(to, "p90", spread->p90);
  fputc('}', to);
}

/* ---- Parts ------------------------------------------------------------------------------- */

static void write_head(FILE *to, const bench_report_t *report) {
  const bench_machine_t *machine = report->machine;
  const int version = cudrop_version();
  const time_t now = time(NULL);
  struct tm utc;
  char text[BENCH_TEXT];
  fputs("{\n\"format\": 1", to);
  snprintf(text, sizeof text, "%d.%d.%d", version / 10000, version / 100 % 100,
           version % 100);
  write_text_member(to, "version", text);
  write_text_member(to, "build", cudrop_build_info());
  write_text_member(to, "commit", bench_commit);
  text[strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc))] = '\0';
  write_text_member(to, "date", text);
  write_text_member(to, "backend", machine->backend == CUDROP_CUDA ? "cuda" : "host");
  write_member(to, "device", machine->device);
  write_text_member(to, "device_name", machine->name);
  write_text_member(to, "cpu", machine->cpu);
  if (machine->threads > 0) write_member(to, "threads", machine->threads);
  for (int k = 0; k < machine->fact_count; ++k)
    write_member(to, machine->facts[k].name, machine->facts[k].value);
  write_member(to, "p", report->options.p);
  write_member(to, "repeats", report->options.repeats);
  write_member(to, "flush_bytes", (double)machine->flush_bytes);
  write_member(to, "left_out", report->outcome.left_out);
}

static void write_case(FILE *to, const bench_case_t *what, bench_verdict_t verdict,
                       const char *reason) {
  char text[BENCH_TEXT];
  fputs("{\"operator\": ", to);
  write_text(to,
             what->n == 0 ? "empty" : bench_name(BENCH_OPERATOR_NAMES, (int)what->op));
  write_text_member(to, "dtype", bench_name(BENCH_DTYPE_NAMES, (int)what->dtype));
  write_text_member(to, "layout", bench_name(BENCH_LAYOUT_NAMES, (int)what->layout));
  write_member(to, "n", (double)what->n);
  write_member(to, "cols", what->cols > 0 ? (double)what->cols : NAN);
  write_member(to, "bytes", what->n == 0 ? 0.0 : (double)bench_bytes(what));
  if (what->n > 0) write_text_member(to, "formula", bench_formula(what->op, text));
  fprintf(to, ", \"verified\": %s", verdict == BENCH_RIGHT ? "true" : "false");
  if (verdict != BENCH_RIGHT) write_text_member(to, "reason", reason);
}

static void write_times(FILE *to, const char *name, const bench_case_t *what,
                        const bench_times_t *times) {
  const double bytes = (double)bench_bytes(what);
  fprintf(to, ",\n  \"%s\": {", name);
  write_spread(to, "ns", &times->ns);
  fputs(", ", to);
  write_spread(to, "roof_ns", &times->roof_ns);
  write_member(to, "gb_per_s", bytes / times->ns.median);
  write_member(to, "roof_gb_per_s", bytes / times->roof_ns.median);
  write_member(to, "percent_of_roof", times->percent);
  write_member(to, "host_ns", times->host_ns);
  write_member(to, "calls", times->calls);
  fputc('}', to);
}

static void write_row(FILE *to, const bench_row_t *row) {
  write_case(to, &row->what, row->verdict, row->reason);
  if (row->verdict == BENCH_RIGHT) {
    write_times(to, "cold", &row->what, &row->cold);
    write_times(to, "warm", &row->what, &row->warm);
  }
  fputc('}', to);
}

static void write_small(FILE *to, const bench_small_t *small) {
  const struct {
    const char *name;
    const bench_spread_t *spread;
  } columns[] = {{"call_ns", &small->latency.call},
                 {"stream_ns", &small->latency.stream},
                 {"graph_ns", &small->latency.graph},
                 {"trip_ns", &small->latency.trip}};
  write_case(to, &small->what, small->verdict, small->reason);
  for (size_t k = 0; k < sizeof columns / sizeof columns[0]; ++k) {
    if (small->verdict != BENCH_RIGHT) break;
    fputs(",\n  ", to);
    write_spread(to, columns[k].name, columns[k].spread);
  }
  fputc('}', to);
}

void bench_write_json(FILE *to, const bench_report_t *report) {
  write_head(to, report);
  fputs(",\n\"cases\": [", to);
  for (int k = 0; k < report->row_count; ++k) {
    fputs(k > 0 ? ",\n" : "\n", to);
    write_row(to, &report->rows[k]);
  }
  fputs("],\n\"latency\": [", to);
  for (int k = 0; k < report->small_count; ++k) {
    fputs(k > 0 ? ",\n" : "\n", to);
    write_small(to, &report->smalls[k]);
  }
  fputs("]\n}\n", to);
}
