/*
 * test_mlp_faults.c - every call that the example's network makes of the CUDA runtime and
 * of cuBLAS fails once, one after the other: each failure is noticed and told in one line.
 */
#include "fault_loop.h"
#include "mlp.h"

enum { IN = 6, BATCH = 4 };

static const int width[MLP_LAYERS + 1] = {IN, 5, 4, 3};
static const double rates[MLP_LAYERS] = {0.2, 0.5, 0.5};
static const uint8_t labels[BATCH] = {0, 1, 2, 0};

static cudrop_status_t train(mlp_t *mlp) {
  TRY(mlp_start(mlp, 7, rates));
  for (int k = 0; k < BATCH * IN; ++k) mlp->input[k] = (float)(k % 5);
  TRY(mlp_forward(mlp, BATCH, 0));
  TRY(mlp_backward(mlp, labels, BATCH, 0));
  TRY(mlp_update(mlp, 0));
  for (int k = 0; k < MLP_STATES; ++k) {
    TRY(mlp_stage(mlp, k));
    TRY(mlp_unstage(mlp, k));
  }
  TRY(mlp_infer(mlp, BATCH));
  TRY(mlp_sample(mlp, 0, BATCH, 0));
  return mlp_fetch(mlp, BATCH);
}

/* The program, from a context to its end; false if nothing in it has failed. */
static bool run(void) {
  cudrop_context_t *context = NULL;
  mlp_t mlp;
  if (!fault_open_context(&context)) return true;
  cudrop_status_t status = mlp_init(&mlp, context, width, BATCH);
  if (status == CUDROP_OK) status = train(&mlp);
  if (status != CUDROP_OK) fault_expect_words(mlp_error(&mlp));
  const cudrop_status_t freed = mlp_free(&mlp);
  if (freed != CUDROP_OK) fault_expect_words(mlp_error(&mlp));
  if (freed == CUDROP_OK) ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
  ck_assert_ok(cudrop_destroy(&context));
  return status != CUDROP_OK || freed != CUDROP_OK;
}

START_TEST(every_failure_of_the_runtime_is_told) {
  ck_assert_int_gt(fault_count_runs(run, fault_in_runtime), 100);
}
END_TEST

/* Create, mode, 3 + 5 + 3 + 3 products, destroy; and none. */
START_TEST(every_failure_of_cublas_is_told) {
  ck_assert_int_eq(fault_count_runs(run, fault_in_cublas), 1 + 1 + 3 + 5 + 3 + 3 + 1 + 1);
}
END_TEST

START_TEST(auto_without_a_device_is_the_host) {
  cudrop_context_t *context = NULL;
  mlp_t mlp;
  fake_cuda_reset();
  fake_cuda_set_devices(0);
  ck_assert_ok(cudrop_create(&context, maths_backend(CUDROP_AUTO), 0));
  ck_assert_ok(mlp_init(&mlp, context, width, BATCH));
  ck_assert_ok(train(&mlp));
  ck_assert_ok(mlp_free(&mlp));
  ck_assert_ok(cudrop_destroy(&context));
  fake_cuda_reset();
}
END_TEST

static TCase *faults_case(void) {
  TCase *tests = suite_case("faults", 300);
  tcase_add_test(tests, every_failure_of_the_runtime_is_told);
  tcase_add_test(tests, every_failure_of_cublas_is_told);
  tcase_add_test(tests, auto_without_a_device_is_the_host);
  return tests;
}

SUITE_MAIN("mlp_faults", faults_case())
