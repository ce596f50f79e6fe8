/*
 * training.h - the training of one network: steps, points of its curve, and where it stops.
 *
 * Between two steps it may end and, from a checkpoint, go on: what is still to come follows from
 * the options, the seed, the number of steps that are done, and the parameters.
 */
#ifndef TRAINING_H
#define TRAINING_H

#include <stdio.h>

#include "gpt.h"
#include "options.h"
#include "text.h"

/* The mean losses without dropout, after so many steps. */
typedef struct {
  uint64_t step;
  double loss[TEXT_PARTS];
} point_t;

enum { TRAINING_MOST_POINTS = 4096 };

/* Where the training is. */
typedef struct {
  uint64_t step; /* how many are done */
  uint64_t points;
} position_t;

typedef struct {
  options_t options;
  cudrop_backend_t backend; /* of the network */
  parallel_t parallel;
  text_t text;
  gpt_t gpt;
  position_t at;
  point_t curve[TRAINING_MOST_POINTS]; /* [at.points] */
  FILE *file;                          /* loss.csv; NULL on ranks but the first */
} training_t;

/*
 * Train from the position on. Returns an exit status: EXIT_OK when all steps are done, EXIT_STOPPED
 * or that of a signal when it has been stopped on the way and goes on from the checkpoint.
 */
int training_run(training_t *training);

#endif /* TRAINING_H */
