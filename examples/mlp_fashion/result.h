/* result.h - how one run of a network went: what the curves and the table are made of. */
#ifndef RESULT_H
#define RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "score.h"

/* The two networks that are compared. */
enum { WITHOUT_DROPOUT, WITH_DROPOUT, NETWORKS };

/*
 * The points of a curve are RESULT_STRIDES apart where there are so many epochs, for scoring
 * takes longer than an epoch: the first epoch, every stride-th and the last, fewer than twice
 * as many. result_has_point() says which epochs these are.
 */
enum { RESULT_STRIDES = 20, RESULT_MOST_POINTS = 2 * RESULT_STRIDES };

typedef struct {
  int64_t epoch; /* from 1 */
  double train_loss;
  double test_loss;
} point_t;

/* Plain data without pointers or padding: a checkpoint holds it as it lies in memory. */
typedef struct {
  score_t train;   /* on the training images, without dropout, after the last point */
  score_t test;    /* on the test images */
  score_t sampled; /* on the test images, the mean of the samples */
  int64_t points;
  point_t curve[RESULT_MOST_POINTS];
} result_t;

static inline bool result_has_point(int epoch, int epochs) {
  const int stride = epochs > RESULT_STRIDES ? epochs / RESULT_STRIDES : 1;
  return epoch == 1 || epoch % stride == 0 || epoch == epochs;
}

#endif /* RESULT_H */
