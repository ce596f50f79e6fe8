/*
 * test_engine_faults.c - every call that the inference engine makes of the CUDA runtime and of
 * cuBLAS fails once, one after the other: each failure is told in one line, and nothing is left.
 * And how many calls there are.
 */
#include "engine.h"
#include "fault_loop.h"

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
}

/* A plan for samples, one that keeps its capture (4 * 4 is a multiple of 8), one for inference,
 * and a run of each. */
static cudrop_status_t use(engine_t *engine) {
  static const engine_setup_t setups[] = {
      {.rows = 3, .samples = 5}, {.rows = 3, .samples = 5, .first_row = 4}, {.rows = 3}};
  const float x[18] = {1.0f, 2.0f};
  float mean[12];
  for (size_t k = 0; k < sizeof setups / sizeof setups[0]; ++k) {
    TRY(engine_plan(engine, &setups[k]));
    TRY(engine_write(engine, x));
    TRY(engine_run(engine));
    TRY(engine_read(engine, "mean", mean));
  }
  return CUDROP_OK;
}

/* The program, from a context to its end; false if nothing in it has failed. */
static bool run(void) {
  static engine_t engine;
  cudrop_context_t *context = NULL;
  if (!fault_open_context(&context)) return true;
  cudrop_status_t status = engine_open(&engine, &network, context);
  if (status == CUDROP_OK) status = use(&engine);
  if (status != CUDROP_OK) fault_expect_words(engine_error(&engine));
  const cudrop_status_t closed = engine_close(&engine);
  if (closed != CUDROP_OK) fault_expect_words(engine_error(&engine));
  const char *failed = fake_cuda_failed_call();
  const bool has_lost_a_graph = failed != NULL && strcmp(failed, "cudaGraphDestroy") == 0;
  if (closed == CUDROP_OK) {
    ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
    ck_assert_uint_eq(fake_cuda_live_objects(), has_lost_a_graph ? 1 : 0);
  }
  ck_assert_ok(cudrop_destroy(&context));
  return status != CUDROP_OK || closed != CUDROP_OK;
}

/* So many calls have failed once, and then none has. */
START_TEST(every_failure_is_told) {
  ck_assert_int_gt(fault_count_runs(run, fault_in_runtime), 100);
  /* cublasCreate, the mode, the stream, 3 products, the stream, cublasDestroy; and none */
  ck_assert_int_eq(fault_count_runs(run, fault_in_cublas), 9);
}
END_TEST

/* ---- Launches --------------------------------------------------------------------- */

/* The calls of the runtime in a plan that captures a run again: 6 is no multiple of 8. */
static long count_calls(engine_t *engine, int64_t samples) {
  const engine_setup_t other_row = {.rows = 3, .samples = samples, .first_row = 1};
  ck_assert_ok(engine_plan(engine, &(engine_setup_t){.rows = 3, .samples = samples}));
  const long before = fake_cuda_calls();
  ck_assert_ok(engine_plan(engine, &other_row));
  return fake_cuda_calls() - before;
}

START_TEST(all_masks_of_an_input_are_one_launch) {
  static network_t dropout;
  static engine_t engine;
  cudrop_context_t *context = NULL;
  fake_cuda_reset();
  ck_assert(network_add(&dropout, "input x f32 6"));
  ck_assert(network_add(&dropout, "Dropout x -> y"));
  ck_assert_ok(cudrop_create(&context, CUDROP_CUDA, 0));
  ck_assert_ok(engine_open(&engine, &dropout, context));
  const long for_one = count_calls(&engine, 1);
  ck_assert_int_gt(for_one, 0);
  ck_assert_int_eq(count_calls(&engine, 100), for_one);
  ck_assert_ok(engine_close(&engine));
  ck_assert_ok(cudrop_destroy(&context));
  network_free(&dropout);
}
END_TEST

static TCase *faults_case(void) {
  TCase *tests = suite_case("faults", 300);
  tcase_add_checked_fixture(tests, make_network, free_network);
  tcase_add_test(tests, every_failure_is_told);
  tcase_add_test(tests, all_masks_of_an_input_are_one_launch);
  return tests;
}

SUITE_MAIN("engine_faults", faults_case())
