/* report.h - what the program says while it works: errors and progress. */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>

/* A signal that stops the program gives 128 + its number, as a shell says it. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_ARGUMENTS = 2, EXIT_STOPPED = 3 };

/*
 * What complain() calls the program, a text that stays; before any complaint. NULL: this process is
 * to say nothing, because another one says the same.
 */
void report_name(const char *program);

/*
 * Print the program's name and the formatted line on stderr, where a terminal's line of progress
 * makes way; returns `status`.
 */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Work is counted in passes: what a program does between two looks at the clock. */
typedef struct {
  bool is_terminal;
  double begin;    /* by read_clock() */
  double last;     /* when the line was printed last */
  long long first; /* passes that were done before */
  long long done;
  long long passes; /* in all */
} progress_t;

/* Start the clock, with `done` of the passes behind. */
progress_t progress_begin(long long passes, long long done);

/*
 * After a pass, tell stderr the formatted line and how long the rest will take, unless it has
 * just been told: a terminal sees one line that changes, a file gets a line every few seconds.
 */
void progress_tell(progress_t *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Take the line away from a terminal. */
void progress_end(void);

/* Seconds, of a clock that only goes forward. */
double read_clock(void);

#endif /* REPORT_H */
