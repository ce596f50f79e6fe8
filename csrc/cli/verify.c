/* verify.c - cudrop verify: a self-test of this machine with known answers and special values. */
#include <stdio.h>

#include "command.h"
#include "command_line.h"
#include "cudrop/cudrop.h"
#include "known_answers.h"
#include "special_values.h"

/* Print the result of a kind; returns the number of wrong rows. No rows count as one wrong row. */
static int print_result(const char *kind, const known_answers_result_t *result) {
  printf("  %-10s %2d of %2d right\n", kind, result->rows - result->wrong, result->rows);
  if (result->wrong > 0) printf("    wrong: %s\n", result->first_wrong);
  return result->wrong + (result->rows == 0);
}

/* Check both tables on one device and print a line for each kind; returns how many rows are
 * wrong. */
static int verify_context(cudrop_context_t *context) {
  int wrong = 0;
  for (int k = 0; known_answer_kind(k) != NULL; ++k) {
    const char *kind = known_answer_kind(k);
    const known_answers_result_t result =
        check_known_answers(known_answers, kind, context);
    wrong += print_result(kind, &result);
  }
  for (int k = 0; special_value_kind(k) != NULL; ++k) {
    const known_answers_result_t result =
        check_special_values(special_value_kind(k), context);
    wrong += print_result(special_value_kind(k), &result);
  }
  return wrong;
}

/* Check every device of a backend. A device that cannot be used counts as a wrong row. */
static int verify_backend(cudrop_backend_t backend) {
  char name[256] = "";
  int count = 0, wrong = 0;
  const cudrop_status_t counted = cudrop_device_count(backend, &count);
  if (counted != CUDROP_OK) { /* without a device nothing is wrong */
    printf(
        "%s\n  not checked: %s\n", backend == CUDROP_CUDA ? "cuda" : "host",
        counted == CUDROP_ERROR_CUDA ? cudrop_last_error() : cudrop_status_text(counted));
    return 0;
  }
  for (int k = 0; k < count; ++k) {
    cudrop_context_t *context = NULL;
    if (cudrop_device_name(backend, k, name, sizeof name) != CUDROP_OK ||
        cudrop_create(&context, backend, k) != CUDROP_OK) {
      printf("device %d cannot be used: %s\n", k, cudrop_last_error());
      ++wrong;
      continue;
    }
    puts(name);
    wrong += verify_context(context);
    cudrop_destroy(&context);
  }
  return wrong;
}

int command_verify(int argc, char **argv) {
  static const struct option options[] = {{"help", no_argument, NULL, 0},
                                          {NULL, 0, NULL, 0}};
  static const command_line_t line = {"verify", "cudrop verify", options, NULL};
  command_words_t words;
  const int status = read_command_line(&line, argc, argv, NULL, &words);
  if (status != EXIT_OK) return status;
  if (words.wants_help) {
    puts(
        "usage: cudrop verify\n\nChecks the host and every GPU. Exit status 0 if every "
        "known answer and special value came out right, else 1.\n\n  --help");
    return EXIT_OK;
  }

  const int wrong = verify_backend(CUDROP_HOST) + verify_backend(CUDROP_CUDA);
  if (wrong > 0)
    return complain(EXIT_FAILED, "verify: %d known answers are wrong", wrong);
  puts("every known answer came out");
  return EXIT_OK;
}
