/* arguments.h - the words of a command line, and what is said of those that are wrong. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

/*
 * Give each option of a command line to `read` with its number, its value in optarg: `names` is
 * getopt_long()'s list of long options, numbered from 0, without a flag. Returns an exit status,
 * the first of `read` that is not EXIT_OK, or EXIT_BAD_ARGUMENTS after a line on stderr; optind
 * is where the other words begin.
 */
int arguments_read(int argc, char **argv, const struct option *names,
                   int (*read)(void *options, int id), void *options);

/* EXIT_BAD_ARGUMENTS after a line on stderr if word number `first` is there, or EXIT_OK. */
int arguments_end(int argc, char **argv, int first);

/* A whole word of decimal digits: strtoull alone would take blanks and signs. */
bool arguments_digits(const char *word, uint64_t *value);

/* The value of --seed and of --backend, in optarg. Return an exit status. */
int arguments_seed(uint64_t *seed);
int arguments_backend(cudrop_backend_t *backend);

#endif /* ARGUMENTS_H */
