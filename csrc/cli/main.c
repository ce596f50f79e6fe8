/* main.c - cudrop: what this machine can do, masks on the command line, a self-test. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *purpose;
} commands[] = {
    {"info", command_info, "version, build, backends and devices"},
    {"mask", command_mask, "write the keep mask of (seed, offset, p)"},
    {"verify", command_verify, "check this machine against the known answers"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

int complain(int status, const char *format, ...) {
  va_list arguments;
  fputs("cudrop: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return status;
}

static void print_usage(FILE *to) {
  fputs("usage: cudrop COMMAND [OPTIONS]\n\n", to);
  for (int k = 0; k < COMMANDS; ++k)
    fprintf(to, "  %-8s %s\n", commands[k].name, commands[k].purpose);
  fputs("\ncudrop COMMAND --help lists a command's options.\n", to);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_usage(stderr);
    return EXIT_BAD_ARGUMENTS;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    print_usage(stdout);
    return EXIT_OK;
  }
  for (int k = 0; k < COMMANDS; ++k) {
    if (strcmp(argv[1], commands[k].name) != 0) continue;
    int status = commands[k].run(argc - 1, argv + 1);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK)
      status = complain(EXIT_FAILED, "%s: cannot write the output: %s", argv[1],
                        strerror(errno));
    return status;
  }
  return complain(EXIT_BAD_ARGUMENTS, "there is no command '%s'; see cudrop --help",
                  argv[1]);
}
