/*
 * arguments.c - getopt_long(), held to whole names, and what it leaves to say.
 * csrc/cli/command_line.c does nearly the same: examples include only public headers.
 */
#define _GNU_SOURCE /* getopt_long */
#include "arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

/* ---- Options ------------------------------------------------------------------------ */

/* The word that getopt_long() has read last, with or without a value behind it. */
static const char *find_word(char **argv) {
  const bool has_value_behind = optarg != NULL && optarg == argv[optind - 1];
  return argv[optind - (has_value_behind ? 2 : 1)];
}

/* getopt_long() takes a beginning of a name for the name. */
static bool is_whole(const char *word, const char *name) {
  const size_t length = strlen(name);
  return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, length) == 0 &&
         (word[2 + length] == '\0' || word[2 + length] == '=');
}

static int refuse_word(const arguments_t *arguments, const char *word) {
  return complain(EXIT_BAD_ARGUMENTS,
                  "'%s' is not an option; usage: %s (--help lists them)", word,
                  arguments->usage);
}

/* A short option, which there is none of, is a character; a long one's value is its number. */
static int refuse(const arguments_t *arguments, int id, int count, char **argv) {
  const char letter[] = {'-', (char)optopt, '\0'}, *word = argv[optind - 1];
  if (optopt >= count) return refuse_word(arguments, letter);
  const char *name = arguments->names[optopt].name;
  if (!is_whole(word, name)) return refuse_word(arguments, word);
  return complain(EXIT_BAD_ARGUMENTS, "--%s %s; usage: %s (--help lists them)", name,
                  id == ':' ? "needs a value" : "takes no value", arguments->usage);
}

int arguments_read(const arguments_t *arguments, int argc, char **argv, void *options,
                   uint64_t *given) {
  const struct option *names = arguments->names;
  int count = 0, id = 0;
  while (names[count].name != NULL) ++count;
  opterr = 0;
  *given = 0;
  while ((id = getopt_long(argc, argv, ":", names, NULL)) != -1) {
    if (id == ':' || id == '?') return refuse(arguments, id, count, argv);
    const char *word = find_word(argv);
    if (!is_whole(word, names[id].name)) return refuse_word(arguments, word);
    const int status = arguments->read(options, id, optarg);
    if (status != EXIT_OK) return status;
    *given |= (uint64_t)1 << id;
  }
  return EXIT_OK;
}

bool arguments_have(const struct option *names, uint64_t given, const char *name) {
  for (int id = 0; names[id].name != NULL; ++id)
    if (strcmp(names[id].name, name) == 0) return (given >> id & 1) != 0;
  return false;
}

int arguments_end(int argc, char **argv, int first) {
  if (first >= argc) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "'%s' is one argument too many", argv[first]);
}

/* ---- Values ------------------------------------------------------------------------- */

bool argument_digits(const char *word, uint64_t *value) {
  char *end = NULL;
  if (!isdigit((unsigned char)word[0])) return false;
  errno = 0;
  *value = strtoull(word, &end, 10);
  return errno == 0 && *end == '\0';
}

int argument_number(const char *name, const char *word, int least, int most,
                    int *number) {
  uint64_t value = 0;
  if (!argument_digits(word, &value) || value < (uint64_t)least || value > (uint64_t)most)
    return complain(EXIT_BAD_ARGUMENTS, "--%s = '%s' is not a whole number from %d to %d",
                    name, word, least, most);
  *number = (int)value;
  return EXIT_OK;
}

int argument_real(const char *name, const char *word, double least, double most,
                  double *real) {
  char *end = NULL;
  *real = strtod(word, &end);
  if (end == word || *end != '\0' || !(*real >= least && *real <= most))
    return complain(EXIT_BAD_ARGUMENTS, "--%s = '%s' is not a number in [%g, %g]", name,
                    word, least, most);
  return EXIT_OK;
}

int argument_seed(const char *name, const char *word, uint64_t *seed) {
  if (argument_digits(word, seed)) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "--%s = '%s' is not a decimal number of 64 bits",
                  name, word);
}

int argument_choice(const char *name, const char *word, const char *const *words,
                    int count, int *chosen) {
  char list[256] = "";
  size_t used = 0;
  for (int k = 0; k < count; ++k) {
    if (strcmp(word, words[k]) == 0) return *chosen = k, EXIT_OK;
    const char *before = k == 0 ? "" : k < count - 1 ? ", " : " and ";
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", before, words[k]);
  }
  return complain(EXIT_BAD_ARGUMENTS, "--%s = '%s' is none of %s", name, word, list);
}

const char *const argument_backends[] = {
    [CUDROP_AUTO] = "auto", [CUDROP_HOST] = "host", [CUDROP_CUDA] = "cuda"};

int argument_backend(const char *name, const char *word, cudrop_backend_t *backend) {
  int chosen = CUDROP_AUTO;
  const int status =
      argument_choice(name, word, argument_backends, CUDROP_CUDA + 1, &chosen);
  *backend = (cudrop_backend_t)chosen;
  return status;
}

int argument_folder(const char *name, const char *word, const char **folder) {
  *folder = word;
  if (*word == '\0') /* with "/file" behind it, the root of all folders */
    return complain(EXIT_BAD_ARGUMENTS, "--%s = '' names no folder", name);
  if (strlen(word) < OUTPUT_PATH_BYTES - OUTPUT_NAME_BYTES) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "--%s: the name is too long", name);
}
