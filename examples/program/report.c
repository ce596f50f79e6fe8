/* report.c - errors and progress. */
#define _GNU_SOURCE /* clock_gettime, isatty */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* ---- Errors ----------------------------------------------------------------------- */

enum { LINE = 72 }; /* characters of the progress line: it covers the one before it */

static const char *name;
static bool has_line; /* a terminal shows the progress line */

void report_name(const char *program) {
  name = program;
}

int complain(int status, const char *format, ...) {
  va_list arguments;
  if (name == NULL) return status;
  progress_end();
  fprintf(stderr, "%s: ", name);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return status;
}

/* ---- Progress --------------------------------------------------------------------- */

double read_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

progress_t progress_begin(long long passes, long long done) {
  const double now = read_clock();
  return (progress_t){.is_terminal = isatty(STDERR_FILENO) == 1,
                      .begin = now,
                      .last = now,
                      .first = done,
                      .done = done,
                      .passes = passes};
}

void progress_tell(progress_t *progress, const char *format, ...) {
  char line[128];
  va_list arguments;
  const double now = read_clock();
  ++progress->done;
  if (name == NULL || now - progress->last < (progress->is_terminal ? 0.1 : 5.0)) return;
  progress->last = now;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  const double left = (now - progress->begin) /
                      (double)(progress->done - progress->first) *
                      (double)(progress->passes - progress->done);
  char text[160];
  snprintf(text, sizeof text, "%s, %.0f s left", line, left);
  if (progress->is_terminal) {
    fprintf(stderr, "\r%-*s", LINE, text);
    has_line = true;
  } else {
    fprintf(stderr, "%s\n", text);
  }
}

void progress_end(void) {
  if (has_line) fprintf(stderr, "\r%*s\r", LINE, "");
  has_line = false;
}
