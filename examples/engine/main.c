/*
 * main.c - what uncertainty costs and what it gives: the test images of Fashion-MNIST, judged by
 * a network that mlp_fashion has trained, once by inference and then by the means of Monte-Carlo
 * samples, more and more of them.
 */
#include <stdlib.h>

#include "engine.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "score.h"

/* One line of the table. */
typedef struct {
  char name[32];
  int samples; /* 0: inference */
  score_t score;
  double entropy, information; /* the means over the images */
  double seconds;
} outcome_t;

typedef struct {
  options_t options;
  fashion_t test;
  network_t network;
  cudrop_context_t *context;
  engine_t engine;
  char backend[300];
  float *image;                 /* [rows][FASHION_PIXELS] */
  float *mean;                  /* [rows][FASHION_CLASSES] */
  float *entropy, *information; /* [rows] */
  double *probability;          /* [images][FASHION_CLASSES] */
  outcome_t outcome[1 + OPTIONS_COUNTS];
} evaluation_t;

/* ---- Setting up ------------------------------------------------------------------- */

static cudrop_status_t open_context(evaluation_t *all) {
  char name[256];
  cudrop_backend_t backend = CUDROP_HOST;
  TRY(cudrop_create(&all->context, maths_backend(all->options.backend), 0));
  TRY(cudrop_get_backend(all->context, &backend));
  TRY(cudrop_device_name(backend, 0, name, sizeof name));
  snprintf(all->backend, sizeof all->backend, "%s%s",
           backend == CUDROP_HOST ? "" : "cuda, in a graph, ", name);
  return CUDROP_OK;
}

static int open_engine(evaluation_t *all) {
  if (!network_load(&all->network, all->options.network))
    return complain(EXIT_FAILED, "%s", all->network.error);
  if (open_context(all) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
  if (engine_open(&all->engine, &all->network, all->context) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", engine_error(&all->engine));
  return EXIT_OK;
}

/* What trained_write() of mlp_fashion promises of the network. */
static int check_network(const evaluation_t *all) {
  static const struct {
    const char *name;
    int elements;
  } wanted[] = {{"a0", FASHION_PIXELS},
                {"mean", FASHION_CLASSES},
                {"entropy", 1},
                {"information", 1}};
  for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; ++k) {
    const engine_value_t *value = engine_find(&all->engine, wanted[k].name);
    if (value == NULL)
      return complain(EXIT_FAILED, "'%s' has no '%s', of %d numbers for an image",
                      all->options.network, wanted[k].name, wanted[k].elements);
    if (value->elements != wanted[k].elements)
      return complain(EXIT_FAILED, "'%s' has %lld numbers for an image in '%s', not %d",
                      all->options.network, (long long)value->elements, wanted[k].name,
                      wanted[k].elements);
    if (value->is_sampled)
      return complain(EXIT_FAILED, "'%s' has a '%s' for each sample, not for all",
                      all->options.network, wanted[k].name);
  }
  return EXIT_OK;
}

static int allocate(evaluation_t *all) {
  const size_t rows = (size_t)all->options.rows;
  all->image = calloc(rows * FASHION_PIXELS, sizeof *all->image);
  all->mean = calloc(rows * FASHION_CLASSES, sizeof *all->mean);
  all->entropy = calloc(rows, sizeof *all->entropy);
  all->information = calloc(rows, sizeof *all->information);
  all->probability =
      calloc((size_t)all->test.count * FASHION_CLASSES, sizeof *all->probability);
  if (all->image != NULL && all->mean != NULL && all->entropy != NULL &&
      all->information != NULL && all->probability != NULL)
    return EXIT_OK;
  return complain(EXIT_FAILED, "no memory for the images");
}

/* ---- Judging ---------------------------------------------------------------------- */

/* n images from `first` on: their probabilities go to the table of all, the rest is summed. */
static cudrop_status_t judge_images(evaluation_t *all, int first, int n,
                                    outcome_t *outcome) {
  engine_t *engine = &all->engine;
  const engine_setup_t setup = {.rows = n,
                                .samples = outcome->samples,
                                .first_row = (uint64_t)first,
                                .seed = all->options.seed};
  for (int i = 0; i < n; ++i)
    fashion_copy(&all->test, first + i, all->image + (size_t)i * FASHION_PIXELS);
  TRY(engine_plan(engine, &setup));
  TRY(engine_write(engine, all->image));
  TRY(engine_run(engine));
  TRY(engine_read(engine, "mean", all->mean));
  TRY(engine_read(engine, "entropy", all->entropy));
  TRY(engine_read(engine, "information", all->information));
  double *probability = all->probability + (size_t)first * FASHION_CLASSES;
  for (int k = 0; k < n * FASHION_CLASSES; ++k) probability[k] = (double)all->mean[k];
  for (int i = 0; i < n; ++i) {
    outcome->entropy += (double)all->entropy[i] / all->test.count;
    outcome->information += (double)all->information[i] / all->test.count;
  }
  return CUDROP_OK;
}

/* An image by a sample is a pass, and so is one by inference. */
static long long count_passes(int images, int samples) {
  return (long long)images * (samples > 0 ? samples : 1);
}

static int judge_all(evaluation_t *all, outcome_t *outcome, progress_t *progress) {
  const double begin = read_clock();
  for (int first = 0, n = 0; first < all->test.count; first += n) {
    const int left = all->test.count - first;
    n = left < all->options.rows ? left : all->options.rows;
    if (judge_images(all, first, n, outcome) != CUDROP_OK)
      return complain(EXIT_FAILED, "%s", engine_error(&all->engine));
    progress->done += count_passes(n, outcome->samples) - 1;
    progress_tell(progress, "%s, image %d of %d", outcome->name, first + n,
                  all->test.count);
  }
  outcome->seconds = read_clock() - begin;
  outcome->score = score_mean(&all->test, 1, all->probability);
  return EXIT_OK;
}

static int judge_by_all(evaluation_t *all) {
  const options_t *options = &all->options;
  long long passes = count_passes(all->test.count, 0);
  for (int k = 0; k < options->counts; ++k)
    passes += count_passes(all->test.count, options->samples[k]);
  progress_t progress = progress_begin(passes, 0);
  int status = EXIT_OK;
  for (int k = 0; k <= options->counts && status == EXIT_OK; ++k) {
    outcome_t *outcome = &all->outcome[k];
    outcome->samples = k == 0 ? 0 : options->samples[k - 1];
    snprintf(outcome->name, sizeof outcome->name, k == 0 ? "inference" : "%d sample%s",
             outcome->samples, outcome->samples == 1 ? "" : "s");
    status = judge_all(all, outcome, &progress);
  }
  progress_end();
  return status;
}

/* ---- What comes of it -------------------------------------------------------------- */

static int print_table(const evaluation_t *all) {
  printf(
      "Fashion-MNIST, network %s: %d test images, %d in a run, seed %llu,\n"
      "backend: %s\n\n"
      "  loss         mean negative log-likelihood of an image\n"
      "  calibration  expected calibration error, %d bins\n"
      "  entropy      of the mean of the samples' probabilities, in nats, mean over the "
      "images\n"
      "  information  of it, what a sample and the class say of each other\n"
      "  seconds      for all images, from their pixels to these numbers\n\n"
      "%-14s%10s%10s%13s%10s%13s%10s\n",
      all->options.network, all->test.count, all->options.rows,
      (unsigned long long)all->options.seed, all->backend, SCORE_BINS, "", "loss",
      "accuracy", "calibration", "entropy", "information", "seconds");
  for (int k = 0; k <= all->options.counts; ++k) {
    const outcome_t *outcome = &all->outcome[k];
    printf("%-14s%10.3f%10.3f%13.3f%10.3f%13.3f%10.2f\n", outcome->name,
           outcome->score.loss, outcome->score.accuracy, outcome->score.calibration,
           outcome->entropy, outcome->information, outcome->seconds);
  }
  return output_flush("the table");
}

static int write_reliability(const evaluation_t *all) {
  FILE *file = output_open(all->options.out, "reliability.csv");
  if (file == NULL) return EXIT_FAILED;
  fputs(score_columns, file);
  for (int k = 0; k <= all->options.counts; ++k)
    score_write_bins(file, all->outcome[k].name, all->outcome[k].score.bin);
  return output_close(file, all->options.out, "reliability.csv");
}

static int clean_up(evaluation_t *all, int status) {
  free(all->probability);
  free(all->information);
  free(all->entropy);
  free(all->mean);
  free(all->image);
  fashion_free(&all->test);
  if (all->engine.network != NULL && engine_close(&all->engine) != CUDROP_OK &&
      status == EXIT_OK)
    status = complain(EXIT_FAILED, "%s", engine_error(&all->engine));
  cudrop_destroy(&all->context);
  network_free(&all->network);
  return status;
}

int main(int argc, char **argv) {
  static evaluation_t all;
  report_name("engine");
  int status = options_read(&all.options, argc, argv);
  if (status != EXIT_OK) return status;
  if (all.options.wants_help) {
    options_print_usage();
    return EXIT_OK;
  }
  status = open_engine(&all);
  if (status == EXIT_OK) status = check_network(&all);
  if (status == EXIT_OK)
    status = fashion_load(&all.test, all.options.data, "t10k", all.options.images);
  if (status == EXIT_OK) status = allocate(&all);
  if (status == EXIT_OK) status = judge_by_all(&all);
  if (status == EXIT_OK) status = write_reliability(&all);
  if (status == EXIT_OK) status = print_table(&all);
  return clean_up(&all, status);
}
