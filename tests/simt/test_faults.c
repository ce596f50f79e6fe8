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
#include "suite.h"

enum { N = 100, ROWS = 10, COLS = 10, WORKSPACE = 1 << 13 };

typedef struct {
  cudrop_context_t *context;
  void *x, *y, *bits, *block, *kept, *workspace;
} state_t;

/* A program's calls in their order; each needs those before it. */
typedef cudrop_status_t step_t(state_t *state);

static float values[N];

static cudrop_tensor_t f32(void *data) {
  return cudrop_vector(data, CUDROP_F32, N);
}
static cudrop_tensor_t every_second(void *data) {
  cudrop_tensor_t tensor = cudrop_vector(data, CUDROP_F32, N / 2);
  tensor.stride[0] = 2;
  return tensor;
}

static cudrop_status_t create(state_t *s) {
  return cudrop_create(&s->context, CUDROP_CUDA, 1);
}
static cudrop_status_t alloc_x(state_t *s) {
  return cudrop_alloc(s->context, sizeof values, &s->x);
}
static cudrop_status_t alloc_y(state_t *s) {
  return cudrop_alloc(s->context, sizeof values, &s->y);
}
static cudrop_status_t alloc_bits(state_t *s) {
  return cudrop_alloc(s->context, N, &s->bits);
}
static cudrop_status_t alloc_block(state_t *s) {
  return cudrop_alloc(s->context, CUDROP_PREPARED_BYTES, &s->block);
}
static cudrop_status_t alloc_kept(state_t *s) {
  return cudrop_alloc(s->context, sizeof(uint64_t), &s->kept);
}
static cudrop_status_t upload(state_t *s) {
  return cudrop_upload(s->context, s->x, values, sizeof values);
}
static cudrop_status_t forward(state_t *s, double p) {
  const cudrop_tensor_t x = f32(s->x), y = f32(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, p);
  return cudrop_forward(s->context, &x, &mask, &y);
}
static cudrop_status_t drop(state_t *s) {
  return forward(s, 0.5);
}
static cudrop_status_t copy(state_t *s) {
  return forward(s, 0.0);
}
static cudrop_status_t clear(state_t *s) {
  return forward(s, 1.0);
}
static cudrop_status_t drop_strided(state_t *s) {
  const cudrop_tensor_t x = every_second(s->x), y = every_second(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_backward_accumulate(s->context, &x, &mask, &y);
}
static cudrop_status_t alpha(state_t *s) {
  const cudrop_tensor_t x = f32(s->x);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_alpha_forward(s->context, &x, &mask, &x);
}
static cudrop_status_t export_bits(state_t *s) {
  const int64_t n = N;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_export_bits(s->context, &mask, 1, &n, s->bits);
}
static cudrop_status_t apply_bits(state_t *s) {
  const cudrop_tensor_t x = f32(s->x), y = f32(s->y);
  return cudrop_apply_bits(s->context, &x, s->bits, 0.5, &y);
}
static cudrop_status_t count(state_t *s) {
  const int64_t n = N;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_count_kept(s->context, &mask, 1, &n, s->kept);
}
static cudrop_status_t prepare(state_t *s) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  return cudrop_prepare(s->context, &mask, s->block);
}
static cudrop_status_t drop_prepared(state_t *s) {
  const cudrop_tensor_t x = f32(s->x), y = f32(s->y);
  const cudrop_mask_t mask = cudrop_prepared_mask(s->block, 0);
  return cudrop_forward(s->context, &x, &mask, &y);
}
static cudrop_status_t advance(state_t *s) {
  return cudrop_advance(s->context, s->block, 1);
}
static cudrop_status_t alloc_workspace(state_t *s) {
  return cudrop_alloc(s->context, WORKSPACE, &s->workspace);
}
static cudrop_tensor_t matrix(void *data) {
  return cudrop_matrix(data, CUDROP_F32, ROWS, COLS);
}
static cudrop_status_t fused(state_t *s) {
  const cudrop_tensor_t x = matrix(s->x), y = matrix(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_fused_t shared = {.mask = &mask};
  return cudrop_fused_forward(
      s->context, &(cudrop_fused_forward_t){.fused = &shared, .x = &x, .y = &y});
}
static cudrop_status_t fused_backward(state_t *s) {
  const cudrop_tensor_t dy = matrix(s->x);
  const cudrop_tensor_t dbias = cudrop_vector(s->y, CUDROP_F32, COLS);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_fused_t shared = {.mask = &mask};
  return cudrop_fused_backward(s->context,
                               &(cudrop_fused_backward_t){.fused = &shared,
                                                          .dy = &dy,
                                                          .dbias = &dbias,
                                                          .workspace = s->workspace,
                                                          .workspace_bytes = WORKSPACE});
}
static cudrop_status_t norm(state_t *s) {
  const cudrop_tensor_t x = matrix(s->x), y = matrix(s->y);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_norm_t shared = {.epsilon = 1e-5f, .mask = &mask};
  return cudrop_norm_forward(s->context,
                             &(cudrop_norm_forward_t){.norm = &shared, .x = &x, .y = &y});
}
static cudrop_status_t norm_backward(state_t *s) {
  const cudrop_tensor_t h = matrix(s->x), dx = matrix(s->y);
  const cudrop_tensor_t rstd = cudrop_vector(s->x, CUDROP_F32, ROWS);
  const cudrop_norm_t shared = {.kind = CUDROP_RMS_NORM};
  return cudrop_norm_backward(s->context,
                              &(cudrop_norm_backward_t){.norm = &shared,
                                                        .dy = &h,
                                                        .h = &h,
                                                        .rstd = &rstd,
                                                        .dx = &dx,
                                                        .workspace = s->workspace,
                                                        .workspace_bytes = WORKSPACE});
}
static const cudrop_attention_t every_key = {.scale = 1.0f};
static cudrop_status_t attention(state_t *s) {
  const cudrop_tensor_t scores = matrix(s->x), y = matrix(s->y);
  return cudrop_attention_forward(
      s->context,
      &(cudrop_attention_forward_t){.attention = &every_key, .scores = &scores, .y = &y});
}
static cudrop_status_t reapply(state_t *s) {
  const cudrop_tensor_t weights = matrix(s->x), y = matrix(s->y);
  return cudrop_attention_reapply(
      s->context, &(cudrop_attention_reapply_t){
                      .attention = &every_key, .weights = &weights, .y = &y});
}
static cudrop_status_t attention_backward(state_t *s) {
  const cudrop_tensor_t weights = matrix(s->x), dscores = matrix(s->y);
  return cudrop_attention_backward(s->context,
                                   &(cudrop_attention_backward_t){.attention = &every_key,
                                                                  .dy = &weights,
                                                                  .weights = &weights,
                                                                  .dscores = &dscores});
}
static cudrop_status_t embedding(state_t *s) {
  const cudrop_tensor_t tokens = matrix(s->x), y = matrix(s->y);
  const cudrop_tensor_t ids = cudrop_vector(s->bits, CUDROP_I32, ROWS);
  return cudrop_embedding_forward(
      s->context, &(cudrop_embedding_forward_t){.ids = &ids, .tokens = &tokens, .y = &y});
}
static cudrop_status_t embedding_backward(state_t *s) {
  const cudrop_tensor_t dy = matrix(s->x), dtokens = matrix(s->y);
  const cudrop_tensor_t ids = cudrop_vector(s->bits, CUDROP_I32, ROWS);
  return cudrop_embedding_backward(
      s->context, &(cudrop_embedding_backward_t){.ids = &ids,
                                                 .dy = &dy,
                                                 .dtokens = &dtokens,
                                                 .workspace = s->workspace,
                                                 .workspace_bytes = WORKSPACE});
}
static cudrop_status_t download(state_t *s) {
  float back[N];
  return cudrop_download(s->context, back, s->y, sizeof back);
}
static cudrop_status_t synchronize(state_t *s) {
  return cudrop_synchronize(s->context);
}
static cudrop_status_t free_x(state_t *s) {
  return cudrop_free(s->context, &s->x);
}

static const struct {
  step_t *run;
  const char *function; /* whose name a failure must give */
} steps[] = {
    {create, "cudrop_create"},
    {alloc_x, "cudrop_alloc"},
    {alloc_y, "cudrop_alloc"},
    {alloc_bits, "cudrop_alloc"},
    {alloc_block, "cudrop_alloc"},
    {alloc_kept, "cudrop_alloc"},
    {alloc_workspace, "cudrop_alloc"},
    {upload, "cudrop_upload"},
    {drop, "cudrop_forward"},
    {copy, "cudrop_forward"},
    {clear, "cudrop_forward"},
    {drop_strided, "cudrop_backward_accumulate"},
    {alpha, "cudrop_alpha_forward"},
    {export_bits, "cudrop_export_bits"},
    {apply_bits, "cudrop_apply_bits"},
    {count, "cudrop_count_kept"},
    {prepare, "cudrop_prepare"},
    {drop_prepared, "cudrop_forward"},
    {advance, "cudrop_advance"},
    {fused, "cudrop_fused_forward"},
    {fused_backward, "cudrop_fused_backward"},
    {norm, "cudrop_norm_forward"},
    {norm_backward, "cudrop_norm_backward"},
    {attention, "cudrop_attention_forward"},
    {reapply, "cudrop_attention_reapply"},
    {attention_backward, "cudrop_attention_backward"},
    {embedding, "cudrop_embedding_forward"},
    {embedding_backward, "cudrop_embedding_backward"},
    {download, "cudrop_download"},
    {synchronize, "cudrop_synchronize"},
    {free_x, "cudrop_free"},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static void clean_up(state_t *s) {
  void **buffers[] = {&s->x, &s->y, &s->bits, &s->block, &s->kept, &s->workspace};
  for (size_t k = 0; k < sizeof buffers / sizeof buffers[0]; ++k)
    if (*buffers[k] != NULL) ck_assert_ok(cudrop_free(s->context, buffers[k]));
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
  ck_assert_msg(strncmp(text, steps[step].function, strlen(steps[step].function)) == 0,
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
  state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  bool reached = false;
  fake_cuda_reset();
  const struct CUctx_st *current = become(caller);
  fake_cuda_fail(k, (int)error);
  for (int step = 0; step < STEPS; ++step) {
    cudrop_status_t status = steps[step].run(&state);
    if (status != CUDROP_OK && !reached) {
      reached = true;
      expect_failure(step, status, error);
      expect_current(current);
      fake_cuda_fail(-1, 0);
      if (steps[step].run == free_x && state.x == NULL) continue;
      status = steps[step].run(&state); /* nothing of the failure is left */
    }
    ck_assert_msg(status == CUDROP_OK, "%s: %s", steps[step].function,
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
  state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  fake_cuda_reset();
  fake_cuda_hide_driver_function(functions[_i]);
  ck_assert_int_eq(create(&state), CUDROP_ERROR_CUDA);
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
  float y[N];
  bool reached = true;
  for (long k = 0; reached; ++k) {
    state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    cudrop_context_t *host = NULL;
    const cudrop_tensor_t in = f32(values), out = f32(y);
    fake_cuda_reset();
    const struct CUctx_st *current = become((caller_t)_i);
    ck_assert_ok(create(&state));
    ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
    ck_assert_ok(alloc_x(&state));
    const cudrop_tensor_t on_device = f32(state.x);
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
  state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  fake_cuda_reset();
  ck_assert_ok(create(&state));
  ck_assert_ok(alloc_x(&state));
  ck_assert_ok(alloc_y(&state));
  fake_cuda_lose_device();
  for (int k = 0; k < 2; ++k) {
    ck_assert_int_eq(drop(&state), CUDROP_ERROR_CUDA);
    ck_assert_ptr_nonnull(strstr(cudrop_last_error(), "cudaErrorDevicesUnavailable"));
    ck_assert_int_eq(synchronize(&state), CUDROP_ERROR_CUDA);
  }
  ck_assert_ok(cudrop_destroy(&state.context));
  fake_cuda_reset();
}
END_TEST

START_TEST(without_memory_pools_buffers_are_plain) {
  state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  fake_cuda_reset();
  fake_cuda_set_attribute(cudaDevAttrMemoryPoolsSupported, 0);
  for (int step = 0; step < STEPS; ++step) ck_assert_ok(steps[step].run(&state));
  clean_up(&state);
  fake_cuda_reset();
}
END_TEST

START_TEST(a_device_that_reads_host_memory_is_given_it) {
  state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  float y[N];
  fake_cuda_reset();
  fake_cuda_set_attribute(cudaDevAttrPageableMemoryAccess, 1);
  ck_assert_ok(create(&state));
  const cudrop_tensor_t in = f32(values), out = f32(y);
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
    state_t state = {NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    cudrop_prepared_t *prepared = NULL;
    fake_cuda_reset();
    const struct CUctx_st *current = become(NOTHING);
    ck_assert_ok(create(&state));
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
