/* options.c - the command line of mlp_fashion. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "report.h"

static const options_t defaults = {
    .images = 1000,
    .epochs = 60,
    .batch = 50,
    .seeds = 3,
    .seed = 1,
    .rate_input = 0.2,
    .rate_hidden = 0.5,
    .samples = 50,
    .backend = CUDROP_AUTO,
    .data = "/usr/share/datasets/fashion-mnist",
    .out = "out",
    .save_every = 2,
};

typedef enum {
  IMAGES,
  EPOCHS,
  BATCH,
  RATE_INPUT,
  RATE_HIDDEN,
  SAMPLES,
  SEED,
  SEEDS,
  BACKEND,
  DATA,
  OUT,
  RESUME,
  FRESH,
  SAVE_EVERY,
  STOP_AFTER,
  HELP
} option_id_t;

static const struct option names[] = {
    {"images", required_argument, NULL, IMAGES},
    {"epochs", required_argument, NULL, EPOCHS},
    {"batch", required_argument, NULL, BATCH},
    {"rate-input", required_argument, NULL, RATE_INPUT},
    {"rate-hidden", required_argument, NULL, RATE_HIDDEN},
    {"samples", required_argument, NULL, SAMPLES},
    {"seed", required_argument, NULL, SEED},
    {"seeds", required_argument, NULL, SEEDS},
    {"backend", required_argument, NULL, BACKEND},
    {"data", required_argument, NULL, DATA},
    {"out", required_argument, NULL, OUT},
    {"resume", no_argument, NULL, RESUME},
    {"fresh", no_argument, NULL, FRESH},
    {"save-every", required_argument, NULL, SAVE_EVERY},
    {"stop-after", required_argument, NULL, STOP_AFTER},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static const char usage[] = "mlp_fashion [OPTIONS]";

void options_print_usage(void) {
  printf(
      "usage: %s\n"
      "\n"
      "Trains a 784-512-512-10 network on Fashion-MNIST with and without dropout, "
      "prints\n"
      "a table and writes the curves of loss and reliability.\n"
      "\n"
      "  --images N       train on the first N images (%d)\n"
      "  --epochs N       pass over them N times (%d)\n"
      "  --batch N        images in a step, at most --images (%d)\n"
      "  --rate-input P   drop a pixel with probability P, 0 to 1 (%g)\n"
      "  --rate-hidden P  drop a hidden unit with probability P, 0 to 1 (%g)\n"
      "  --samples N      passes with dropout, of which inference takes the mean (%d)\n"
      "  --seed S         any 64 bits; everything random follows from it (%llu)\n"
      "  --seeds N        runs of each of the two networks (%d)\n"
      "  --backend B      host, cuda, or auto: the GPU if there is one (auto)\n"
      "  --data DIR       where the four idx files are (%s)\n"
      "  --out DIR        where loss.csv, reliability.csv and the checkpoint go, made if "
      "absent (%s)\n"
      "\n"
      "The checkpoint holds the state of the runs. SIGINT and SIGTERM write it and "
      "stop.\n"
      "\n"
      "  --resume         go on from the checkpoint in --out, to the bits of runs "
      "without a\n"
      "                   stop; its options hold, and one that is given has to be its\n"
      "  --fresh          begin anew where there is a checkpoint, in its place\n"
      "  --save-every S   seconds between two checkpoints; 0: after every pass (%d)\n"
      "  --stop-after N   write a checkpoint and stop after N passes, with the status "
      "%d\n"
      "\n"
      "A pass is an epoch or a sample.\n"
      "\n"
      "  --help\n",
      usage, defaults.images, defaults.epochs, defaults.batch, defaults.rate_input,
      defaults.rate_hidden, defaults.samples, (unsigned long long)defaults.seed,
      defaults.seeds, defaults.data, defaults.out, defaults.save_every, EXIT_STOPPED);
}

static int read_count(option_id_t id, const char *word, int *count) {
  return argument_number(names[id].name, word, 1, OPTIONS_MOST, count);
}

static int read_rate(option_id_t id, const char *word, double *rate) {
  return argument_real(names[id].name, word, 0.0, 1.0, rate);
}

static int read_option(void *into, int number, const char *word) {
  options_t *options = into;
  const option_id_t id = (option_id_t)number;
  switch (id) {
    case IMAGES:
      return read_count(id, word, &options->images);
    case EPOCHS:
      return read_count(id, word, &options->epochs);
    case BATCH:
      return read_count(id, word, &options->batch);
    case SEEDS:
      return read_count(id, word, &options->seeds);
    case SAMPLES:
      return read_count(id, word, &options->samples);
    case RATE_INPUT:
      return read_rate(id, word, &options->rate_input);
    case RATE_HIDDEN:
      return read_rate(id, word, &options->rate_hidden);
    case SEED:
      return argument_seed(names[id].name, word, &options->seed);
    case BACKEND:
      return argument_backend(names[id].name, word, &options->backend);
    case DATA:
      options->data = word;
      return EXIT_OK;
    case OUT:
      return argument_folder(names[id].name, word, &options->out);
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
    default:
      options->wants_help = true;
      return EXIT_OK;
  }
}

bool options_have(const options_t *options, const char *name) {
  if (strcmp(name, names[BACKEND].name) == 0 && options->backend == CUDROP_AUTO)
    return false;
  return arguments_have(names, options->given, name);
}

int options_check(const options_t *options) {
  if (options->batch <= options->images) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "--batch = %d is more than --images = %d",
                  options->batch, options->images);
}

int options_read(options_t *options, int argc, char **argv) {
  static const arguments_t arguments = {usage, names, read_option};
  *options = defaults;
  int status = arguments_read(&arguments, argc, argv, options, &options->given);
  if (status == EXIT_OK) status = arguments_end(argc, argv, optind);
  if (status != EXIT_OK) return status;
  if (options->resumes && options->is_fresh)
    return complain(EXIT_BAD_ARGUMENTS, "--resume and --fresh do not go together");
  return EXIT_OK;
}
