/* score.c - loss, accuracy and calibration over a set of images. */
#include "score.h"

#include <math.h>

typedef struct {
  int correct;
  double confidence; /* the sum */
} bin_t;

/*
 * Bin b holds the confidences from b / SCORE_BINS up to the next; 1 is in the last, and
 * so is the NaN of a network that has diverged.
 */
static bin_t *find_bin(bin_t *bins, double confidence) {
  const int b = confidence < 1.0 ? (int)(confidence * SCORE_BINS) : SCORE_BINS - 1;
  return &bins[b];
}

static double sum_gaps(const bin_t *bins) {
  double sum = 0.0;
  for (int b = 0; b < SCORE_BINS; ++b) sum += fabs(bins[b].correct - bins[b].confidence);
  return sum;
}

cudrop_status_t score(mlp_t *mlp, const fashion_t *data, score_t *result) {
  bin_t bins[SCORE_BINS] = {{.correct = 0}};
  double loss = 0.0;
  int correct = 0;
  for (int first = 0; first < data->count; first += mlp->batch) {
    const int left = data->count - first;
    const int n = left < mlp->batch ? left : mlp->batch;
    for (int i = 0; i < n; ++i)
      fashion_copy(data, first + i, mlp->input + (size_t)i * FASHION_PIXELS);
    TRY(mlp_infer(mlp, n));
    TRY(mlp_fetch(mlp, n));
    for (int i = 0; i < n; ++i) {
      const mlp_judgement_t judgement = mlp_judge(mlp, i, data->label[first + i]);
      bin_t *bin = find_bin(bins, judgement.confidence);
      bin->correct += judgement.is_correct;
      bin->confidence += judgement.confidence;
      loss += judgement.loss;
      correct += judgement.is_correct;
    }
  }
  *result = (score_t){
      .loss = loss / data->count,
      .accuracy = (double)correct / data->count,
      .calibration = sum_gaps(bins) / data->count,
  };
  return CUDROP_OK;
}
