/* options.h - what the program is asked to do. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

enum { OPTIONS_COUNTS = 5 };

typedef struct {
  int counts; /* of numbers of samples */
  int samples[OPTIONS_COUNTS];
  int images; /* of the test set; 0: all */
  int rows;   /* images in a run */
  uint64_t seed;
  cudrop_backend_t backend;
  const char *data;    /* the folder of the idx files */
  const char *out;     /* the folder for the reliability curves */
  const char *network; /* the file */
  bool wants_help;
} options_t;

/*
 * Read the command line. Returns an exit status, EXIT_BAD_ARGUMENTS after a line on stderr. The
 * strings are those of argv.
 */
int options_read(options_t *options, int argc, char **argv);

/* Print the usage, with the defaults, to stdout. */
void options_print_usage(void);

#endif /* OPTIONS_H */
