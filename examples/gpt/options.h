/* options.h - what the program is asked to do. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

typedef enum { TASK_TRAIN, TASK_MEMORY, TASK_MEASURE, TASK_HELP } task_t;

enum { OPTIONS_MOST = 1000000 }; /* of everything that is counted */

typedef struct {
  gpt_config_t config;
  int preset; /* of presets.h, from which config has been changed */
  parallel_split_t split;
  cudrop_backend_t backend;
  int steps;
  double rate, decay; /* of AdamW */
  uint64_t seed;
  int evaluate_every; /* steps */
  const char *text;   /* a file */
  int bytes;          /* of it, the first ones; 0: all, as of another text unless said */
  const char *out;    /* the folder for the curve and the checkpoint */
  bool resumes;
  bool is_fresh;  /* write over a checkpoint that is there */
  int save_every; /* seconds */
  int stop_after; /* steps of this start; 0: when all are done */
  task_t task;
  uint64_t given; /* for options_have() */
} options_t;

/*
 * Read the command line over the defaults. Returns EXIT_OK, or EXIT_BAD_ARGUMENTS after a line on
 * stderr. The strings are those of argv.
 */
int options_read(options_t *options, int argc, char **argv);

/*
 * Does the command line have the option --name? --drop is all three rates; a backend that is "auto"
 * does not count.
 */
bool options_have(const options_t *options, const char *name);

/* Where no --attention is given, choose it for the network, whose sizes are known by now. */
void options_choose_attention(options_t *options);

/* What is done without options. */
options_t options_defaults(void);

extern const char options_usage[];

/* Print the usage, with the defaults, to stdout (usage.c). */
void options_print_usage(void);

#endif /* OPTIONS_H */
