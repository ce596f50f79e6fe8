/* arguments.h - a command line of long options, and the values that they take. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "cudrop/cudrop.h"

/* Read one option, the one in names[id], with `word` behind it or NULL. An exit status. */
typedef int arguments_reader_t(void *options, int id, const char *word);

/* The options of a program. */
typedef struct {
  const char *usage; /* as in "gpt [OPTIONS]" */
  const struct option
      *names; /* names[id].val is id, at most 64; a row of zeros is the end */
  arguments_reader_t *read;
} arguments_t;

/*
 * Read the options of a command line, by their whole names. Returns an exit status,
 * EXIT_BAD_ARGUMENTS after a line on stderr; optind is where the other words begin. Bit id of
 * *given says that names[id] was there. The words are those of argv.
 */
int arguments_read(const arguments_t *arguments, int argc, char **argv, void *options,
                   uint64_t *given);

/* Does *given, which arguments_read() has written, have the option --name? */
bool arguments_have(const struct option *names, uint64_t given, const char *name);

/* The same statuses: is there no word number `first`? */
int arguments_end(int argc, char **argv, int first);

/* A whole word of decimal digits: strtoull alone would take blanks and signs. */
bool argument_digits(const char *word, uint64_t *value);

/* Values of the option --name: the same statuses. */
int argument_number(const char *name, const char *word, int least, int most, int *number);
int argument_real(const char *name, const char *word, double least, double most,
                  double *real);
int argument_seed(const char *name, const char *word, uint64_t *seed);
extern const char *const argument_backends[]; /* by the number of a cudrop_backend_t */
int argument_backend(const char *name, const char *word, cudrop_backend_t *backend);
int argument_folder(const char *name, const char *word, const char **folder);

/* One of `count` words; *chosen is its number. */
int argument_choice(const char *name, const char *word, const char *const *words,
                    int count, int *chosen);

#endif /* ARGUMENTS_H */
