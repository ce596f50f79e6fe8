/*
 * command_line.c - getopt_long(), but only whole names are accepted.
 * examples/program/arguments.c does nearly the same: examples include only public headers.
 */
#define _GNU_SOURCE /* getopt_long */
#include "command_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int complain(int status, const char *format, ...) {
  va_list arguments;
  fputs("cudrop: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments); /* NOLINT(clang-analyzer-valist.Uninitialized) */
  va_end(arguments);
  fputc('\n', stderr);
  return status;
}

/* The word of the option that getopt_long() has read last. Its value may be the next word. */
static const char *find_word(char **argv) {
  const bool has_value_behind = optarg != NULL && optarg == argv[optind - 1];
  return argv[optind - (has_value_behind ? 2 : 1)];
}

/* Is the word an option's whole name? getopt_long() takes a beginning, too. */
static bool is_whole(const char *word, const char *name) {
  const size_t length = strlen(name);
  return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, length) == 0 &&
         (word[2 + length] == '\0' || word[2 + length] == '=');
}

static int refuse_word(const command_line_t *line, const char *word) {
  return complain(EXIT_BAD_ARGUMENTS, "%s: there is no option '%s'; usage: %s",
                  line->command, word, line->usage);
}

/* Refuse an option. optopt is the number of a long option, or the character of a short one. */
static int refuse(const command_line_t *line, int id, int count, char **argv) {
  const char letter[] = {'-', (char)optopt, '\0'}, *word = argv[optind - 1];
  if (optopt >= count) return refuse_word(line, letter);
  const char *name = line->names[optopt].name;
  if (!is_whole(word, name)) return refuse_word(line, word);
  return complain(EXIT_BAD_ARGUMENTS, "%s: --%s %s; usage: %s", line->command, name,
                  id == ':' ? "needs a value" : "takes no value", line->usage);
}

int read_command_line(const command_line_t *line, int argc, char **argv, void *request,
                      command_words_t *words) {
  const struct option *names = line->names;
  int count = 0, id = 0;
  while (names[count].name != NULL) ++count;
  opterr = 0;
  *words = (command_words_t){.given = 0};
  while ((id = getopt_long(argc, argv, ":", names, NULL)) != -1) {
    if (id == ':' || id == '?') return refuse(line, id, count, argv);
    const char *word = find_word(argv);
    if (!is_whole(word, names[id].name)) return refuse_word(line, word);
    if ((words->given >> id & 1) != 0)
      return complain(EXIT_BAD_ARGUMENTS, "%s: --%s is given twice", line->command,
                      names[id].name);
    const int status = id == count - 1 ? EXIT_OK : line->read(id, request);
    if (status != EXIT_OK) return status;
    words->given |= 1u << id;
  }
  words->wants_help = (words->given >> (count - 1) & 1) != 0;
  if (optind < argc)
    return complain(EXIT_BAD_ARGUMENTS, "%s: '%s' is one argument too many; usage: %s",
                    line->command, argv[optind], line->usage);
  return EXIT_OK;
}
