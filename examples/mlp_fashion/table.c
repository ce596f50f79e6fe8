/* table.c - the comparison, a row for each quantity. */
#include "table.h"

#include <stdio.h>

static double get_train_loss(const result_t *result) {
  return result->train.loss;
}
static double get_test_loss(const result_t *result) {
  return result->test.loss;
}
static double get_sampled_loss(const result_t *result) {
  return result->sampled.loss;
}
static double get_lowest(const result_t *result) {
  double lowest = result->curve[0].test_loss;
  for (int k = 1; k < result->points; ++k)
    if (result->curve[k].test_loss < lowest) lowest = result->curve[k].test_loss;
  return lowest;
}
static double get_accuracy(const result_t *result) {
  return result->test.accuracy;
}
static double get_calibration(const result_t *result) {
  return result->test.calibration;
}
static double get_sampled_calibration(const result_t *result) {
  return result->sampled.calibration;
}

static const struct {
  const char *name;
  double (*get)(const result_t *result);
  bool is_sampled; /* the name is followed by the number of samples */
} rows[] = {
    {"train loss", get_train_loss, false},
    {"test loss", get_test_loss, false},
    {"test loss", get_sampled_loss, true},
    {"lowest test loss", get_lowest, false},
    {"accuracy", get_accuracy, false},
    {"calibration error", get_calibration, false},
    {"calibration error", get_sampled_calibration, true},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* A row of the table. */
static void print_row(const char *name, const char *without, const char *with) {
  printf("%-34s  %-26s  %s\n", name, without, with);
}

/* A row's name, with the number of samples unless that is 0. */
static void write_name(char *text, size_t bytes, const char *name, int samples) {
  if (samples == 0) {
    snprintf(text, bytes, "%s", name);
  } else {
    snprintf(text, bytes, "%s, %d samples", name, samples);
  }
}

/* The mean over the runs of a network, and their range. */
static void write_cell(char *cell, size_t bytes, const result_t *result, int runs,
                       double (*get)(const result_t *result)) {
  double sum = 0.0, least = get(result), most = get(result);
  for (int k = 0; k < runs; ++k) {
    const double value = get(&result[k]);
    sum += value;
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  snprintf(cell, bytes, "%.3f (%.3f .. %.3f)", sum / runs, least, most);
}

/* What the sites that drop anything keep from the forward to the backward pass. */
static void print_state(const options_t *options, const int width[MLP_LAYERS + 1]) {
  const cudrop_mask_t *mask = NULL; /* for the sizes of its members */
  size_t mask_bytes = 0;
  size_t cudrop_bytes = 0;
  for (int l = 0; l < MLP_LAYERS; ++l) {
    if ((l == 0 ? options->rate_input : options->rate_hidden) == 0.0) continue;
    mask_bytes += (size_t)options->batch * (size_t)width[l];
    cudrop_bytes += sizeof mask->seed + sizeof mask->offset;
  }
  char cell[32];
  snprintf(cell, sizeof cell, "%zu bytes", mask_bytes);
  print_row("dropout state, stored byte masks", "none", cell);
  snprintf(cell, sizeof cell, "%zu bytes", cudrop_bytes);
  print_row("dropout state, cudrop", "none", cell);
}

static void print_head(const options_t *options, const char *backend,
                       const int width[MLP_LAYERS + 1], int test_images) {
  printf(
      "Fashion-MNIST, network %d-%d-%d-%d: %d training images, %d test images,\n"
      "epochs: %d, images a step: %d, seeds: %d, backend: %s\n\n"
      "  Losses, accuracy and calibration are computed after the last epoch, and "
      "without\n"
      "  dropout, where nothing else is said: mean over the seeds (least .. most).\n\n"
      "  train loss, test loss  mean negative log-likelihood of an image: \"test loss\"\n"
      "                         and \"negative log-likelihood\" name one number\n"
      "  samples                the probabilities of an image are the mean of those of "
      "so\n"
      "                         many passes with dropout (without it all passes are "
      "one)\n"
      "  lowest test loss       at the best epoch of the curve, which the test images "
      "chose\n"
      "  accuracy               of the test images\n"
      "  calibration error      expected, on the test images, %d bins\n"
      "  dropout state          kept from the forward to the backward pass of a step\n\n",
      width[0], width[1], width[2], width[3], options->images, test_images,
      options->epochs, options->batch, options->seeds, backend, SCORE_BINS);
}

void table_print(const options_t *options, const char *backend,
                 const int width[MLP_LAYERS + 1], const result_t *result,
                 int test_images) {
  char text[64];
  print_head(options, backend, width, test_images);
  snprintf(text, sizeof text, "dropout, p = %g and %g", options->rate_input,
           options->rate_hidden);
  print_row("", "no dropout", text);
  for (int r = 0; r < ROWS; ++r) {
    char cell[NETWORKS][64];
    for (int network = 0; network < NETWORKS; ++network)
      write_cell(cell[network], sizeof cell[network], result + network * options->seeds,
                 options->seeds, rows[r].get);
    write_name(text, sizeof text, rows[r].name,
               rows[r].is_sampled ? options->samples : 0);
    print_row(text, cell[WITHOUT_DROPOUT], cell[WITH_DROPOUT]);
  }
  print_state(options, width);
}
