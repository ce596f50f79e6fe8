/* report.h - all that the program says: errors, progress, the curves and the table. */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>

#include "options.h"
#include "score.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_ARGUMENTS = 2 };

/* Print "mlp_fashion: " and the formatted line on stderr; returns `status`. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The two networks that are compared, and how one run of one of them ended. */
enum { WITHOUT_DROPOUT, WITH_DROPOUT, NETWORKS };

typedef struct {
  score_t train; /* on the training images, without dropout */
  score_t test;
  double lowest; /* the lowest test loss of the curve: what stopping early could reach */
} result_t;

/* ---- Progress --------------------------------------------------------------------- */

typedef struct {
  bool is_terminal;
  double begin; /* seconds, of a clock that only goes forward */
  double last;  /* when the line was printed last */
  int runs;     /* in all */
  int epochs;   /* in a run */
} progress_t;

/* Start the clock. */
progress_t progress_begin(int runs, int epochs);

/*
 * After an epoch (from 1) of a run (from 1), tell stderr, unless it has just been told:
 * a terminal sees one line that changes, a file gets a line every few seconds.
 */
void progress_tell(progress_t *progress, int run, int epoch, double test_loss);

/* Take the line away from a terminal. */
void progress_end(const progress_t *progress);

/* ---- Curves ----------------------------------------------------------------------- */

/* Open loss.csv in a folder, which is made if it is absent; NULL after a complaint. */
FILE *curves_open(const char *folder);

/* Add the losses after an epoch. */
void curves_add(FILE *curves, int run, int network, uint64_t seed, const double *p,
                int epoch, const result_t *result);

/* Close the file; returns an exit status. */
int curves_close(FILE *curves, const char *folder);

/* ---- Table ------------------------------------------------------------------------ */

/*
 * Print the comparison to stdout: result[network * seeds + k] is how run k of a network
 * ended, `width` the widths of its layers, and `backend` what they were trained on.
 */
void table_print(const options_t *options, const char *backend,
                 const int width[MLP_LAYERS + 1], const result_t *result,
                 int test_images);

#endif /* REPORT_H */
