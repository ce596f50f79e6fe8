/* experiment.c - the runs: steps, epochs, scores and samples. */
#include "experiment.h"

#include <string.h>

#include "cudrop/mask.h"
#include "curves.h"
#include "report.h"

/* ---- A run ------------------------------------------------------------------------ */

/* What a run follows from: its number and the options. */
typedef struct {
  int network;
  uint64_t seed;
  double p[MLP_LAYERS];
} run_t;

/*
 * Run number `run`, from 0: the runs of one network, then those of the other. Both begin
 * with the same weights and see the images in the same order.
 */
static run_t describe_run(const options_t *options, int run) {
  const int network = run / options->seeds;
  const bool drops = network == WITH_DROPOUT;
  const double input = drops ? options->rate_input : 0.0;
  const double hidden = drops ? options->rate_hidden : 0.0;
  return (run_t){
      .network = network,
      .seed = cudrop_child_seed(options->seed, (uint64_t)(run % options->seeds)),
      .p = {input, hidden, hidden},
  };
}

/* ---- Scores ----------------------------------------------------------------------- */

/* ---- Training --------------------------------------------------------------------- */

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
static cudrop_status_t take_step(experiment_t *experiment, const int *order, int n,
                                 uint64_t step) {
  mlp_t *mlp = &experiment->mlp;
  const fashion_t *train = &experiment->train;
  for (int i = 0; i < n; ++i) {
    fashion_copy(train, order[i], mlp->input + (size_t)i * FASHION_PIXELS);
    experiment->label[i] = train->label[order[i]];
  }
  TRY(mlp_forward(mlp, n, step));
  TRY(mlp_backward(mlp, experiment->label, n, step));
  return mlp_update(mlp, step);
}

static cudrop_status_t train_epoch(experiment_t *experiment, uint64_t seed, int epoch,
                                   uint64_t *step) {
  const int images = experiment->train.count;
  const int batch = experiment->options.batch;
  const uint64_t shuffle_seed = cudrop_child_seed(seed, MLP_STREAM_SHUFFLES);
  shuffle(experiment->order, images, cudrop_philox_key(shuffle_seed), epoch);
  for (int first = 0; first < images; first += batch) {
    const int n = images - first < batch ? images - first : batch;
    TRY(take_step(experiment, experiment->order + first, n, *step));
    ++*step;
  }
  return CUDROP_OK;
}

/* ---- Scores ----------------------------------------------------------------------- */

/* Where the curve has a point after this epoch, add it. */
static cudrop_status_t add_point(experiment_t *experiment, int run, int epoch) {
  result_t *result = &experiment->result[run];
  const run_t of = describe_run(&experiment->options, run);
  if (!result_has_point(epoch, experiment->options.epochs)) return CUDROP_OK;
  TRY(score(&experiment->mlp, &experiment->train, &result->train));
  TRY(score(&experiment->mlp, &experiment->test, &result->test));
  point_t *point = &result->curve[result->points++];
  *point = (point_t){
      .epoch = epoch, .train_loss = result->train.loss, .test_loss = result->test.loss};
  curves_add(experiment->curves, run + 1, of.network, of.seed, of.p, point);
  return CUDROP_OK;
}

static cudrop_status_t take_samples(experiment_t *experiment, int run,
                                    progress_t *progress) {
  const fashion_t *test = &experiment->test;
  const int samples = experiment->options.samples;
  memset(experiment->sum, 0,
         (size_t)test->count * FASHION_CLASSES * sizeof *experiment->sum);
  for (int s = 0; s < samples; ++s) {
    TRY(score_add_sample(&experiment->mlp, test, (uint64_t)s, experiment->sum));
    progress_tell(progress, "run %d of %d, sample %d of %d", run + 1,
                  NETWORKS * experiment->options.seeds, s + 1, samples);
  }
  experiment->result[run].sampled = score_mean(test, samples, experiment->sum);
  return CUDROP_OK;
}

/* ---- All runs --------------------------------------------------------------------- */

static cudrop_status_t do_run(experiment_t *experiment, int run, progress_t *progress) {
  const options_t *options = &experiment->options;
  const run_t of = describe_run(options, run);
  result_t *result = &experiment->result[run];
  uint64_t step = 0;
  TRY(mlp_start(&experiment->mlp, of.seed, of.p));
  for (int epoch = 1; epoch <= options->epochs; ++epoch) {
    TRY(train_epoch(experiment, of.seed, epoch, &step));
    TRY(add_point(experiment, run, epoch));
    progress_tell(progress, "run %d of %d, epoch %d of %d, test loss %.3f", run + 1,
                  NETWORKS * options->seeds, epoch, options->epochs, result->test.loss);
  }
  result->sampled = result->test;
  return of.network == WITH_DROPOUT ? take_samples(experiment, run, progress) : CUDROP_OK;
}

int experiment_run(experiment_t *experiment) {
  const options_t *options = &experiment->options;
  const int passes = options->seeds * (NETWORKS * options->epochs + options->samples);
  progress_t progress = progress_begin(passes, 0);
  cudrop_status_t status = CUDROP_OK;
  for (int run = 0; run < NETWORKS * options->seeds && status == CUDROP_OK; ++run)
    status = do_run(experiment, run, &progress);
  progress_end(&progress);
  if (status != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", mlp_error(&experiment->mlp));
  return curves_write_reliability(options, experiment->result);
}
