/*
 * test_faults.c - every call of the CUDA runtime fails once, one after the other.
 *
 * Whatever fails: the right status, a text that names the call, no memory lost, the current
 * context as it was, no other device touched, and no trace of it in the next call. The calls are
 * made on device 1, from threads that have nothing current, or one of several contexts.
 */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <string.h>

#include "fake_cudart.h"
#include "fault_steps.h"
#include "suite.h"

static float values[FAULT_N]; /* in memory of the host */

static void clean_up(fault_state_t *s) {
  void **buffers[] = {&s->x, &s->y, &s->bits, &s->kept, &s->workspace};
  for (size_t k = 0; k < sizeof buffers / sizeof buffers[0]; ++k)
    if (*buffers[k] != NULL) ck_assert_ok(cudrop_free(s->context, buffers[k]));
  if (s->block != NULL) ck_assert_ok(cudrop_prepared_destroy(s->context, &s->block));
  ck_assert_ok(cudrop_destroy(&s->context));
  ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
}

/* The status that a failing call must become. */
static cudrop_status_t expected_status(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return CUDROP_ERROR_OUT_OF_MEMORY;
    case cudaErrorNoDevice:
      return CUDROP_ERROR_NO_DEVICE;
    default:
      return CUDROP_ERROR_CUDA;
  }
}

/* A step fails in the k-th call from the beginning: look at what it says, then go on. */
static void expect_failure(int step, cudrop_status_t status, cudaError_t error) {
  const char *call = fake_cuda_failed_call(), *text = cudrop_last_error();
  ck_assert_ptr_nonnull(call);
  ck_assert_str_eq(cudrop_status_name(status),
                   cudrop_status_name(expected_status(error)));
  ck_assert_msg(
      strncmp(text, fault_steps[step].function, strlen(fault_steps[step].function)) == 0,
      "%s fails and says: %s", call, text);
  if (status == CUDROP_ERROR_CUDA)
    ck_assert_msg(strstr(text, call) != NULL && strstr(text, cudaGetErrorName(error)),
                  "%s fails and says: %s", call, text);
}

/* What is current in the calling thread before a program begins, and shall stay so. */
typedef enum {
  NOTHING,
  PRIMARY_OF_0,
  PRIMARY_OF_1,
  ANOTHER_OF_0, /* contexts that the program made itself */
  ANOTHER_OF_1,
  CALLERS
} caller_t;

static struct CUctx_st *become(caller_t caller) {
  switch (caller) {
    case PRIMARY_OF_0:
    case PRIMARY_OF_1:
      ck_assert_int_eq(cudaSetDevice(caller == PRIMARY_OF_1), cudaSuccess);
      return fake_cuda_current_context();
    case ANOTHER_OF_0:
    case ANOTHER_OF_1:
      return fake_cuda_push_new_context(caller == ANOTHER_OF_1);
    default:
      return NULL;
  }
}

/* The context is current, but where taking away what the library pushed is what failed. */
static void expect_current(const struct CUctx_st *context) {
  const char *call = fake_cuda_failed_call();
  CUcontext popped = NULL;
  if (call != NULL && strcmp(call, "cuCtxPopCurrent") == 0 &&
      fake_cuda_current_context() != context)
    ck_assert_int_eq(cuCtxPopCurrent(&popped), CUDA_SUCCESS);
  ck_assert_ptr_eq(fake_cuda_current_context(), context);
}

/* Run the program with one call failing; false when there was no such call. */
static bool run_with_failure(caller_t caller, long k, cudaError_t error) {
  fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  bool reached = false;
  fake_cuda_reset();
  const struct CUctx_st *current = become(caller);
  fake_cuda_fail(k, (int)error);
  for (int step = 0; step < FAULT_STEPS; ++step) {
    cudrop_status_t status = fault_steps[step].run(&state);
    if (status != CUDROP_OK && !reached) {
      reached = true;
      expect_failure(step, status, error);
      expect_current(current);
      fake_cuda_fail(-1, 0);
      if (fault_steps[step].run == fault_free_x && state.x == NULL) continue;
      status = fault_steps[step].run(&state); /* nothing of the failure is left */
    }
    ck_assert_msg(status == CUDROP_OK, "%s: %s", fault_steps[step].function,
                  cudrop_last_error());
    expect_current(current);
  }
  fake_cuda_fail(-1, 0);
  clean_up(&state);
  expect_current(current);
  ck_assert_int_eq(fake_cuda_has_primary_context(0), caller == PRIMARY_OF_0);
  return reached;
}

static const cudaError_t errors[] = {cudaErrorUnknown, cudaErrorMemoryAllocation,
                                     cudaErrorLaunchFailure};
enum { ERRORS = sizeof errors / sizeof errors[0] };

/* Every error with nothing current, and then every caller with the first one. */
START_TEST(every_call_that_fails_is_named_and_leaves_no_trace) {
  const caller_t caller = _i < ERRORS ? NOTHING : (caller_t)(_i - ERRORS + 1);
  long k = 0;
  while (run_with_failure(caller, k, errors[_i < ERRORS ? _i : 0])) ++k;
  ck_assert_int_gt(k, 140); /* calls, each of which has failed once */
}
END_TEST

/* The driver's functions, by the names that the library asks for. */
static const char *const functions[] = {"cuDeviceGet", "cuDevicePrimaryCtxRetain",
                                        "cuCtxGetDevice", "cuCtxPushCurrent",
                                        "cuCtxPopCurrent"};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

START_TEST(a_driver_that_lacks_a_function_is_refused) {
  fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  fake_cuda_reset();
  fake_cuda_hide_driver_function(functions[_i]);
  ck_assert_int_eq(fault_create(&state), CUDROP_ERROR_CUDA);
  ck_assert_ptr_nonnull(strstr(cudrop_last_error(), "cudaErrorSymbolNotFound"));
  ck_assert_ptr_null(state.context);
}
END_TEST

/*
 * A host context asks whose memory it is given. It cannot fail for a reason of CUDA's, and where
 * that is not known the memory is taken for the host's.
 */
START_TEST(a_host_context_leaves_the_current_context_alone) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  float y[FAULT_N];
  bool reached = true;
  for (long k = 0; reached; ++k) {
    fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    cudrop_context_t *host = NULL;
    const cudrop_tensor_t in = fault_vector(values), out = fault_vector(y);
    fake_cuda_reset();
    const struct CUctx_st *current = become((caller_t)_i);
    ck_assert_ok(fault_create(&state));
    ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
    ck_assert_ok(fault_alloc_x(&state));
    const cudrop_tensor_t on_device = fault_vector(state.x);
    ck_assert_int_eq(cudrop_forward(host, &on_device, &mask, &out),
                     CUDROP_ERROR_WRONG_MEMORY);
    fake_cuda_fail(k, cudaErrorUnknown);
    ck_assert_ok(cudrop_forward(host, &in, &mask, &out));
    reached = fake_cuda_failed_call() != NULL;
    expect_current(current);
    fake_cuda_fail(-1, 0);
    ck_assert_ok(cudrop_destroy(&host));
    clean_up(&state);
    ck_assert_int_eq(fake_cuda_has_primary_context(0), _i == PRIMARY_OF_0);
  }
}
END_TEST

START_TEST(without_a_driver_or_a_device_every_way_in_says_so) {
  cudrop_context_t *context = NULL;
  cudrop_backend_t backend = CUDROP_CUDA;
  int count = -5;
  fake_cuda_reset();
  fake_cuda_set_devices(_i); /* 0: no device, negative: no driver */
  ck_assert_int_eq(cudrop_device_count(CUDROP_CUDA, &count), CUDROP_ERROR_NO_DEVICE);
  ck_assert_int_eq(count, -5);
  ck_assert_int_eq(cudrop_create(&context, CUDROP_CUDA, 0), CUDROP_ERROR_NO_DEVICE);
  ck_assert_ptr_null(context);
  ck_assert_ok(cudrop_create(&context, CUDROP_AUTO, 0));
  ck_assert_ok(cudrop_get_backend(context, &backend));
  ck_assert_int_eq(backend, CUDROP_HOST);
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(a_device_that_is_lost_is_an_error_and_no_crash) {
  fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  fake_cuda_reset();
  ck_assert_ok(fault_create(&state));
  ck_assert_ok(fault_alloc_x(&state));
  ck_assert_ok(fault_alloc_y(&state));
  fake_cuda_lose_device();
  for (int k = 0; k < 2; ++k) {
    ck_assert_int_eq(fault_drop(&state), CUDROP_ERROR_CUDA);
    ck_assert_ptr_nonnull(strstr(cudrop_last_error(), "cudaErrorDevicesUnavailable"));
    ck_assert_int_eq(fault_synchronize(&state), CUDROP_ERROR_CUDA);
  }
  ck_assert_ok(cudrop_destroy(&state.context));
  fake_cuda_reset();
}
END_TEST

START_TEST(without_memory_pools_buffers_are_plain) {
  fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  fake_cuda_reset();
  fake_cuda_set_attribute(cudaDevAttrMemoryPoolsSupported, 0);
  for (int step = 0; step < FAULT_STEPS; ++step)
    ck_assert_ok(fault_steps[step].run(&state));
  clean_up(&state);
  fake_cuda_reset();
}
END_TEST

START_TEST(a_device_that_reads_host_memory_is_given_it) {
  fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  float y[FAULT_N];
  fake_cuda_reset();
  fake_cuda_set_attribute(cudaDevAttrPageableMemoryAccess, 1);
  ck_assert_ok(fault_create(&state));
  const cudrop_tensor_t in = fault_vector(values), out = fault_vector(y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  ck_assert_ok(cudrop_forward(state.context, &in, &mask, &out));
  ck_assert_ok(cudrop_destroy(&state.context));
  fake_cuda_reset();
}
END_TEST

/* Whichever call fails: there is no block, and no memory of one. */
START_TEST(a_prepared_block_is_made_or_there_is_none) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  bool reached = true;
  long k = 0;
  for (; reached; ++k) {
    fault_state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    cudrop_prepared_t *prepared = NULL;
    fake_cuda_reset();
    const struct CUctx_st *current = become(NOTHING);
    ck_assert_ok(fault_create(&state));
    fake_cuda_fail(k, cudaErrorUnknown);
    const cudrop_status_t status =
        cudrop_prepared_create(state.context, &mask, &prepared);
    reached = fake_cuda_failed_call() != NULL;
    expect_current(current);
    fake_cuda_fail(-1, 0);
    ck_assert_int_eq(status, reached ? CUDROP_ERROR_CUDA : CUDROP_OK);
    ck_assert_int_eq(prepared == NULL, reached);
    ck_assert_ok(cudrop_prepared_destroy(state.context, &prepared));
    ck_assert_ptr_null(prepared);
    clean_up(&state);
  }
  ck_assert_int_gt(k, 2);
}
END_TEST

static TCase *faults_case(void) {
  TCase *tests = suite_case("faults", 300);
  tcase_add_loop_test(tests, every_call_that_fails_is_named_and_leaves_no_trace, 0,
                      ERRORS + CALLERS - 1);
  tcase_add_loop_test(tests, a_driver_that_lacks_a_function_is_refused, 0, FUNCTIONS);
  tcase_add_loop_test(tests, a_host_context_leaves_the_current_context_alone, 0, CALLERS);
  tcase_add_loop_test(tests, without_a_driver_or_a_device_every_way_in_says_so, -1, 1);
  tcase_add_test(tests, a_device_that_is_lost_is_an_error_and_no_crash);
  tcase_add_test(tests, a_prepared_block_is_made_or_there_is_none);
  tcase_add_test(tests, without_memory_pools_buffers_are_plain);
  tcase_add_test(tests, a_device_that_reads_host_memory_is_given_it);
  return tests;
}

SUITE_MAIN("faults", faults_case())
