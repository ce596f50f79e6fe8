/* program.c - cudrop in a shell, by popen. */
#define _POSIX_C_SOURCE 200809L /* popen */
#include "program.h"

#include <check.h>
#include <stdio.h>
#include <sys/wait.h>

int program_run_within(const char *before, const char *arguments, char *output,
                       size_t size) {
  char command[1024];
  snprintf(command, sizeof command, "%s %s %s", before, CUDROP_PROGRAM, arguments);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  const size_t length = fread(output, 1, size - 1, pipe);
  output[length] = '\0';
  const int status = pclose(pipe);
  ck_assert(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int program_run(const char *arguments, char *output, size_t size) {
  return program_run_within("", arguments, output, size);
}
