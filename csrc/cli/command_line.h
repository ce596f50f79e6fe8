/* command_line.h - the options of a command, its exit status, and what it complains of. */
#ifndef CUDROP_COMMAND_LINE_H
#define CUDROP_COMMAND_LINE_H

#include <getopt.h>
#include <stdbool.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_ARGUMENTS = 2 };

/* Print "cudrop: " and the formatted line on stderr; returns `status`. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct {
  const char *command;
  const char *usage; /* as in "cudrop mask [OPTIONS]" */
  const struct option
      *names; /* names[id].val is id; "help" is the last before a row of zeros */
  int (*read)(int id, void *); /* takes optarg for the option names[id]; an exit status */
} command_line_t;

/* What of a command line is there: bit id for the option names[id]. */
typedef struct {
  unsigned given;
  bool wants_help;
} command_words_t;

/*
 * Read a command line that is options alone, by their whole names and each once. `request` goes to
 * read(). Returns an exit status, EXIT_BAD_ARGUMENTS after a line on stderr.
 */
int read_command_line(const command_line_t *line, int argc, char **argv, void *request,
                      command_words_t *words);

#endif /* CUDROP_COMMAND_LINE_H */
