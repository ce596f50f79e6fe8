/* checkpoint.c - what a file of checkpoint_file.h holds of the runs. */
#include "checkpoint.h"

#include <string.h>

#include "arguments.h"
#include "checkpoint_file.h"
#include "output.h"
#include "report.h"

/*
 * The body:
 *
 *   results      result_t [networks][seeds]
 *   parameters   float [parameters]
 *   mean         float [parameters], Adam's
 *   square       float [parameters], Adam's
 *   sums         double [test images][classes], of the samples
 *
 * VERSION changes when this does, or position or key, or what is computed from them.
 */
enum { VERSION = 1 };

/* The options that the bits follow from are the key; for the data its two checksums are. */
enum {
  IMAGES,
  EPOCHS,
  BATCH,
  SEEDS,
  RATE_INPUT,
  RATE_HIDDEN,
  SAMPLES,
  SEED,
  BACKEND,
  DATA,
  KEYS
};

static const checkpoint_key_t keys[KEYS] = {
    [IMAGES] = {"images", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [EPOCHS] = {"epochs", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [BATCH] = {"batch", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [SEEDS] = {"seeds", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [RATE_INPUT] = {"rate-input", CHECKPOINT_RATE, 0, 0, NULL, false},
    [RATE_HIDDEN] = {"rate-hidden", CHECKPOINT_RATE, 0, 0, NULL, false},
    [SAMPLES] = {"samples", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [SEED] = {"seed", CHECKPOINT_NUMBER, 0, UINT64_MAX, NULL, false},
    [BACKEND] = {"backend", CHECKPOINT_WORD, CUDROP_HOST, CUDROP_CUDA, argument_backends,
                 false},
    [DATA] = {"data", CHECKPOINT_CHECKSUM, 0, 0, NULL, false},
};

/* Equal states give equal files: nowhere is there a byte that nobody has written. */
_Static_assert(sizeof(position_t) == 3 * sizeof(int), "a position has no padding");
_Static_assert(sizeof(score_t) == 3 * 8 + SCORE_BINS * 16, "a score has no padding");
_Static_assert(sizeof(result_t) == 3 * sizeof(score_t) + 8 + RESULT_MOST_POINTS * 24,
               "a result has no padding");

static uint64_t get_bits(double value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static double get_rate(uint64_t bits) {
  double value = 0.0;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void make_key(const options_t *options, cudrop_backend_t backend, uint64_t data,
                     uint64_t key[KEYS]) {
  const uint64_t values[KEYS] = {
      [IMAGES] = (uint64_t)options->images,
      [EPOCHS] = (uint64_t)options->epochs,
      [BATCH] = (uint64_t)options->batch,
      [SEEDS] = (uint64_t)options->seeds,
      [RATE_INPUT] = get_bits(options->rate_input),
      [RATE_HIDDEN] = get_bits(options->rate_hidden),
      [SAMPLES] = (uint64_t)options->samples,
      [SEED] = options->seed,
      [BACKEND] = (uint64_t)backend,
      [DATA] = data,
  };
  memcpy(key, values, sizeof values);
}

static void take_options(options_t *options, const uint64_t key[KEYS]) {
  options->images = (int)key[IMAGES];
  options->epochs = (int)key[EPOCHS];
  options->batch = (int)key[BATCH];
  options->seeds = (int)key[SEEDS];
  options->rate_input = get_rate(key[RATE_INPUT]);
  options->rate_hidden = get_rate(key[RATE_HIDDEN]);
  options->samples = (int)key[SAMPLES];
  options->seed = key[SEED];
  options->backend = (cudrop_backend_t)key[BACKEND];
}

static checkpoint_head_t make_head(position_t *position, uint64_t *key) {
  return (checkpoint_head_t){
      .program = "mlp_fashion",
      .version = VERSION,
      .position = position,
      .position_bytes = sizeof *position,
      .key = key,
      .list = keys,
      .keys = KEYS,
  };
}

/* The key of runs whose data is there. */
static void make_whole_key(const experiment_t *experiment, uint64_t key[KEYS]) {
  make_key(&experiment->options, experiment->backend,
           (uint64_t)experiment->train.checksum << 32 | experiment->test.checksum, key);
}

/* Through staged memory; false if the network's own copy fails. */
static bool transfer_state(checkpoint_stream_t *stream, mlp_t *mlp, int k) {
  if (stream->is_written && mlp_stage(mlp, k) != CUDROP_OK) return false;
  if (!checkpoint_transfer(stream, mlp->staged, mlp->parameters * sizeof *mlp->staged))
    return true;
  return stream->is_written || mlp_unstage(mlp, k) == CUDROP_OK;
}

static const char *transfer_body(checkpoint_stream_t *stream, void *state) {
  experiment_t *experiment = state;
  const size_t results = (size_t)experiment->options.seeds * NETWORKS;
  const size_t sums = (size_t)experiment->test.count * FASHION_CLASSES;
  checkpoint_transfer(stream, experiment->result, results * sizeof *experiment->result);
  for (int k = 0; k < MLP_STATES; ++k)
    if (!transfer_state(stream, &experiment->mlp, k)) return mlp_error(&experiment->mlp);
  checkpoint_transfer(stream, experiment->sum, sums * sizeof *experiment->sum);
  return NULL;
}

int checkpoint_write(experiment_t *experiment) {
  char path[OUTPUT_PATH_BYTES];
  uint64_t key[KEYS];
  make_whole_key(experiment, key);
  const checkpoint_head_t head = make_head(&experiment->at, key);
  output_path(experiment->options.out, "checkpoint", path);
  return checkpoint_file_write(path, &head, transfer_body, experiment);
}

int checkpoint_read(experiment_t *experiment) {
  char path[OUTPUT_PATH_BYTES];
  uint64_t key[KEYS];
  make_whole_key(experiment, key);
  const checkpoint_head_t head = make_head(&experiment->at, key);
  output_path(experiment->options.out, "checkpoint", path);
  return checkpoint_file_read(path, &head, transfer_body, experiment);
}

int checkpoint_read_options(options_t *options) {
  char path[OUTPUT_PATH_BYTES];
  uint64_t key[KEYS], given = 0;
  position_t position;
  output_path(options->out, "checkpoint", path);
  if (!options->resumes)
    return options->is_fresh ? EXIT_OK : checkpoint_file_expect_none(path);
  make_key(options, options->backend, 0, key);
  for (int k = 0; k < DATA; ++k)
    if (options_have(options, keys[k].name)) given |= (uint64_t)1 << k;
  const checkpoint_head_t head = make_head(&position, key);
  const int status = checkpoint_file_read_key(path, &head, given);
  if (status == EXIT_OK) take_options(options, key);
  return status;
}
