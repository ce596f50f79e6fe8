/* verify.c - cudrop verify: the self-test of this machine against the known answers. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "cudrop/cudrop.h"
#include "known_answers.h"

/* Check the whole table on one backend and print a line a kind; returns the wrong rows. */
static int verify_backend(const char *name, cudrop_context_t *context) {
  int wrong = 0;
  printf("%s\n", name);
  for (int k = 0; known_answer_kind(k) != NULL; ++k) {
    const char *kind = known_answer_kind(k);
    const known_answers_result_t result =
        check_known_answers(known_answers, kind, context);
    printf("  %-10s %2d of %2d right\n", kind, result.rows - result.wrong, result.rows);
    if (result.wrong > 0) printf("    wrong: %s\n", result.first_wrong);
    wrong += result.wrong + (result.rows == 0);
  }
  return wrong;
}

int command_verify(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    puts("usage: cudrop verify\n\nExit status 0 if every known answer came out, else 1.");
    return EXIT_OK;
  }
  if (argc > 1)
    return complain(EXIT_BAD_ARGUMENTS, "verify: '%s' is one argument too many", argv[1]);

  cudrop_context_t *context = NULL;
  if (cudrop_create(&context, CUDROP_HOST, 0) != CUDROP_OK)
    return complain(EXIT_FAILED, "verify: %s", cudrop_last_error());
  const int wrong = verify_backend("host", context);
  if (cudrop_destroy(&context) != CUDROP_OK)
    return complain(EXIT_FAILED, "verify: %s", cudrop_last_error());
  if (wrong > 0)
    return complain(EXIT_FAILED, "verify: %d known answers are wrong", wrong);
  puts("every known answer came out");
  return EXIT_OK;
}
