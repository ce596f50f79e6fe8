/*
 * main.c - dropout on real data: a small network on 1,000 images of Fashion-MNIST.
 *
 * Trains the network with and without dropout, several times each, and compares the
 * losses and the calibration on the test images. No mask is stored: see mlp.h. Equal
 * options give equal results on one machine, whose BLAS uses the same number of threads.
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
  int *order;       /* of the training images in an epoch */
  uint8_t *label;   /* of the images in a step */
  result_t *result; /* [NETWORKS][seeds], as table_print() takes them */
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
    fashion_copy(&trial->train, order[i],
                 mlp->activation[0] + (size_t)i * FASHION_PIXELS);
    trial->label[i] = trial->train.label[order[i]];
  }
  cudrop_status_t status = mlp_forward(mlp, n, step);
  if (status == CUDROP_OK) status = mlp_backward(mlp, trial->label, n, step);
  if (status == CUDROP_OK) mlp_update(mlp, step);
  return status;
}

static cudrop_status_t train_epoch(trial_t *trial, cudrop_philox_key_t key, int epoch,
                                   uint64_t *step) {
  const int images = trial->train.count;
  const int batch = trial->options.batch;
  shuffle(trial->order, images, key, epoch);
  for (int first = 0; first < images; first += batch) {
    const int n = images - first < batch ? images - first : batch;
    const cudrop_status_t status = take_step(trial, trial->order + first, n, *step);
    if (status != CUDROP_OK) return status;
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
  mlp_start(&trial->mlp, seed, p);
  for (int epoch = 1; epoch <= options->epochs; ++epoch) {
    const cudrop_status_t status = train_epoch(trial, shuffle_key, epoch, &step);
    if (status != CUDROP_OK) return status;
    if (epoch == 1 || epoch % stride == 0 || epoch == options->epochs) {
      result->train = score(&trial->mlp, &trial->train);
      result->test = score(&trial->mlp, &trial->test);
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
  if (status != CUDROP_OK) return complain(EXIT_FAILED, "%s", cudrop_last_error());
  table_print(&trial->options, width, trial->result, trial->test.count);
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
  if (!mlp_init(&trial->mlp, context, width, batch) || trial->order == NULL ||
      trial->label == NULL || trial->result == NULL)
    return complain(EXIT_FAILED, "no memory for the network");
  trial->curves = curves_open(options->out);
  return trial->curves != NULL ? EXIT_OK : EXIT_FAILED;
}

static int compare(const options_t *options) {
  trial_t trial = {.options = *options};
  cudrop_context_t *context = NULL;
  if (cudrop_create(&context, CUDROP_HOST, 0) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
  int status = prepare_trial(&trial, context);
  if (status == EXIT_OK) status = run_trial(&trial);
  if (trial.curves != NULL) {
    const int closed = curves_close(trial.curves, options->out);
    if (status == EXIT_OK) status = closed;
  }
  free(trial.result);
  free(trial.label);
  free(trial.order);
  mlp_free(&trial.mlp);
  fashion_free(&trial.test);
  fashion_free(&trial.train);
  if (cudrop_destroy(&context) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", cudrop_last_error());
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
