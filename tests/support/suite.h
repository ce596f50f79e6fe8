/* suite.h - the main program of a test suite. */
#ifndef CUDROP_SUITE_H
#define CUDROP_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/cudrop.h"

/*
 * The backend that a suite's contexts are of: the host, or with CUDROP_TEST_BACKEND=cuda in
 * the environment a GPU.
 */
static inline cudrop_backend_t suite_backend(void) {
  const char *backend = getenv("CUDROP_TEST_BACKEND");
  return backend != NULL && strcmp(backend, "cuda") == 0 ? CUDROP_CUDA : CUDROP_HOST;
}

/*
 * Where no context of that backend can be had, for want of a GPU or of the instructions that
 * CUDROP_HOST_PATH names, the suite is skipped; or fails if CUDROP_REQUIRE_GPU=1 says so.
 */
enum { SUITE_RUNS = -1, SUITE_SKIPPED = 77 };

static inline int suite_missing(void) {
  const char *required = getenv("CUDROP_REQUIRE_GPU");
  cudrop_context_t *context = NULL;
  if (cudrop_create(&context, suite_backend(), 0) == CUDROP_OK) {
    cudrop_destroy(&context);
    return SUITE_RUNS;
  }
  printf("skipped: %s\n", cudrop_last_error());
  return required != NULL && strcmp(required, "1") == 0 ? EXIT_FAILURE : SUITE_SKIPPED;
}

/*
 * Run the given test cases and define main(). CK_RUN_CASE, CK_FORK and CK_VERBOSITY of
 * check's manual work; with a real GPU CK_FORK must be no, as CUDA does not survive a fork.
 */
#define SUITE_MAIN(name, ...)                                   \
  int main(void) {                                              \
    const int missing = suite_missing();                        \
    if (missing != SUITE_RUNS) return missing;                  \
    TCase *const cases[] = {__VA_ARGS__};                       \
    Suite *suite = suite_create(name);                          \
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) \
      suite_add_tcase(suite, cases[k]);                         \
    SRunner *runner = srunner_create(suite);                    \
    srunner_run_all(runner, CK_ENV);                            \
    const int failed = srunner_ntests_failed(runner);           \
    srunner_free(runner);                                       \
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;           \
  }

/* Fail the test with a library call's error text unless the call succeeds. */
#define ck_assert_ok(call)                                                  \
  do {                                                                      \
    const cudrop_status_t status_of_call = (call);                          \
    ck_assert_msg(status_of_call == CUDROP_OK, "%s: %s: %s", #call,         \
                  cudrop_status_name(status_of_call), cudrop_last_error()); \
  } while (0)

/* Fail the test unless the call fails with this status and this text. */
#define ck_assert_error(call, want, text)                                           \
  do {                                                                              \
    const cudrop_status_t status_of_call = (call);                                  \
    ck_assert_str_eq(cudrop_status_name(status_of_call), cudrop_status_name(want)); \
    ck_assert_str_eq(cudrop_last_error(), text);                                    \
  } while (0)

/* A test case of loop and plain tests, named like its file's subject. */
static inline TCase *suite_case(const char *name, double timeout_seconds) {
  TCase *tests = tcase_create(name);
  tcase_set_timeout(tests, timeout_seconds);
  return tests;
}

/* The same for what takes minutes: it runs when CK_INCLUDE_TAGS is slow. */
static inline TCase *suite_slow_case(const char *name) {
  TCase *tests = suite_case(name, 3600);
  tcase_set_tags(tests, "slow");
  return tests;
}

#endif /* CUDROP_SUITE_H */
