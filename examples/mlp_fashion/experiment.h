/*
 * experiment.h - the runs of both networks: those without dropout, then those with it.
 *
 * A run trains its network, scores it now and then on the way, and in the end, where it has
 * dropout, once more with samples. It is made of passes: an epoch is one, and so is a sample.
 * Between two of them it may end and, from a checkpoint, go on.
 */
#ifndef EXPERIMENT_H
#define EXPERIMENT_H

#include <stdio.h>

#include "fashion.h"
#include "mlp.h"
#include "options.h"
#include "result.h"

/* Where the runs are: what lies before is done. */
typedef struct {
  int run;    /* from 0; the number of runs when all are done */
  int epoch;  /* how many of this run are done */
  int sample; /* likewise */
} position_t;

/* All that the runs need; the caller allocates and opens it before the first. */
typedef struct {
  options_t options;
  cudrop_backend_t backend; /* of the network */
  fashion_t train;
  fashion_t test;
  mlp_t mlp;
  int *order;       /* [training images], of an epoch */
  uint8_t *label;   /* [options.batch], of the images in a step */
  double *sum;      /* [test images][FASHION_CLASSES], of the samples' probabilities */
  result_t *result; /* [NETWORKS][seeds] */
  FILE *curves;     /* loss.csv */
  position_t at;
} experiment_t;

/*
 * Do the runs from the position on and write down their results. Returns an exit status:
 * EXIT_OK when all are done, EXIT_STOPPED or that of a signal when they have been stopped on
 * the way and go on from the checkpoint.
 */
int experiment_run(experiment_t *experiment);

#endif /* EXPERIMENT_H */
