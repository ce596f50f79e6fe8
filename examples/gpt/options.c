/* options.c - the command line of gpt. */
#include "options.h"

#include <string.h>

#include "arguments.h"
#include "presets.h"
#include "report.h"

options_t options_defaults(void) {
  options_t options = {
      .config = {.p = {0.1, 0.1, 0.1}, .batch = 8, .dtype = CUDROP_F32},
      .backend = CUDROP_AUTO,
      .steps = 2000,
      .rate = 2e-3,
      .decay = 0.1,
      .seed = 1,
      .evaluate_every = 100,
      .text = "/usr/share/state/us-constitution.gz",
      .bytes = 10000,
      .out = "out/gpt",
      .save_every = 30,
  };
  preset_apply(0, &options.config);
  return options;
}

typedef enum {
  MODEL,
  LAYERS,
  HEADS,
  WIDTH,
  LENGTH,
  QKV_BIAS,
  BATCH,
  STEPS,
  RATE,
  DECAY,
  DROP,
  DROP_EMBEDDING,
  DROP_ATTENTION,
  DROP_SHORTCUT,
  SEED,
  BACKEND,
  TYPE,
  ATTENTION,
  SITES,
  SPLIT,
  TEXT,
  BYTES,
  OUT,
  EVALUATE_EVERY,
  RESUME,
  FRESH,
  SAVE_EVERY,
  STOP_AFTER,
  MEMORY,
  MEASURE,
  HELP
} option_id_t;

static const struct option names[] = {
    {"model", required_argument, NULL, MODEL},
    {"layers", required_argument, NULL, LAYERS},
    {"heads", required_argument, NULL, HEADS},
    {"width", required_argument, NULL, WIDTH},
    {"length", required_argument, NULL, LENGTH},
    {"qkv-bias", no_argument, NULL, QKV_BIAS},
    {"batch", required_argument, NULL, BATCH},
    {"steps", required_argument, NULL, STEPS},
    {"rate", required_argument, NULL, RATE},
    {"decay", required_argument, NULL, DECAY},
    {"drop", required_argument, NULL, DROP},
    {"drop-embedding", required_argument, NULL, DROP_EMBEDDING},
    {"drop-attention", required_argument, NULL, DROP_ATTENTION},
    {"drop-shortcut", required_argument, NULL, DROP_SHORTCUT},
    {"seed", required_argument, NULL, SEED},
    {"backend", required_argument, NULL, BACKEND},
    {"type", required_argument, NULL, TYPE},
    {"attention", required_argument, NULL, ATTENTION},
    {"sites", required_argument, NULL, SITES},
    {"split", required_argument, NULL, SPLIT},
    {"text", required_argument, NULL, TEXT},
    {"bytes", required_argument, NULL, BYTES},
    {"out", required_argument, NULL, OUT},
    {"evaluate-every", required_argument, NULL, EVALUATE_EVERY},
    {"resume", no_argument, NULL, RESUME},
    {"fresh", no_argument, NULL, FRESH},
    {"save-every", required_argument, NULL, SAVE_EVERY},
    {"stop-after", required_argument, NULL, STOP_AFTER},
    {"memory", no_argument, NULL, MEMORY},
    {"measure", no_argument, NULL, MEASURE},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* ---- Reading ------------------------------------------------------------------------ */

enum { UNSAID = -1 };

static int read_model(options_t *options, const char *word) {
  const int status =
      argument_choice(names[MODEL].name, word, preset_names, PRESETS, &options->preset);
  if (status == EXIT_OK) preset_apply(options->preset, &options->config);
  return status;
}

static int read_rates(gpt_config_t *config, const char *word) {
  double rate = 0.0;
  const int status = argument_real(names[DROP].name, word, 0.0, 1.0, &rate);
  for (int k = 0; k < GPT_RATES; ++k) config->p[k] = rate;
  return status;
}

static int read_type(gpt_config_t *config, const char *word) {
  static const char *const words[] = {"f32", "bf16"};
  int chosen = 0;
  const int status = argument_choice(names[TYPE].name, word, words, 2, &chosen);
  config->dtype = chosen == 0 ? CUDROP_F32 : CUDROP_BF16;
  return status;
}

static int read_attention(gpt_config_t *config, const char *word) {
  int chosen = 0;
  const int status = argument_choice(names[ATTENTION].name, word, gpt_attention_names,
                                     GPT_ATTENTION_WAYS, &chosen);
  config->attention = (gpt_attention_way_t)chosen;
  return status;
}

static int read_way(gpt_config_t *config, const char *word) {
  int chosen = 0;
  const int status =
      argument_choice(names[SITES].name, word, gpt_way_names, GPT_WAYS, &chosen);
  config->way = (gpt_way_t)chosen;
  return status;
}

static int read_split(parallel_split_t *split, const char *word) {
  static const char *const words[] = {"data", "tensor"};
  int chosen = 0;
  const int status = argument_choice(names[SPLIT].name, word, words, 2, &chosen);
  *split = chosen == 0 ? PARALLEL_DATA : PARALLEL_TENSOR;
  return status;
}

static bool prints_table(task_t task) {
  return task == TASK_MEMORY || task == TASK_MEASURE;
}

static int read_task(task_t *task, task_t wanted) {
  if (prints_table(*task) && prints_table(wanted) && *task != wanted)
    return complain(EXIT_BAD_ARGUMENTS, "--memory and --measure do not go together");
  *task = wanted;
  return EXIT_OK;
}

static int read_count(option_id_t id, const char *word, int *count) {
  return argument_number(names[id].name, word, 1, OPTIONS_MOST, count);
}

static int read_rate(option_id_t id, const char *word, double *rate) {
  return argument_real(names[id].name, word, 0.0, 1.0, rate);
}

static int read_network_option(gpt_config_t *config, option_id_t id, const char *word) {
  switch (id) {
    case LAYERS:
      return read_count(id, word, &config->layers);
    case HEADS:
      return read_count(id, word, &config->heads);
    case WIDTH:
      return read_count(id, word, &config->width);
    case LENGTH:
      return read_count(id, word, &config->length);
    case BATCH:
      return read_count(id, word, &config->batch);
    case DROP:
      return read_rates(config, word);
    case DROP_EMBEDDING:
    case DROP_ATTENTION:
    case DROP_SHORTCUT:
      return read_rate(id, word, &config->p[id - DROP_EMBEDDING]);
    case TYPE:
      return read_type(config, word);
    case ATTENTION:
      return read_attention(config, word);
    case SITES:
      return read_way(config, word);
    default: /* QKV_BIAS */
      config->has_qkv_bias = true;
      return EXIT_OK;
  }
}

static int read_option(void *into, int number, const char *word) {
  options_t *options = into;
  const option_id_t id = (option_id_t)number;
  switch (id) {
    case MODEL:
      return read_model(options, word);
    case STEPS:
      return read_count(id, word, &options->steps);
    case RATE:
      return read_rate(id, word, &options->rate);
    case DECAY:
      return read_rate(id, word, &options->decay);
    case SEED:
      return argument_seed(names[id].name, word, &options->seed);
    case BACKEND:
      return argument_backend(names[id].name, word, &options->backend);
    case SPLIT:
      return read_split(&options->split, word);
    case TEXT:
      options->text = word;
      return EXIT_OK;
    case BYTES:
      return argument_number(names[id].name, word, 0, OPTIONS_MOST, &options->bytes);
    case OUT:
      return argument_folder(names[id].name, word, &options->out);
    case EVALUATE_EVERY:
      return read_count(id, word, &options->evaluate_every);
    case RESUME:
      options->resumes = true;
      return EXIT_OK;
    case FRESH:
      options->is_fresh = true;
      return EXIT_OK;
    case SAVE_EVERY:
      return argument_number(names[id].name, word, 0, OPTIONS_MOST, &options->save_every);
    case STOP_AFTER:
      return read_count(id, word, &options->stop_after);
    case MEMORY:
      return read_task(&options->task, TASK_MEMORY);
    case MEASURE:
      return read_task(&options->task, TASK_MEASURE);
    case HELP:
      return read_task(&options->task, TASK_HELP);
    default:
      return read_network_option(&options->config, id, word);
  }
}

/* The default bytes are those of the default text. */
static void choose_bytes(options_t *options) {
  const options_t defaults = options_defaults();
  if (options->bytes != UNSAID) return;
  options->bytes = strcmp(options->text, defaults.text) == 0 ? defaults.bytes : 0;
}

void options_choose_attention(options_t *options) {
  if (!options_have(options, names[ATTENTION].name))
    options->config.attention = gpt_choose_attention(&options->config);
}

bool options_have(const options_t *options, const char *name) {
  if (strcmp(name, names[BACKEND].name) == 0 && options->backend == CUDROP_AUTO)
    return false;
  const bool is_rate = strncmp(name, "drop-", strlen("drop-")) == 0;
  return arguments_have(names, options->given, name) ||
         (is_rate && arguments_have(names, options->given, names[DROP].name));
}

static int check_tasks(const options_t *options) {
  if (prints_table(options->task) && (options->resumes || options->is_fresh))
    return complain(EXIT_BAD_ARGUMENTS, "--memory and --measure do not go with --%s",
                    names[options->resumes ? RESUME : FRESH].name);
  if (options->resumes && options->is_fresh)
    return complain(EXIT_BAD_ARGUMENTS, "--resume and --fresh do not go together");
  return EXIT_OK;
}

int options_read(options_t *options, int argc, char **argv) {
  static const arguments_t arguments = {options_usage, names, read_option};
  *options = options_defaults();
  options->bytes = UNSAID;
  int status = arguments_read(&arguments, argc, argv, options, &options->given);
  if (status != EXIT_OK) return status;
  choose_bytes(options);
  status = check_tasks(options);
  return status == EXIT_OK ? arguments_end(argc, argv, optind) : status;
}
