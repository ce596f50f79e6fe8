/*
 * main.c - dropout on real data: a small network on 1,000 images of Fashion-MNIST.
 *
 * Trains the network with and without dropout, several times each, and compares the
 * losses and the calibration on the test images, on the host or on a GPU; with dropout also
 * those of the mean of many passes with dropout, Monte-Carlo samples. No mask is stored: see
 * mlp.h. Equal options give equal results on one GPU, and on one host whose BLAS uses the
 * same number of threads, whether or not the program is stopped on the way and goes on from
 * its checkpoint. The masks are equal everywhere.
 */
#include <stdlib.h>

#include "checkpoint.h"
#include "curves.h"
#include "experiment.h"
#include "interrupt.h"
#include "output.h"
#include "report.h"
#include "table.h"
#include "trained.h"

enum {
  HIDDEN = 512,
  SCORE_BATCH =
      500 /* images in a call of the scoring, where they are more than a step's */
};

static const int width[MLP_LAYERS + 1] = {FASHION_PIXELS, HIDDEN, HIDDEN,
                                          FASHION_CLASSES};

/* Make a context for the backend that is wanted, and write down what it is called. */
static cudrop_status_t open_backend(experiment_t *experiment, cudrop_context_t **context,
                                    char *text, size_t size) {
  char name[256];
  TRY(cudrop_create(context, maths_backend(experiment->options.backend), 0));
  TRY(cudrop_get_backend(*context, &experiment->backend));
  TRY(cudrop_device_name(experiment->backend, 0, name, sizeof name));
  snprintf(text, size, experiment->backend == CUDROP_HOST ? "%s" : "cuda (%s)", name);
  return CUDROP_OK;
}

static int load_data(experiment_t *experiment) {
  const options_t *options = &experiment->options;
  const int status =
      fashion_load(&experiment->train, options->data, "train", options->images);
  if (status != EXIT_OK) return status;
  return fashion_load(&experiment->test, options->data, "t10k", 0);
}

static int allocate(experiment_t *experiment, cudrop_context_t *context) {
  const options_t *options = &experiment->options;
  const int batch = options->batch > SCORE_BATCH ? options->batch : SCORE_BATCH;
  const size_t sums = (size_t)experiment->test.count * FASHION_CLASSES;
  experiment->order = calloc((size_t)options->images, sizeof *experiment->order);
  experiment->label = calloc((size_t)options->batch, sizeof *experiment->label);
  experiment->sum = calloc(sums, sizeof *experiment->sum);
  experiment->result =
      calloc((size_t)options->seeds * NETWORKS, sizeof *experiment->result);
  if (experiment->order == NULL || experiment->label == NULL || experiment->sum == NULL ||
      experiment->result == NULL)
    return complain(EXIT_FAILED, "no memory for the runs");
  if (mlp_init(&experiment->mlp, context, width, batch) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", mlp_error(&experiment->mlp));
  return EXIT_OK;
}

/* Close and free what there is; `status` as it is, or else a failure here. */
static int clean_up(experiment_t *experiment, int status) {
  if (experiment->curves != NULL) {
    const int closed = curves_close(experiment->curves, &experiment->options);
    if (status == EXIT_OK) status = closed;
  }
  free(experiment->result);
  free(experiment->sum);
  free(experiment->label);
  free(experiment->order);
  if (mlp_free(&experiment->mlp) != CUDROP_OK && status == EXIT_OK)
    status = complain(EXIT_FAILED, "%s", mlp_error(&experiment->mlp));
  fashion_free(&experiment->test);
  fashion_free(&experiment->train);
  return status;
}

static int print_table(const experiment_t *experiment, const char *backend) {
  table_print(&experiment->options, backend, width, experiment->result,
              experiment->test.count);
  return output_flush("the table");
}

static int run_all(experiment_t *experiment) {
  const options_t *options = &experiment->options;
  if (options->is_fresh) output_remove(options->out, "checkpoint");
  experiment->curves = curves_open(&experiment->options);
  if (experiment->curves == NULL) return EXIT_FAILED;
  interrupt_catch();
  return experiment_run(experiment);
}

static int compare(const options_t *options) {
  experiment_t experiment = {.options = *options};
  cudrop_context_t *context = NULL;
  char backend[300];
  int status = EXIT_OK;
  if (open_backend(&experiment, &context, backend, sizeof backend) != CUDROP_OK)
    status = complain(EXIT_FAILED, "%s", cudrop_last_error());
  if (status == EXIT_OK) status = load_data(&experiment);
  if (status == EXIT_OK) status = allocate(&experiment, context);
  if (status == EXIT_OK && options->resumes) status = checkpoint_read(&experiment);
  if (status == EXIT_OK) status = run_all(&experiment);
  if (status == EXIT_OK) status = trained_write(&experiment);
  if (status == EXIT_OK) status = print_table(&experiment, backend);
  status = clean_up(&experiment, status);
  cudrop_destroy(&context);
  return status;
}

int main(int argc, char **argv) {
  options_t options;
  report_name("mlp_fashion");
  int status = options_read(&options, argc, argv);
  if (status != EXIT_OK) return status;
  if (options.wants_help) {
    options_print_usage();
    return EXIT_OK;
  }
  status = checkpoint_read_options(&options);
  if (status == EXIT_OK) status = options_check(&options);
  return status == EXIT_OK ? compare(&options) : status;
}
