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
  bool is_fresh;    /* write over a checkpoint that is there */
  int save_every;   /* seconds */
  int stop_after;   /* passes of this start; 0: when all are done */
  bool wants_help;  /* print the usage and do nothing */
  uint64_t given;   /* for options_have() */
} options_t;

enum { OPTIONS_MOST = 1000000 }; /* of everything that is counted */

/*
 * Read the command line over the defaults. Returns EXIT_OK, or EXIT_BAD_ARGUMENTS after
 * a line on stderr. The strings are those of argv.
 */
int options_read(options_t *options, int argc, char **argv);

/* Does the command line have the option --name? A backend that is "auto" does not count. */
bool options_have(const options_t *options, const char *name);

/* Do the options fit each other? The same statuses; for options that a checkpoint may have. */
int options_check(const options_t *options);

/* Print the usage, with the defaults, to stdout. */
void options_print_usage(void);

#endif /* OPTIONS_H */
