/*
 * each_failure.h - a program in which one call after the other of the CUDA runtime, or of cuBLAS,
 * fails.
 */
#ifndef CUDROP_EACH_FAILURE_H
#define CUDROP_EACH_FAILURE_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <string.h>

#include "fake_cublas.h"
#include "fake_cudart.h"
#include "suite.h"

enum { MOST_CALLS = 2000 }; /* more would mean that the program never succeeds */

/* The k-th call from now fails. */
static inline void fail_runtime(long k) {
  fake_cuda_fail(k, cudaErrorUnknown);
}
static inline void fail_cublas(long k) {
  fake_cublas_fail(k, CUBLAS_STATUS_EXECUTION_FAILED);
}

/*
 * Run the program, which returns whether something in it has failed, until nothing has; returns how
 * often that was, the last time among them.
 */
static inline long fail_each_call(void (*arm)(long k), bool (*run)(void)) {
  long k = 0;
  for (bool failed = true; failed && k < MOST_CALLS; ++k) {
    fake_cuda_reset();
    arm(k);
    failed = run();
  }
  ck_assert_int_lt(k, MOST_CALLS);
  fake_cuda_reset();
  return k;
}

/* The words name a call and what it returned, in one line. */
static inline void expect_words(const char *words) {
  ck_assert_msg(strstr(words, "cuda") != NULL || strstr(words, "cublas") != NULL,
                "a failure says: %s", words);
  ck_assert_msg(strstr(words, " failed with ") != NULL && strchr(words, '\n') == NULL,
                "a failure says: %s", words);
}

/* Make a context of CUDA, or say why not. */
static inline bool open_context(cudrop_context_t **context) {
  if (cudrop_create(context, CUDROP_CUDA, 0) == CUDROP_OK) return true;
  expect_words(cudrop_last_error());
  return false;
}

#endif /* CUDROP_EACH_FAILURE_H */
