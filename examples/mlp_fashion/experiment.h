/*
 * experiment.h - the runs of both networks: those without dropout, then those with it.
 *
 * A run trains its network, scores it now and then on the way, and in the end, where it has
 * dropout, once more with samples.
 */
#ifndef EXPERIMENT_H
#define EXPERIMENT_H

#include <stdio.h>

#include "fashion.h"
#include "mlp.h"
#include "options.h"
#include "result.h"

/* All that the runs need; the caller allocates and opens it before the first. */
typedef struct {
  options_t options;
  fashion_t train;
  fashion_t test;
  mlp_t mlp;
  int *order;       /* [training images], of an epoch */
  uint8_t *label;   /* [options.batch], of the images in a step */
  double *sum;      /* [test images][FASHION_CLASSES], of the samples' probabilities */
  result_t *result; /* [NETWORKS][seeds] */
  FILE *curves;     /* loss.csv */
} experiment_t;

/* Do all runs and write down their results. Returns an exit status. */
int experiment_run(experiment_t *experiment);

#endif /* EXPERIMENT_H */
