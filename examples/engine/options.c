/* options.c - the command line of engine. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "report.h"

static const options_t defaults = {
    .counts = 4,
    .samples = {1, 10, 50, 100},
    .rows = 100,
    .seed = 1,
    .backend = CUDROP_AUTO,
    .data = "/usr/share/datasets/fashion-mnist",
    .out = "out/engine",
    .network = "out/network",
};

enum { MOST = 10000 }; /* of everything that is counted */

typedef enum { SAMPLES, IMAGES, ROWS, SEED, BACKEND, DATA, OUT, HELP } option_id_t;

static const struct option names[] = {
    {"samples", required_argument, NULL, SAMPLES},
    {"images", required_argument, NULL, IMAGES},
    {"rows", required_argument, NULL, ROWS},
    {"seed", required_argument, NULL, SEED},
    {"backend", required_argument, NULL, BACKEND},
    {"data", required_argument, NULL, DATA},
    {"out", required_argument, NULL, OUT},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static const char usage[] = "engine [OPTIONS] [NETWORK]";

void options_print_usage(void) {
  printf(
      "usage: %s\n"
      "\n"
      "Judges the test images of Fashion-MNIST with a network that mlp_fashion has "
      "trained\n"
      "(%s), by inference and by means of Monte-Carlo samples, and prints a table.\n"
      "\n"
      "  --samples N,...  how many samples, up to %d numbers in a list (1,10,50,100)\n"
      "  --images N       the first N test images (all)\n"
      "  --rows N         images in a run (%d)\n"
      "  --seed S         any 64 bits; the masks follow from it (%llu)\n"
      "  --backend B      host, cuda, or auto: the GPU if there is one (auto)\n"
      "  --data DIR       where the idx files are (%s)\n"
      "  --out DIR        where reliability.csv goes, made if absent (%s)\n"
      "  --help\n",
      usage, defaults.network, OPTIONS_COUNTS, defaults.rows,
      (unsigned long long)defaults.seed, defaults.data, defaults.out);
}

static int read_counts(option_id_t id, const char *list, int most, int *count,
                       int *counts) {
  char word[64];
  const char *from = list;
  for (*counts = 0;; ++*counts) {
    const size_t length = strcspn(from, ",");
    uint64_t value = 0;
    snprintf(word, sizeof word, "%.*s", (int)length, from);
    if (*counts == most || !argument_digits(word, &value) || value < 1 || value > MOST)
      return complain(EXIT_BAD_ARGUMENTS,
                      "--%s = '%s': at most %d whole numbers from 1 to %d",
                      names[id].name, list, most, MOST);
    count[*counts] = (int)value;
    from += length;
    if (*from++ == '\0') break;
  }
  ++*counts;
  return EXIT_OK;
}

static int read_option(void *to, int which, const char *word) {
  options_t *options = to;
  const option_id_t id = (option_id_t)which;
  switch (id) {
    case SAMPLES:
      return read_counts(id, word, OPTIONS_COUNTS, options->samples, &options->counts);
    case IMAGES:
      return argument_number(names[id].name, word, 1, MOST, &options->images);
    case ROWS:
      return argument_number(names[id].name, word, 1, MOST, &options->rows);
    case SEED:
      return argument_seed(names[id].name, word, &options->seed);
    case BACKEND:
      return argument_backend(names[id].name, word, &options->backend);
    case DATA:
      options->data = word;
      return EXIT_OK;
    case OUT:
      return argument_folder(names[id].name, word, &options->out);
    default:
      options->wants_help = true;
      return EXIT_OK;
  }
}

int options_read(options_t *options, int argc, char **argv) {
  *options = defaults;
  static const arguments_t arguments = {usage, names, read_option};
  uint64_t given = 0;
  const int status = arguments_read(&arguments, argc, argv, options, &given);
  if (status != EXIT_OK) return status;
  if (optind < argc) options->network = argv[optind];
  return arguments_end(argc, argv, optind + 1);
}
