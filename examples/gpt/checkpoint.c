/* checkpoint.c - what a file of checkpoint_file.h holds of a training. */
#include "checkpoint.h"

#include <limits.h>
#include <string.h>

#include "arguments.h"
#include "checkpoint_file.h"
#include "output.h"
#include "presets.h"
#include "report.h"

/*
 * The body: the points of the curve; then parameters, AdamW's means and its squares, each as the
 * tensors of parameters.h, in floats. VERSION changes when this does, or position or key, or what
 * is computed from them.
 */
enum { VERSION = 2 };

/*
 * The options that the bits follow from; for the text its checksum stands, and for --bytes the size
 * that comes of it. The steps are those that the training is to end with.
 */
enum {
  MODEL,
  LENGTH,
  WIDTH,
  HEADS,
  LAYERS,
  QKV_BIAS,
  BATCH,
  TYPE,
  RATE,
  DECAY,
  DROP_EMBEDDING,
  DROP_ATTENTION,
  DROP_SHORTCUT,
  SEED,
  BACKEND,
  TEXT,
  BYTES,
  EVALUATE_EVERY,
  STEPS,
  KEYS
};

static const char *const answers[] = {"no", "yes"}, *const types[] = {"f32", "bf16"};

static const checkpoint_key_t keys[KEYS] = {
    [MODEL] = {"model", CHECKPOINT_WORD, 0, PRESETS - 1, preset_names, false},
    [LENGTH] = {"length", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [WIDTH] = {"width", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [HEADS] = {"heads", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [LAYERS] = {"layers", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [QKV_BIAS] = {"qkv-bias", CHECKPOINT_WORD, 0, 1, answers, false},
    [BATCH] = {"batch", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, false},
    [TYPE] = {"type", CHECKPOINT_WORD, 0, 1, types, false},
    [RATE] = {"rate", CHECKPOINT_RATE, 0, 0, NULL, false},
    [DECAY] = {"decay", CHECKPOINT_RATE, 0, 0, NULL, false},
    [DROP_EMBEDDING] = {"drop-embedding", CHECKPOINT_RATE, 0, 0, NULL, false},
    [DROP_ATTENTION] = {"drop-attention", CHECKPOINT_RATE, 0, 0, NULL, false},
    [DROP_SHORTCUT] = {"drop-shortcut", CHECKPOINT_RATE, 0, 0, NULL, false},
    [SEED] = {"seed", CHECKPOINT_NUMBER, 0, UINT64_MAX, NULL, false},
    [BACKEND] = {"backend", CHECKPOINT_WORD, CUDROP_HOST, CUDROP_CUDA, argument_backends,
                 false},
    [TEXT] = {"text", CHECKPOINT_CHECKSUM, 0, 0, NULL, false},
    [BYTES] = {"bytes", CHECKPOINT_NUMBER, 1, INT_MAX, NULL, true},
    [EVALUATE_EVERY] = {"evaluate-every", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL,
                        false},
    [STEPS] = {"steps", CHECKPOINT_NUMBER, 1, OPTIONS_MOST, NULL, true},
};

_Static_assert(sizeof(position_t) == 2 * 8, "a position has no padding");
_Static_assert(sizeof(point_t) == 8 + TEXT_PARTS * 8, "a point has no padding");

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

/* Without a backend and a text, which are there after the options. */
static void make_key(const options_t *options, uint64_t key[KEYS]) {
  const gpt_config_t *config = &options->config;
  const uint64_t values[KEYS] = {
      [MODEL] = (uint64_t)options->preset,
      [LENGTH] = (uint64_t)config->length,
      [WIDTH] = (uint64_t)config->width,
      [HEADS] = (uint64_t)config->heads,
      [LAYERS] = (uint64_t)config->layers,
      [QKV_BIAS] = (uint64_t)config->has_qkv_bias,
      [BATCH] = (uint64_t)config->batch,
      [TYPE] = config->dtype == CUDROP_BF16,
      [RATE] = get_bits(options->rate),
      [DECAY] = get_bits(options->decay),
      [DROP_EMBEDDING] = get_bits(config->p[GPT_DROP_EMBEDDING]),
      [DROP_ATTENTION] = get_bits(config->p[GPT_DROP_ATTENTION]),
      [DROP_SHORTCUT] = get_bits(config->p[GPT_DROP_SHORTCUT]),
      [SEED] = options->seed,
      [BACKEND] = (uint64_t)options->backend,
      [BYTES] = (uint64_t)options->bytes,
      [EVALUATE_EVERY] = (uint64_t)options->evaluate_every,
      [STEPS] = (uint64_t)options->steps,
  };
  memcpy(key, values, sizeof values);
}

static void make_whole_key(const training_t *training, uint64_t key[KEYS]) {
  const text_t *text = &training->text;
  make_key(&training->options, key);
  key[BACKEND] = (uint64_t)training->backend;
  key[TEXT] = text->checksum;
  key[BYTES] = text->size[TEXT_TRAINS] + text->size[TEXT_VALIDATES];
}

static void take_options(options_t *options, const uint64_t key[KEYS]) {
  gpt_config_t *config = &options->config;
  options->preset = (int)key[MODEL];
  preset_apply(options->preset, config);
  config->length = (int)key[LENGTH];
  config->width = (int)key[WIDTH];
  config->heads = (int)key[HEADS];
  config->layers = (int)key[LAYERS];
  config->has_qkv_bias = key[QKV_BIAS] != 0;
  config->batch = (int)key[BATCH];
  config->dtype = key[TYPE] != 0 ? CUDROP_BF16 : CUDROP_F32;
  for (int k = 0; k < GPT_RATES; ++k) config->p[k] = get_rate(key[DROP_EMBEDDING + k]);
  options->rate = get_rate(key[RATE]);
  options->decay = get_rate(key[DECAY]);
  options->seed = key[SEED];
  options->backend = (cudrop_backend_t)key[BACKEND];
  options->bytes = (int)key[BYTES];
  options->evaluate_every = (int)key[EVALUATE_EVERY];
  options->steps = (int)key[STEPS];
}

static checkpoint_head_t make_head(position_t *position, uint64_t *key) {
  return (checkpoint_head_t){
      .program = "gpt",
      .version = VERSION,
      .position = position,
      .position_bytes = sizeof *position,
      .key = key,
      .list = keys,
      .keys = KEYS,
  };
}

/* ---- The options -------------------------------------------------------------------- */

/*
 * The text is not there yet. More bytes than it had may be given, or all, 0: its checksum decides.
 */
static int read_options(options_t *options, const char *path) {
  uint64_t key[KEYS], given = 0;
  position_t position;
  make_key(options, key);
  for (int k = 0; k < KEYS; ++k)
    if (k != TEXT && k != BYTES && options_have(options, keys[k].name))
      given |= (uint64_t)1 << k;
  const checkpoint_head_t head = make_head(&position, key);
  const int status = checkpoint_file_read_key(path, &head, given);
  if (status != EXIT_OK) return status;
  if (options_have(options, keys[BYTES].name)) {
    const uint64_t bytes = (uint64_t)options->bytes;
    if (bytes > 0 && bytes < key[BYTES])
      return checkpoint_file_refuse(path, &keys[BYTES], bytes, key[BYTES]);
    key[BYTES] = bytes;
  }
  take_options(options, key);
  return EXIT_OK;
}

int checkpoint_read_options(options_t *options) {
  char path[OUTPUT_PATH_BYTES];
  output_path(options->out, "checkpoint", path);
  if (options->resumes) return read_options(options, path);
  return options->is_fresh ? EXIT_OK : checkpoint_file_expect_none(path);
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
  make_whole_key(training, key);
  output_path(training->options.out, "checkpoint", path);
  if (training->parallel.rank == 0) {
    const checkpoint_head_t head = make_head(&training->at, key);
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
  make_whole_key(training, key);
  output_path(training->options.out, "checkpoint", path);
  const checkpoint_head_t head = make_head(&training->at, key);
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
