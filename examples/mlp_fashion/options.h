/* options.h - what the program is asked to do. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

typedef struct {
  int images;         /* of the training set, the first ones */
  int epochs;         /* passes over them */
  int batch;          /* images in a step */
  int seeds;          /* runs of each network */
  uint64_t seed;      /* the parent of the runs' seeds */
  double rate_input;  /* dropout of the input */
  double rate_hidden; /* dropout of both hidden layers */
  int samples;        /* passes with dropout at inference */
  cudrop_backend_t backend;
  const char *data; /* the folder of the idx files */
  const char *out;  /* the folder for the curves and the checkpoint */
  bool resumes;     /* go on from the checkpoint */
  int save_every;   /* seconds */
  int stop_after;   /* passes of this start; 0: when all are done */
  bool wants_help;  /* print the usage and do nothing */
} options_t;

/*
 * Read the command line over the defaults. Returns EXIT_OK, or EXIT_BAD_ARGUMENTS after
 * a line on stderr. The strings are those of argv.
 */
int options_read(options_t *options, int argc, char **argv);

/* Print the usage, with the defaults, to stdout. */
void options_print_usage(void);

#endif /* OPTIONS_H */
