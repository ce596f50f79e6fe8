/*
 * main.c - dropout on real data: a small network on 1,000 images of Fashion-MNIST.
 *
 * Trains the network with and without dropout, several times each, and compares the
 * losses and the calibration on the test images, on the host or on a GPU. No mask is
 * stored: see mlp.h. Equal options give equal results on one GPU, and on one host whose
 * BLAS uses the same number of threads. The masks are equal everywhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "fashion.h"
#include "mlp.h"
#include "options.h"
#include "report.h"
#include "score.h"

enum {
  HIDDEN = 512,
  SCORE_BATCH =
      500,    /* images in a call of the scoring, where they are more than a step's */
  POINTS = 20 /* of a curve: scoring takes longer than an epoch */
};

static const int width[MLP_LAYERS + 1] = {FASHION_PIXELS, HIDDEN, HIDDEN,
                                          FASHION_CLASSES};

/* All that the runs need; allocated once, before the first. */
typedef struct {
  options_t options;
  fashion_t train;
  fashion_t test;
  mlp_t mlp;
  char backend[300]; /* its name, and the GPU's */
  int *order;        /* of the training images in an epoch */
  uint8_t *label;    /* of the images in a step */
  result_t *result;  /* [NETWORKS][seeds], as table_print() takes them */
  FILE *curves;
} trial_t;

/*
 * Fisher and Yates's shuffle, a function of key and epoch. A product in place of a
 * remainder makes a draw from i + 1 values; its bias is below (i + 1) / 2^32.
 */
static void shuffle(int *order, int n, cudrop_philox_key_t key, int epoch) {
  for (int i = 0; i < n; ++i) order[i] = i;
  for (int i = n - 1; i > 0; --i) {
    const cudrop_philox_block_t counter = {{(uint32_t)i, (uint32_t)epoch, 0, 0}};
    const uint32_t word = cudrop_philox(counter, key).word[0];
    const int j = (int)(cudrop_multiply_wide(word, (uint32_t)i + 1) >> 32);
    const int image = order[i];
    order[i] = order[j];
    order[j] = image;
  }
}

/* Train on the n images order[0..n). */
static cudrop_status_t take_step(trial_t *trial, const int *order, int n, uint64_t step) {
  mlp_t *mlp = &trial->mlp;
  for (int i = 0; i < n; ++i) {
    fashion_copy(&trial->train, order[i], mlp->input + (size_t)i * FASHION_PIXELS);
    trial->label[i] = trial->train.label[order[i]];
  }
  TRY(mlp_forward(mlp, n, step));
  TRY(mlp_backward(mlp, trial->label, n, step));
  return mlp_update(mlp, step);
}

static cudrop_status_t train_epoch(trial_t *trial, cudrop_philox_key_t key, int epoch,
                                   uint64_t *step) {
  const int images = trial->train.count;
  const int batch = trial->options.batch;
  shuffle(trial->order, images, key, epoch);
  for (int first = 0; first < images; first += batch) {
    const int n = images - first < batch ? images - first : batch;
    TRY(take_step(trial, trial->order + first, n, *step));
    ++*step;
  }
  return CUDROP_OK;
}

/* Run number `run`, from 0: the runs of one network, then those of the other. */
static cudrop_status_t train_network(trial_t *trial, int run, progress_t *progress) {
  const options_t *options = &trial->options;
  const int network = run / options->seeds;
  const bool drops = network == WITH_DROPOUT;
  const double rate_input = drops ? options->rate_input : 0.0;
  const double rate_hidden = drops ? options->rate_hidden : 0.0;
  const double p[MLP_LAYERS] = {rate_input, rate_hidden, rate_hidden};
  /* Both networks begin with the same weights and see the images in the same order. */
  const uint64_t seed =
      cudrop_child_seed(options->seed, (uint64_t)(run % options->seeds));
  const cudrop_philox_key_t shuffle_key =
      cudrop_philox_key(cudrop_child_seed(seed, MLP_STREAM_SHUFFLES));
  const int stride = options->epochs > POINTS ? options->epochs / POINTS : 1;
  result_t *result = &trial->result[run];
  uint64_t step = 0;
  TRY(mlp_start(&trial->mlp, seed, p));
  for (int epoch = 1; epoch <= options->epochs; ++epoch) {
    TRY(train_epoch(trial, shuffle_key, epoch, &step));
    if (epoch == 1 || epoch % stride == 0 || epoch == options->epochs) {
      TRY(score(&trial->mlp, &trial->train, &result->train));
      TRY(score(&trial->mlp, &trial->test, &result->test));
      if (epoch == 1 || result->test.loss < result->lowest)
        result->lowest = result->test.loss;
      curves_add(trial->curves, run + 1, network, seed, p, epoch, result);
    }
    progress_tell(progress, run + 1, epoch, result->test.loss);
  }
  return CUDROP_OK;
}

static int run_trial(trial_t *trial) {
  const int runs = NETWORKS * trial->options.seeds;
  progress_t progress = progress_begin(runs, trial->options.epochs);
  cudrop_status_t status = CUDROP_OK;
  for (int run = 0; run < runs && status == CUDROP_OK; ++run)
    status = train_network(trial, run, &progress);
  progress_end(&progress);
  if (status != CUDROP_OK) return complain(EXIT_FAILED, "%s", mlp_error(&trial->mlp));
  table_print(&trial->options, trial->backend, width, trial->result, trial->test.count);
  if (fflush(stdout) != 0 || ferror(stdout))
    return complain(EXIT_FAILED, "cannot write the table: %s", strerror(errno));
  return EXIT_OK;
}

/* Everything is allocated here; what is, stays with the trial after a failure as well. */
static int prepare_trial(trial_t *trial, cudrop_context_t *context) {
  const options_t *options = &trial->options;
  const int batch = options->batch > SCORE_BATCH ? options->batch : SCORE_BATCH;
  int status = fashion_load(&trial->train, options->data, "train", options->images);
  if (status == EXIT_OK) status = fashion_load(&trial->test, options->data, "t10k", 0);
  if (status != EXIT_OK) return status;
  trial->order = calloc((size_t)options->images, sizeof *trial->order);
  trial->label = calloc((size_t)options->batch, sizeof *trial->label);
  trial->result = calloc((size_t)options->seeds * NETWORKS, sizeof *trial->result);
  if (trial->order == NULL || trial->label == NULL || trial->result == NULL)
    return complain(EXIT_FAILED, "no memory for the runs");
  if (mlp_init(&trial->mlp, context, width, batch) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", mlp_error(&trial->mlp));
  trial->curves = curves_open(options->out);
  return trial->curves != NULL ? EXIT_OK : EXIT_FAILED;
}

/* Free what prepare_trial() has allocated; `status` as it is, or a failure to free. */
static int free_trial(trial_t *trial, int status) {
  free(trial->result);
  free(trial->label);
  free(trial->order);
  if (mlp_free(&trial->mlp) != CUDROP_OK && status == EXIT_OK)
    status = complain(EXIT_FAILED, "%s", mlp_error(&trial->mlp));
  fashion_free(&trial->test);
  fashion_free(&trial->train);
  return status;
}

/* Make a context for the backend that is wanted, and write down what it is called. */
static cudrop_status_t open_backend(cudrop_backend_t wanted, cudrop_context_t **context,
                                    char *text, size_t size) {
  char name[256];
  cudrop_backend_t backend = CUDROP_HOST;
  TRY(cudrop_create(context, maths_backend(wanted), 0));
  TRY(cudrop_get_backend(*context, &backend));
  TRY(cudrop_device_name(backend, 0, name, sizeof name));
  snprintf(text, size, backend == CUDROP_HOST ? "%s" : "cuda (%s)", name);
  return CUDROP_OK;
}

static int compare(const options_t *options) {
  trial_t trial = {.options = *options};
  cudrop_context_t *context = NULL;
  int status = EXIT_OK;
  if (open_backend(options->backend, &context, trial.backend, sizeof trial.backend) !=
      CUDROP_OK)
    status = complain(EXIT_FAILED, "%s", cudrop_last_error());
  if (status == EXIT_OK) status = prepare_trial(&trial, context);
  if (status == EXIT_OK) status = run_trial(&trial);
  if (trial.curves != NULL) {
    const int closed = curves_close(trial.curves, options->out);
    if (status == EXIT_OK) status = closed;
  }
  status = free_trial(&trial, status);
  cudrop_destroy(&context);
  return status;
}

int main(int argc, char **argv) {
  options_t options;
  const int status = options_read(&options, argc, argv);
  if (status != EXIT_OK) return status;
  if (options.wants_help) {
    options_print_usage();
    return EXIT_OK;
  }
  return compare(&options);
}
