/* main.c - the program `cudrop`: info, masks, a self-test and a benchmark. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "command_line.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *purpose;
} commands[] = {
    {"bench", command_bench, "measure this machine, after checking it"},
    {"info", command_info, "version, build, backends and devices"},
    {"mask", command_mask, "write the keep mask of (seed, offset, p)"},
    {"verify", command_verify, "check this machine against the known answers"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char usage[] = "cudrop COMMAND [OPTIONS]";

static void print_usage(FILE *to) {
  fprintf(to, "usage: %s\n\n", usage);
  for (int k = 0; k < COMMANDS; ++k)
    fprintf(to, "  %-8s %s\n", commands[k].name, commands[k].purpose);
  fputs(
      "\ncudrop COMMAND --help lists a command's options, cudrop --version is info.\n"
      "Exit status: 0 done, 1 failed, 2 bad arguments.\n",
      to);
}

/* 0 if the word asks for the usage, 1 for the version, -1 for neither. */
static int find_alias(const char *word) {
  static const char *const words[][2] = {{"--help", "-h"}, {"--version", "-V"}};
  for (int k = 0; k < 2; ++k)
    if (strcmp(word, words[k][0]) == 0 || strcmp(word, words[k][1]) == 0) return k;
  return strcmp(word, "help") == 0 ? 0 : -1;
}

static int run(int argc, char **argv) {
  const int alias = find_alias(argv[1]);
  if (alias == 0 && argc > 2)
    return complain(EXIT_BAD_ARGUMENTS, "'%s' is one argument too many; usage: %s",
                    argv[2], usage);
  if (alias == 0) {
    print_usage(stdout);
    return EXIT_OK;
  }
  if (alias == 1) return command_info(argc - 1, argv + 1);
  for (int k = 0; k < COMMANDS; ++k)
    if (strcmp(argv[1], commands[k].name) == 0)
      return commands[k].run(argc - 1, argv + 1);
  return complain(EXIT_BAD_ARGUMENTS,
                  "there is no command '%s'; usage: %s (--help lists them)", argv[1],
                  usage);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_usage(stderr);
    return EXIT_BAD_ARGUMENTS;
  }
  const int status = run(argc, argv);
  if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK)
    return complain(EXIT_FAILED, "%s: cannot write the output: %s", argv[1],
                    strerror(errno));
  return status;
}
