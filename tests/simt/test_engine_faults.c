/*
 * test_engine_faults.c - every call that the inference engine makes of the CUDA runtime and of
 * cuBLAS fails once, one after the other: each failure is told in one line, and nothing is left.
 */
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <string.h>

#include "engine.h"
#include "fake_cublas.h"
#include "fake_cudart.h"
#include "suite.h"

static const char *const lines[] = {
    "input x f32 6",
    "parameter w f32 6 4",
    "parameter b f32 4",
    "Gemm x w b -> h",
    "Relu h -> a",
    "Dropout a -> d mask",
    "Softmax d -> p",
    "Mean p -> mean",
    "Variance p -> variance",
    "Entropy mean -> e",
    "MutualInformation p -> i",
    "output mean",
};

static network_t network;

static void make_network(void) {
  for (size_t k = 0; k < sizeof lines / sizeof lines[0]; ++k)
    ck_assert(network_add(&network, "%s", lines[k]));
}

static void free_network(void) {
  network_free(&network);
  fake_cuda_reset();
}

/* A plan for samples, another for inference, and runs of both. */
static cudrop_status_t use(engine_t *engine) {
  const float x[18] = {1.0f, 2.0f};
  float mean[12];
  for (int64_t samples = 5; samples >= 0; samples -= 5) {
    TRY(engine_plan(engine, &(engine_setup_t){.rows = 3, .samples = samples}));
    TRY(engine_write(engine, x));
    TRY(engine_run(engine));
    TRY(engine_read(engine, "mean", mean));
  }
  return CUDROP_OK;
}

/* The words name a call and what it returned, in one line. */
static void expect_words(const char *words) {
  ck_assert_msg(strstr(words, " failed with ") != NULL && strchr(words, '\n') == NULL &&
                    (strstr(words, "cuda") != NULL || strstr(words, "cublas") != NULL),
                "a failure says: %s", words);
}

enum { MOST_CALLS = 2000 }; /* more would mean that the program never succeeds */

/* The program, from a context to its end; false if nothing in it has failed. */
static bool run(void) {
  static engine_t engine;
  cudrop_context_t *context = NULL;
  if (cudrop_create(&context, CUDROP_CUDA, 0) != CUDROP_OK) {
    expect_words(cudrop_last_error());
    return true;
  }
  cudrop_status_t status = engine_open(&engine, &network, context);
  if (status == CUDROP_OK) status = use(&engine);
  if (status != CUDROP_OK) expect_words(engine_error(&engine));
  const cudrop_status_t closed = engine_close(&engine);
  if (closed != CUDROP_OK) expect_words(engine_error(&engine));
  const char *failed = fake_cuda_failed_call();
  const bool has_lost_a_graph = failed != NULL && strcmp(failed, "cudaGraphDestroy") == 0;
  if (closed == CUDROP_OK) {
    ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
    ck_assert_uint_eq(fake_cuda_live_objects(), has_lost_a_graph ? 1 : 0);
  }
  ck_assert_ok(cudrop_destroy(&context));
  return status != CUDROP_OK || closed != CUDROP_OK;
}

START_TEST(every_failure_of_the_runtime_is_told) {
  long k = 0;
  for (bool failed = true; failed && k < MOST_CALLS; ++k) {
    fake_cuda_reset();
    fake_cuda_fail(k, cudaErrorUnknown);
    failed = run();
  }
  ck_assert_int_gt(k, 100); /* calls, each of which has failed once */
  ck_assert_int_lt(k, MOST_CALLS);
}
END_TEST

START_TEST(every_failure_of_cublas_is_told) {
  long k = 0;
  for (bool failed = true; failed && k < MOST_CALLS; ++k) {
    fake_cuda_reset();
    fake_cublas_fail(k, CUBLAS_STATUS_EXECUTION_FAILED);
    failed = run();
  }
  ck_assert_int_eq(k,
                   9); /* create, mode, stream, 3 products, stream, destroy; and none */
}
END_TEST

static TCase *faults_case(void) {
  TCase *tests = suite_case("faults", 300);
  tcase_add_checked_fixture(tests, make_network, free_network);
  tcase_add_test(tests, every_failure_of_the_runtime_is_told);
  tcase_add_test(tests, every_failure_of_cublas_is_told);
  return tests;
}

SUITE_MAIN("engine_faults", faults_case())
