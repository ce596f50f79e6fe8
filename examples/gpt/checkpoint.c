/* checkpoint.c - what a file of checkpoint_file.h holds of a training. */
#include "checkpoint.h"

#include <string.h>

#include "checkpoint_file.h"
#include "output.h"
#include "report.h"

/*
 * The body: the points of the curve; then parameters, AdamW's means and its squares, each as the
 * tensors of parameters.h, in floats. VERSION changes when this does, or position or key, or what
 * is computed from them.
 */
enum { VERSION = 1 };

/* The options that the bits follow from; for the text its checksum stands. */
static const char *const key_names[] = {
    "model",         "length", "width",   "heads", "layers",         "qkv-bias",
    "batch",         "type",   "rate",    "decay", "drop-embedding", "drop-attention",
    "drop-shortcut", "seed",   "backend", "text",  "evaluate-every"};
enum { KEYS = sizeof key_names / sizeof key_names[0] };

_Static_assert(sizeof(position_t) == 2 * 8, "a position has no padding");
_Static_assert(sizeof(point_t) == 8 + TEXT_PARTS * 8, "a point has no padding");

static uint64_t get_bits(double value) {
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static void make_key(const training_t *training, uint64_t key[KEYS]) {
  const options_t *options = &training->options;
  const gpt_config_t *config = &options->config;
  const uint64_t values[KEYS] = {(uint64_t)config->vocabulary,
                                 (uint64_t)config->length,
                                 (uint64_t)config->width,
                                 (uint64_t)config->heads,
                                 (uint64_t)config->layers,
                                 (uint64_t)config->has_qkv_bias,
                                 (uint64_t)config->batch,
                                 (uint64_t)config->dtype,
                                 get_bits(options->rate),
                                 get_bits(options->decay),
                                 get_bits(config->p[GPT_DROP_EMBEDDING]),
                                 get_bits(config->p[GPT_DROP_ATTENTION]),
                                 get_bits(config->p[GPT_DROP_SHORTCUT]),
                                 options->seed,
                                 (uint64_t)training->backend,
                                 training->text.checksum,
                                 (uint64_t)options->evaluate_every};
  memcpy(key, values, sizeof values);
}

static checkpoint_head_t make_head(training_t *training, const uint64_t *key) {
  return (checkpoint_head_t){
      .program = "gpt",
      .version = VERSION,
      .position = &training->at,
      .position_bytes = sizeof training->at,
      .key = key,
      .key_names = key_names,
      .keys = KEYS,
  };
}

/* ---- The body ----------------------------------------------------------------------- */

/* Every rank comes along here for every tensor, also where the stream has failed. */
static cudrop_status_t transfer_tensor(checkpoint_stream_t *stream, gpt_t *gpt, int state,
                                       int tensor) {
  if (stream->is_written) TRY(gpt_get_state(gpt, state, tensor));
  checkpoint_transfer(stream, gpt->whole, gpt->list[tensor].whole * sizeof *gpt->whole);
  return stream->is_written || stream->has_failed ? CUDROP_OK
                                                  : gpt_put_state(gpt, state, tensor);
}

static const char *transfer_body(checkpoint_stream_t *stream, void *state) {
  training_t *training = state;
  gpt_t *gpt = &training->gpt;
  checkpoint_transfer(stream, training->curve,
                      training->at.points * sizeof *training->curve);
  for (int k = 0; k < GPT_STATES; ++k)
    for (int tensor = 0; tensor < gpt_parameter_count(&gpt->config); ++tensor)
      if (transfer_tensor(stream, gpt, k, tensor) != CUDROP_OK) return gpt_error(gpt);
  return NULL;
}

/* ---- The file ----------------------------------------------------------------------- */

int checkpoint_write(training_t *training) {
  char path[OUTPUT_PATH_BYTES];
  uint64_t key[KEYS];
  int status = EXIT_OK;
  make_key(training, key);
  output_path(training->options.out, "checkpoint", path);
  if (training->parallel.rank == 0) {
    const checkpoint_head_t head = make_head(training, key);
    status = checkpoint_file_write(path, &head, transfer_body, training);
  } else {
    checkpoint_stream_t nowhere = {.is_written = true, .has_failed = true};
    const char *words = transfer_body(&nowhere, training);
    if (words != NULL) status = complain(EXIT_FAILED, "%s", words);
  }
  return parallel_largest(&training->parallel, status);
}

int checkpoint_read(training_t *training) {
  char path[OUTPUT_PATH_BYTES];
  uint64_t key[KEYS];
  make_key(training, key);
  output_path(training->options.out, "checkpoint", path);
  const checkpoint_head_t head = make_head(training, key);
  const int status = checkpoint_file_read(path, &head, transfer_body, training);
  if (status != EXIT_OK) return status;
  if (training->at.step > (uint64_t)training->options.steps)
    return complain(EXIT_FAILED, "'%s' has %llu steps behind it, more than --steps %d",
                    path, (unsigned long long)training->at.step, training->options.steps);
  gpt_continue(&training->gpt, training->options.seed);
  if (gpt_finish_states(&training->gpt) != CUDROP_OK)
    return complain(EXIT_FAILED, "%s", gpt_error(&training->gpt));
  return EXIT_OK;
}
