/* score.h - how well a network does on labelled images, without dropout and with samples. */
#ifndef SCORE_H
#define SCORE_H

#include <stdio.h>

#include "fashion.h"
#include "mlp.h"

enum { SCORE_BINS = 15 }; /* of the calibration error */

/* The images whose confidence is from b / SCORE_BINS up to the next, for bin b. */
typedef struct {
  int images;
  int correct;       /* of them */
  double confidence; /* the sum */
} score_bin_t;

typedef struct {
  double loss;        /* the mean negative log-likelihood of an image */
  double accuracy;    /* the share of correct images */
  double calibration; /* the expected calibration error, see below */
  score_bin_t bin[SCORE_BINS];
} score_t;

/*
 * Score the network on all images of `data`, without dropout. After an error *result is as
 * it was.
 *
 * The expected calibration error puts the images into bins of equal width by the
 * network's confidence, and is
 *
 *   sum over bins of (images in it / images) * |accuracy in it - mean confidence in it|
 *
 * Source: C. Guo et al., "On calibration of modern neural networks", 2017.
 */
cudrop_status_t score(mlp_t *mlp, const fashion_t *data, score_t *result);

/*
 * Monte-Carlo dropout: add the probabilities of sample number `sample` of mlp_sample(), for
 * all images of `data`, to sum[count][FASHION_CLASSES].
 */
cudrop_status_t score_add_sample(mlp_t *mlp, const fashion_t *data, uint64_t sample,
                                 double *sum);

/* The score of the mean of `samples` samples whose probabilities are in `sum`. */
score_t score_mean(const fashion_t *data, int samples, const double *sum);

/*
 * The bins of a predictor as lines of reliability.csv, of which reliability.gp makes a picture:
 * how many images, their mean confidence and the share that is correct. The names stand in
 * score_columns.
 */
extern const char score_columns[];
void score_write_bins(FILE *file, const char *name, const score_bin_t bin[SCORE_BINS]);

#endif /* SCORE_H */
