/* score.h - how well a network does on labelled images, without dropout. */
#ifndef SCORE_H
#define SCORE_H

#include "fashion.h"
#include "mlp.h"

enum { SCORE_BINS = 15 }; /* of the calibration error */

typedef struct {
  double loss;        /* the mean negative log-likelihood of an image */
  double accuracy;    /* the share of correct images */
  double calibration; /* the expected calibration error, see below */
} score_t;

/*
 * Score the network on all images of `data`. After an error *result is as it was.
 *
 * The expected calibration error puts the images into bins of equal width by the
 * network's confidence, and is
 *
 *   sum over bins of (images in it / images) * |accuracy in it - mean confidence in it|
 *
 * Source: C. Guo et al., "On calibration of modern neural networks", 2017.
 */
cudrop_status_t score(mlp_t *mlp, const fashion_t *data, score_t *result);

#endif /* SCORE_H */
