/*
 * main.c - dropout in chapter 3 of "Build a Large Language Model (From Scratch)".
 *
 * Prints what the chapter prints about dropout, with cudrop in place of torch.nn.Dropout; the
 * same on every machine and every backend. Source: S. Raschka, the book of that name, 2024,
 * sections 3.5.1 and 3.5.2, and its notebook, github.com/rasbt/LLMs-from-scratch, ch03.ipynb.
 */
#define _GNU_SOURCE /* getopt_long */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sections.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_ARGUMENTS = 2 };

typedef struct {
  cudrop_backend_t backend;
  bool wants_help;
} options_t;

static const char usage[] =
    "usage: book [OPTIONS]\n"
    "\n"
    "Prints the numbers about dropout of the book's chapter 3.\n"
    "\n"
    "  --backend B  host, cuda, or auto: the GPU if there is one (auto)\n"
    "  --help\n";

static bool read_backend(cudrop_backend_t *backend) {
  static const char *const backends[] = {
      [CUDROP_AUTO] = "auto", [CUDROP_HOST] = "host", [CUDROP_CUDA] = "cuda"};
  for (int k = CUDROP_AUTO; k <= CUDROP_CUDA; ++k) {
    if (strcmp(optarg, backends[k]) != 0) continue;
    *backend = (cudrop_backend_t)k;
    return true;
  }
  return false;
}

static int complain(const char *word, const char *what) {
  fprintf(stderr, "book: '%s' %s; usage: book [OPTIONS] (--help lists them)\n", word,
          what);
  return EXIT_BAD_ARGUMENTS;
}

/* getopt_long() takes a beginning of a name for the name, and this program does not. */
static bool is_whole(const char *word, const char *name) {
  const size_t length = strlen(name);
  return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, length) == 0 &&
         (word[2 + length] == '\0' || word[2 + length] == '=');
}

static int read_options(options_t *options, int argc, char **argv) {
  enum { BACKEND, HELP };
  static const struct option names[] = {{"backend", required_argument, NULL, BACKEND},
                                        {"help", no_argument, NULL, HELP},
                                        {NULL, 0, NULL, 0}};
  int id;
  opterr = 0;
  while ((id = getopt_long(argc, argv, ":", names, NULL)) != -1) {
    const bool has_value_behind = optarg != NULL && optarg == argv[optind - 1];
    const char letter[] = {'-', (char)optopt, '\0'};
    const char *word = argv[optind - (has_value_behind ? 2 : 1)];
    if (id == '?' && optopt > HELP) return complain(letter, "is not an option");
    if (!is_whole(word, names[id == ':' || id == '?' ? optopt : id].name))
      return complain(word, "is not an option");
    if (id == ':') return complain(word, "needs a value");
    if (id == '?') return complain(word, "has a value, and --help takes none");
    if (id == HELP) options->wants_help = true;
    if (id == BACKEND && !read_backend(&options->backend))
      return complain(optarg, "is no backend: host, cuda or auto");
  }
  return optind < argc ? complain(argv[optind], "is one argument too many") : EXIT_OK;
}

static void show_all(cudrop_backend_t backend) {
  matrices_t m = matrices_open(backend);
  show_scale(&m);
  show_ones(&m);
  show_attention(&m);
  show_inference(&m);
  show_seed(&m);
  show_torch(&m);
  matrices_close(&m);
}

int main(int argc, char **argv) {
  options_t options = {.backend = CUDROP_AUTO};
  const int status = read_options(&options, argc, argv);
  if (status != EXIT_OK) return status;
  if (options.wants_help) {
    fputs(usage, stdout);
  } else {
    show_all(options.backend);
  }
  if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_OK;
  fprintf(stderr, "book: cannot write the output: %s\n", strerror(errno));
  return EXIT_FAILED;
}
