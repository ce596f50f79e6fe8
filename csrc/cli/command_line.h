/* command_line.h - reading the options of a command, exit statuses, and error messages. */
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
  /* names[id].val is id; "help" is the last before a row of zeros. */
  const struct option *names;
  /* Read optarg, the value of option names[id], into the request; returns an exit status. */
  int (*read)(int id, void *);
} command_line_t;

/* Which options a command line has. */
typedef struct {
  unsigned given; /* bit id for the option names[id] */
  bool wants_help;
} command_words_t;

/*
 * Read a command line that has only options, each at most once and by its whole name. `request` is
 * passed to read(). Returns an exit status; EXIT_BAD_ARGUMENTS comes with a line on stderr.
 */
int read_command_line(const command_line_t *line, int argc, char **argv, void *request,
                      command_words_t *words);

#endif /* CUDROP_COMMAND_LINE_H */
