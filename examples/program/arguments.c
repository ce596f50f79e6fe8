/* arguments.c - getopt_long(), and what it leaves to say. */
#define _GNU_SOURCE /* getopt_long */
#include "arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "report.h"

/* A short option, which there is none of, is a character; a long one's value is its number. */
static int refuse(int id, int count, char **argv) {
  if (id == ':')
    return complain(EXIT_BAD_ARGUMENTS, "%s needs a value", argv[optind - 1]);
  if (optopt >= count)
    return complain(EXIT_BAD_ARGUMENTS, "'-%c' is not an option that --help lists",
                    optopt);
  return complain(EXIT_BAD_ARGUMENTS, "'%s' is not an option that --help lists",
                  argv[optind - 1]);
}

int arguments_read(int argc, char **argv, const struct option *names,
                   arguments_reader_t *read, void *options) {
  int count = 0, id = 0;
  while (names[count].name != NULL) ++count;
  opterr = 0;
  while ((id = getopt_long(argc, argv, ":", names, NULL)) != -1) {
    if (id == ':' || id == '?') return refuse(id, count, argv);
    const int status = read(options, id, optarg);
    if (status != EXIT_OK) return status;
  }
  return EXIT_OK;
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

int argument_backend(const char *name, const char *word, cudrop_backend_t *backend) {
  static const char *const backends[] = {
      [CUDROP_AUTO] = "auto", [CUDROP_HOST] = "host", [CUDROP_CUDA] = "cuda"};
  int chosen = CUDROP_AUTO;
  const int status = argument_choice(name, word, backends, CUDROP_CUDA + 1, &chosen);
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
