/* checkpoint.c - what a file of checkpoint_file.h holds of the runs. */
#include "checkpoint.h"

#include <string.h>

#include "checkpoint_file.h"
#include "output.h"

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
static const char *const key_names[] = {"images",     "epochs",      "batch",   "seeds",
                                        "rate-input", "rate-hidden", "samples", "seed",
                                        "backend",    "data"};
enum { KEYS = sizeof key_names / sizeof key_names[0] };

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

static void make_key(const experiment_t *experiment, uint64_t key[KEYS]) {
  const options_t *options = &experiment->options;
  const uint64_t values[KEYS] = {
      (uint64_t)options->images,
      (uint64_t)options->epochs,
      (uint64_t)options->batch,
      (uint64_t)options->seeds,
      get_bits(options->rate_input),
      get_bits(options->rate_hidden),
      (uint64_t)options->samples,
      options->seed,
      (uint64_t)experiment->backend,
      (uint64_t)experiment->train.checksum << 32 | experiment->test.checksum};
  memcpy(key, values, sizeof values);
}

static checkpoint_head_t make_head(experiment_t *experiment, const uint64_t *key) {
  return (checkpoint_head_t){
      .program = "mlp_fashion",
      .version = VERSION,
      .position = &experiment->at,
      .position_bytes = sizeof experiment->at,
      .key = key,
      .key_names = key_names,
      .keys = KEYS,
  };
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
  make_key(experiment, key);
  const checkpoint_head_t head = make_head(experiment, key);
  output_path(experiment->options.out, "checkpoint", path);
  return checkpoint_file_write(path, &head, transfer_body, experiment);
}

int checkpoint_read(experiment_t *experiment) {
  char path[OUTPUT_PATH_BYTES];
  uint64_t key[KEYS];
  make_key(experiment, key);
  const checkpoint_head_t head = make_head(experiment, key);
  output_path(experiment->options.out, "checkpoint", path);
  return checkpoint_file_read(path, &head, transfer_body, experiment);
}
