/* report.c - errors and progress. */
#define _GNU_SOURCE /* clock_gettime, isatty */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int complain(int status, const char *format, ...) {
  va_list arguments;
  fputs("mlp_fashion: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return status;
}

enum { LINE = 72 }; /* characters of the progress line: it covers the one before it */

static double read_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

progress_t progress_begin(int passes, int done) {
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
  if (now - progress->last < (progress->is_terminal ? 0.1 : 5.0)) return;
  progress->last = now;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  const double left = (now - progress->begin) / (progress->done - progress->first) *
                      (progress->passes - progress->done);
  char text[160];
  snprintf(text, sizeof text, "%s, %.0f s left", line, left);
  if (progress->is_terminal) {
    fprintf(stderr, "\r%-*s", LINE, text);
  } else {
    fprintf(stderr, "%s\n", text);
  }
}

void progress_end(const progress_t *progress) {
  if (progress->is_terminal) fprintf(stderr, "\r%*s\r", LINE, "");
}
