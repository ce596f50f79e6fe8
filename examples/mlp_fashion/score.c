/* score.c - loss, accuracy and calibration over a set of images. */
#include "score.h"

#include <math.h>

/* 1 is in the last bin, and so is the NaN of a network that has diverged. */
static score_bin_t *find_bin(score_t *score, double confidence) {
  const int b = confidence < 1.0 ? (int)(confidence * SCORE_BINS) : SCORE_BINS - 1;
  return &score->bin[b];
}

/* While images are counted, the loss is the sum of theirs; finish() makes it the mean. */
static void count(score_t *score, mlp_judgement_t judgement) {
  score_bin_t *bin = find_bin(score, judgement.confidence);
  ++bin->images;
  bin->correct += judgement.is_correct;
  bin->confidence += judgement.confidence;
  score->loss += judgement.loss;
}

static void finish(score_t *score) {
  int images = 0;
  int correct = 0;
  double gaps = 0.0;
  for (int b = 0; b < SCORE_BINS; ++b) {
    const score_bin_t *bin = &score->bin[b];
    images += bin->images;
    correct += bin->correct;
    gaps += fabs(bin->correct - bin->confidence);
  }
  score->loss /= images;
  score->accuracy = (double)correct / images;
  score->calibration = gaps / images;
}

/* Show the network the images from `first` on, as many as it takes; *n is how many. */
static void show_images(mlp_t *mlp, const fashion_t *data, int first, int *n) {
  const int left = data->count - first;
  *n = left < mlp->batch ? left : mlp->batch;
  for (int i = 0; i < *n; ++i)
    fashion_copy(data, first + i, mlp->input + (size_t)i * FASHION_PIXELS);
}

cudrop_status_t score(mlp_t *mlp, const fashion_t *data, score_t *result) {
  score_t counted = {.loss = 0.0};
  for (int first = 0, n = 0; first < data->count; first += n) {
    show_images(mlp, data, first, &n);
    TRY(mlp_infer(mlp, n));
    TRY(mlp_fetch(mlp, n));
    for (int i = 0; i < n; ++i)
      count(&counted, mlp_judge(mlp, i, data->label[first + i]));
  }
  finish(&counted);
  *result = counted;
  return CUDROP_OK;
}

/* ---- Monte-Carlo dropout ---------------------------------------------------------- */

cudrop_status_t score_add_sample(mlp_t *mlp, const fashion_t *data, uint64_t sample,
                                 double *sum) {
  for (int first = 0, n = 0; first < data->count; first += n) {
    show_images(mlp, data, first, &n);
    TRY(mlp_sample(mlp, first, n, sample));
    TRY(mlp_fetch(mlp, n));
    for (int i = 0; i < n; ++i)
      mlp_add_softmax(mlp, i, sum + (size_t)(first + i) * FASHION_CLASSES);
  }
  return CUDROP_OK;
}

static mlp_judgement_t judge_mean(const double *sum, int samples, uint8_t label) {
  int top = 0;
  for (int c = 1; c < FASHION_CLASSES; ++c)
    if (sum[c] > sum[top]) top = c;
  return (mlp_judgement_t){
      .loss = -log(sum[label] / samples),
      .confidence = sum[top] / samples,
      .is_correct = top == label,
  };
}

score_t score_mean(const fashion_t *data, int samples, const double *sum) {
  score_t counted = {.loss = 0.0};
  for (int i = 0; i < data->count; ++i)
    count(&counted,
          judge_mean(sum + (size_t)i * FASHION_CLASSES, samples, data->label[i]));
  finish(&counted);
  return counted;
}

/* ---- Reliability ------------------------------------------------------------------ */

const char score_columns[] = "network,bin_begin,bin_end,images,confidence,accuracy\n";

/* A bin that has no images has no means; their fields are empty. */
void score_write_bins(FILE *file, const char *name, const score_bin_t bin[SCORE_BINS]) {
  for (int b = 0; b < SCORE_BINS; ++b) {
    fprintf(file, "%s,%.4f,%.4f,%d,", name, (double)b / SCORE_BINS,
            (double)(b + 1) / SCORE_BINS, bin[b].images);
    if (bin[b].images == 0) {
      fputs(",\n", file);
    } else {
      fprintf(file, "%.6f,%.6f\n", bin[b].confidence / bin[b].images,
              (double)bin[b].correct / bin[b].images);
    }
  }
}
