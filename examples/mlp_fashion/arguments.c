/* arguments.c - getopt_long(), in a program's own words. */
#define _GNU_SOURCE /* getopt_long */
#include "arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

int arguments_read(int argc, char **argv, const struct option *names,
                   int (*read)(void *options, int id), void *options) {
  int id, count = 0;
  while (names[count].name != NULL) ++count;
  opterr = 0;
  while ((id = getopt_long(argc, argv, ":", names, NULL)) != -1) {
    if (id == ':')
      return complain(EXIT_BAD_ARGUMENTS, "%s needs a value", argv[optind - 1]);
    if (id == '?' && optopt >= count)
      return complain(EXIT_BAD_ARGUMENTS, "'-%c' is not an option that --help lists",
                      optopt);
    if (id == '?')
      return complain(EXIT_BAD_ARGUMENTS, "'%s' is not an option that --help lists",
                      argv[optind - 1]);
    const int status = read(options, id);
    if (status != EXIT_OK) return status;
  }
  return EXIT_OK;
}

int arguments_end(int argc, char **argv, int first) {
  if (first >= argc) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "'%s' is one argument too many", argv[first]);
}

bool arguments_digits(const char *word, uint64_t *value) {
  char *end = NULL;
  if (!isdigit((unsigned char)word[0])) return false;
  errno = 0;
  *value = strtoull(word, &end, 10);
  return errno == 0 && *end == '\0';
}

int arguments_seed(uint64_t *seed) {
  if (arguments_digits(optarg, seed)) return EXIT_OK;
  return complain(EXIT_BAD_ARGUMENTS, "--seed = '%s' is not a decimal number of 64 bits",
                  optarg);
}

int arguments_backend(cudrop_backend_t *backend) {
  static const char *const backends[] = {
      [CUDROP_AUTO] = "auto", [CUDROP_HOST] = "host", [CUDROP_CUDA] = "cuda"};
  for (int k = CUDROP_AUTO; k <= CUDROP_CUDA; ++k) {
    if (strcmp(optarg, backends[k]) != 0) continue;
    *backend = (cudrop_backend_t)k;
    return EXIT_OK;
  }
  return complain(EXIT_BAD_ARGUMENTS, "--backend = '%s' is none of auto, host and cuda",
                  optarg);
}
