/* fault_loop.h - a program of the examples in which every call fails once. */
#ifndef CUDROP_FAULT_LOOP_H
#define CUDROP_FAULT_LOOP_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "fake_cublas.h"
#include "fake_cudart.h"
#include "suite.h"

enum { FAULT_MOST_CALLS = 3000 }; /* more would mean that the program never succeeds */

/* The words of a failure name a call and what it returned, in one line. */
static inline void fault_expect_words(const char *words) {
  ck_assert_msg(strstr(words, "cuda") != NULL || strstr(words, "cublas") != NULL,
                "a failure says: %s", words);
  ck_assert_msg(strstr(words, " failed with ") != NULL && strchr(words, '\n') == NULL,
                "a failure says: %s", words);
}

/* Make a context of CUDA, or say why not. */
static inline bool fault_open_context(cudrop_context_t **context) {
  if (cudrop_create(context, CUDROP_CUDA, 0) == CUDROP_OK) return true;
  fault_expect_words(cudrop_last_error());
  return false;
}

/* Let call number k of the next run fail: of the runtime, or of cuBLAS. */
static inline void fault_in_runtime(long k) {
  fake_cuda_fail(k, cudaErrorUnknown);
}
static inline void fault_in_cublas(long k) {
  fake_cublas_fail(k, CUBLAS_STATUS_EXECUTION_FAILED);
}

/*
 * Run the program, which returns false if nothing in it has failed, with each of its calls failing
 * in turn; returns the number of runs, one more than that of the calls.
 */
static inline long fault_count_runs(bool (*run)(void), void (*arm)(long k)) {
  long k = 0;
  for (bool failed = true; failed && k < FAULT_MOST_CALLS; ++k) {
    fake_cuda_reset();
    arm(k);
    failed = run();
  }
  ck_assert_int_lt(k, FAULT_MOST_CALLS);
  fake_cuda_reset();
  return k;
}

#endif /* CUDROP_FAULT_LOOP_H */
