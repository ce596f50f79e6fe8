/* experiment.c - the runs: steps, epochs, samples and scores, and where they stop. */
#include "experiment.h"

#include <string.h>

#include "checkpoint.h"
#include "cudrop/mask.h"
#include "curves.h"
#include "interrupt.h"
#include "report.h"

/* ---- A run ------------------------------------------------------------------------ */

/* What a run follows from: its number and the options. */
typedef struct {
  int network;
  uint64_t seed;
  double p[MLP_LAYERS];
  int samples; /* 0 without dropout, where all are equal */
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
      .samples = drops ? options->samples : 0,
  };
}

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

/* Epoch number `epoch`, from 0. */
static cudrop_status_t train_epoch(experiment_t *experiment, uint64_t seed, int epoch) {
  const int images = experiment->train.count;
  const int batch = experiment->options.batch;
  const uint64_t shuffle_seed = cudrop_child_seed(seed, MLP_STREAM_SHUFFLES);
  uint64_t step = (uint64_t)epoch * (uint64_t)((images + batch - 1) / batch);
  shuffle(experiment->order, images, cudrop_philox_key(shuffle_seed), epoch + 1);
  for (int first = 0; first < images; first += batch, ++step) {
    const int n = images - first < batch ? images - first : batch;
    TRY(take_step(experiment, experiment->order + first, n, step));
  }
  return CUDROP_OK;
}

/* ---- Scores ----------------------------------------------------------------------- */

static void write_point(const experiment_t *experiment, int run, const point_t *point) {
  const run_t of = describe_run(&experiment->options, run);
  curves_add(experiment->curves, run + 1, of.network, of.seed, of.p, point);
}

/* The curves as far as they are known when the runs go on from a checkpoint. */
static void write_known_points(const experiment_t *experiment) {
  for (int run = 0; run < NETWORKS * experiment->options.seeds; ++run) {
    const result_t *result = &experiment->result[run];
    for (int k = 0; k < result->points; ++k)
      write_point(experiment, run, &result->curve[k]);
  }
}

/* Where the curve has a point after so many epochs, add it. */
static cudrop_status_t add_point(experiment_t *experiment, int run, int epochs) {
  result_t *result = &experiment->result[run];
  if (!result_has_point(epochs, experiment->options.epochs)) return CUDROP_OK;
  TRY(score(&experiment->mlp, &experiment->train, &result->train));
  TRY(score(&experiment->mlp, &experiment->test, &result->test));
  point_t *point = &result->curve[result->points++];
  *point = (point_t){
      .epoch = epochs, .train_loss = result->train.loss, .test_loss = result->test.loss};
  write_point(experiment, run, point);
  return CUDROP_OK;
}

static cudrop_status_t take_sample(experiment_t *experiment, int sample) {
  const fashion_t *test = &experiment->test;
  const size_t sums = (size_t)test->count * FASHION_CLASSES;
  if (sample == 0) memset(experiment->sum, 0, sums * sizeof *experiment->sum);
  return score_add_sample(&experiment->mlp, test, (uint64_t)sample, experiment->sum);
}

/* ---- Passes ----------------------------------------------------------------------- */

static int count_runs(const experiment_t *experiment) {
  return NETWORKS * experiment->options.seeds;
}

static bool are_done(const experiment_t *experiment) {
  return experiment->at.run == count_runs(experiment);
}

/* The passes before a position. */
static long long count_passes(const options_t *options, position_t at) {
  const long long sampled = at.run > options->seeds ? at.run - options->seeds : 0;
  return (long long)at.run * options->epochs + sampled * options->samples + at.epoch +
         at.sample;
}

static cudrop_status_t do_epoch(experiment_t *experiment, const run_t *of,
                                progress_t *progress) {
  const options_t *options = &experiment->options;
  position_t *at = &experiment->at;
  TRY(train_epoch(experiment, of->seed, at->epoch));
  ++at->epoch;
  TRY(add_point(experiment, at->run, at->epoch));
  progress_tell(progress, "run %d of %d, epoch %d of %d, test loss %.3f", at->run + 1,
                count_runs(experiment), at->epoch, options->epochs,
                experiment->result[at->run].test.loss);
  return CUDROP_OK;
}

static cudrop_status_t do_sample(experiment_t *experiment, progress_t *progress) {
  position_t *at = &experiment->at;
  TRY(take_sample(experiment, at->sample));
  ++at->sample;
  progress_tell(progress, "run %d of %d, sample %d of %d", at->run + 1,
                count_runs(experiment), at->sample, experiment->options.samples);
  return CUDROP_OK;
}

static void finish_run(experiment_t *experiment, int samples) {
  position_t *at = &experiment->at;
  result_t *result = &experiment->result[at->run];
  result->sampled = samples == 0
                        ? result->test
                        : score_mean(&experiment->test, samples, experiment->sum);
  *at = (position_t){.run = at->run + 1};
}

static cudrop_status_t do_pass(experiment_t *experiment, progress_t *progress) {
  const position_t *at = &experiment->at;
  const run_t of = describe_run(&experiment->options, at->run);
  if (at->epoch == 0) {
    TRY(mlp_start(&experiment->mlp, of.seed, of.p));
  } else {
    mlp_continue(&experiment->mlp, of.seed, of.p);
  }
  if (at->epoch < experiment->options.epochs) {
    TRY(do_epoch(experiment, &of, progress));
  } else {
    TRY(do_sample(experiment, progress));
  }
  if (at->epoch == experiment->options.epochs && at->sample == of.samples)
    finish_run(experiment, of.samples);
  return CUDROP_OK;
}

/* ---- All runs --------------------------------------------------------------------- */

/* Why to stop short after so many passes: an exit status, EXIT_OK for no reason. */
static int find_stop(const experiment_t *experiment, int passes) {
  const int signal = interrupt_signal();
  if (are_done(experiment)) return EXIT_OK;
  if (signal != 0) return 128 + signal;
  return passes == experiment->options.stop_after ? EXIT_STOPPED : EXIT_OK;
}

static int do_passes(experiment_t *experiment, progress_t *progress) {
  double written = read_clock();
  int passes = 0;
  int stop = EXIT_OK;
  while (!are_done(experiment) && stop == EXIT_OK) {
    if (do_pass(experiment, progress) != CUDROP_OK)
      return complain(EXIT_FAILED, "%s", mlp_error(&experiment->mlp));
    stop = find_stop(experiment, ++passes);
    const bool is_due = read_clock() - written >= experiment->options.save_every;
    if (!is_due && !are_done(experiment) && stop == EXIT_OK) continue;
    const int status = checkpoint_write(experiment);
    if (status != EXIT_OK) return status;
    written = read_clock();
  }
  return stop;
}

int experiment_run(experiment_t *experiment) {
  const options_t *options = &experiment->options;
  const position_t end = {.run = count_runs(experiment)};
  progress_t progress =
      progress_begin(count_passes(options, end), count_passes(options, experiment->at));
  write_known_points(experiment);
  const int status = do_passes(experiment, &progress);
  progress_end();
  if (status == EXIT_OK) return curves_write_reliability(options, experiment->result);
  if (status >= EXIT_STOPPED)
    complain(status, "stopped after %lld of %lld passes; --resume goes on", progress.done,
             progress.passes);
  return status;
}
