/*
 * test_gpt_faults.c - every call that examples/gpt makes of the CUDA runtime and of cuBLAS fails
 * once, one after the other: each failure is noticed and told in one line.
 */
#include "fault_loop.h"
#include "gpt.h"

/* A test sets the way of attention. */
static gpt_config_t config = {
    .vocabulary = 5,
    .length = 3,
    .width = 16,
    .heads = 2,
    .layers = 1,
    .has_qkv_bias = true,
    .p = {0.1, 0.1, 0.1},
    .batch = 1,
    .dtype = CUDROP_BF16,
};

static cudrop_status_t train(gpt_t *gpt) {
  TRY(gpt_start(gpt, 7));
  TRY(gpt_forward(gpt, 0));
  TRY(gpt_backward(gpt));
  TRY(gpt_update(gpt, 0, 1e-3, 0.1));
  for (int state = 0; state < GPT_STATES; ++state) {
    TRY(gpt_get_state(gpt, state, 0));
    TRY(gpt_put_state(gpt, state, 0));
  }
  TRY(gpt_finish_states(gpt));
  return gpt_infer(gpt);
}

/* The program, from a context to its end; false if nothing in it has failed. */
static bool run(void) {
  const parallel_t alone = parallel_alone();
  cudrop_context_t *context = NULL;
  gpt_t gpt;
  if (!fault_open_context(&context)) return true;
  cudrop_status_t status = gpt_open(&gpt, context, &config, &alone);
  if (status == CUDROP_OK) status = train(&gpt);
  if (status != CUDROP_OK) fault_expect_words(gpt_error(&gpt));
  const cudrop_status_t closed = gpt_close(&gpt);
  if (closed != CUDROP_OK) fault_expect_words(gpt_error(&gpt));
  if (closed == CUDROP_OK) ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
  ck_assert_ok(cudrop_destroy(&context));
  return status != CUDROP_OK || closed != CUDROP_OK;
}

START_TEST(every_failure_of_the_runtime_is_told) {
  config.attention = (gpt_attention_way_t)_i;
  ck_assert_int_gt(fault_count_runs(run, fault_in_runtime), 150);
}
END_TEST

/*
 * Create, mode, 5 products forward, 10 backward and 5 once more, destroy; and none. Separate
 * attention adds 2 products forward and 4 backward.
 */
START_TEST(every_failure_of_cublas_is_told) {
  const int separate = _i == GPT_ATTENTION_SEPARATE ? 2 + 4 + 2 : 0;
  config.attention = (gpt_attention_way_t)_i;
  ck_assert_int_eq(fault_count_runs(run, fault_in_cublas),
                   1 + 1 + 5 + 10 + 5 + 1 + 1 + separate);
}
END_TEST

START_TEST(auto_without_a_device_is_the_host) {
  cudrop_context_t *context = NULL;
  cudrop_backend_t backend = CUDROP_AUTO;
  fake_cuda_reset();
  fake_cuda_set_devices(0);
  ck_assert_ok(cudrop_create(&context, engine_backend(CUDROP_AUTO), 0));
  ck_assert_ok(cudrop_get_backend(context, &backend));
  ck_assert_int_eq(backend, CUDROP_HOST);
  ck_assert_ok(cudrop_destroy(&context));
  fake_cuda_reset();
}
END_TEST

static TCase *faults_case(void) {
  TCase *tests = suite_case("faults", 300);
  tcase_add_loop_test(tests, every_failure_of_the_runtime_is_told, 0, GPT_ATTENTION_WAYS);
  tcase_add_loop_test(tests, every_failure_of_cublas_is_told, 0, GPT_ATTENTION_WAYS);
  tcase_add_test(tests, auto_without_a_device_is_the_host);
  return tests;
}

SUITE_MAIN("gpt_faults", faults_case())
