/*
 * test_cuda.c - what only a GPU has: memory of its own, devices, and their errors.
 *
 * Runs on a GPU, and without one on the emulator of tests/simt. The operators' results are
 * test_operators' subject.
 */
#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <string.h>

#if defined(CUDROP_TEST_EMULATED)
#include "fake_cudart.h"
#endif
#include "on_stream.h"
#include "oracle.h"

/* ---- memory --------------------------------------------------------------------------- */

#define ck_assert_wrong_memory(call, name)                                             \
  do {                                                                                 \
    ck_assert_int_eq(call, CUDROP_ERROR_WRONG_MEMORY);                                 \
    ck_assert_msg(strstr(cudrop_last_error(), ": " name " = ") != NULL, "it says: %s", \
                  cudrop_last_error());                                                \
  } while (0)

/* Whether device 0 reads memory that CUDA was not told of: by its hardware, or by HMM. */
static bool reads_host_memory(void) {
  int reads = 0;
  ck_assert_cuda(cudaDeviceGetAttribute(&reads, cudaDevAttrPageableMemoryAccess, 0));
  return reads != 0;
}

START_TEST(host_memory_is_refused_by_a_cuda_context) {
  if (reads_host_memory()) return;
  static uint8_t keep_host[N];
  cudrop_prepared_t *block = NULL;
  uint64_t kept_host = 7;
  const int64_t n = N;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  ck_assert_ok(cudrop_prepared_create(host, &mask, &block));
  const cudrop_mask_t prepared = cudrop_prepared_mask(block, 0);
  const cudrop_tensor_t in = vector(x), out = vector(y);
  const cudrop_tensor_t bad_in = vector(x_host), bad_out = vector(y_host);
  const cudrop_tensor_t bad_keep = cudrop_vector(keep_host, CUDROP_U8, N);
  float before[N];
  memcpy(before, y_host, sizeof before);
  ck_assert_wrong_memory(cudrop_forward(context, &bad_in, &mask, &out), "x");
  ck_assert_wrong_memory(cudrop_forward(context, &in, &mask, &bad_out), "y");
  ck_assert_wrong_memory(cudrop_backward_accumulate(context, &bad_in, &mask, &out), "dy");
  ck_assert_wrong_memory(cudrop_alpha_backward(context, &in, &mask, &bad_out), "dx");
  ck_assert_wrong_memory(cudrop_apply_bytes(context, &in, &bad_keep, 0.5, &out), "keep");
  ck_assert_wrong_memory(cudrop_apply_bits(context, &in, keep_host, 0.5, &out), "bits");
  ck_assert_wrong_memory(cudrop_export_bits(context, &mask, 1, &n, keep_host), "bits");
  ck_assert_wrong_memory(cudrop_export_bytes(context, &mask, &bad_keep), "keep");
  ck_assert_wrong_memory(cudrop_export_scale(context, &mask, &bad_out), "scale");
  ck_assert_wrong_memory(cudrop_count_kept(context, &mask, 1, &n, &kept_host), "kept");
  ck_assert_wrong_memory(cudrop_forward(context, &in, &prepared, &out), "prepared");
  ck_assert_wrong_memory(cudrop_prepare(context, &mask, block), "prepared");
  ck_assert_wrong_memory(cudrop_advance(context, block, 1), "prepared");
  ck_assert_wrong_memory(cudrop_upload(context, x_host, y_host, 4), "buffer");
  ck_assert_wrong_memory(cudrop_download(context, x_host, y_host, 4), "buffer");
  ck_assert_mem_eq(y_host, before, sizeof before);
  ck_assert_uint_eq(kept_host, 7);
  expect_untouched();
  ck_assert_ok(cudrop_prepared_destroy(host, &block));
}
END_TEST

START_TEST(host_memory_serves_where_the_device_reads_it) {
#if defined(CUDROP_TEST_EMULATED)
  fake_cuda_set_attribute(cudaDevAttrPageableMemoryAccess, 1);
#endif
  if (!reads_host_memory()) return;
  const double rates[] = {0.5, 0.0, 1.0}; /* a kernel, a copy, a fill */
  const cudrop_tensor_t in = vector(x_host), out = vector(y_host);
  float want[N], back[N];
  const cudrop_tensor_t expected = vector(want);
  cudrop_context_t *reader = NULL;
  ck_assert_ok(cudrop_create(&reader, CUDROP_CUDA, 0));
  for (int k = 0; k < 3; ++k) {
    const cudrop_mask_t mask = cudrop_mask(1, 2, rates[k]);
    ck_assert_ok(cudrop_forward(reader, &in, &mask, &out));
    ck_assert_ok(cudrop_synchronize(reader));
    ck_assert_ok(cudrop_forward(host, &in, &mask, &expected));
    ck_assert_mem_eq(y_host, want, sizeof want);
  }
  ck_assert_ok(cudrop_upload(reader, y_host, x_host, sizeof x_host));
  ck_assert_ok(cudrop_download(reader, back, y_host, sizeof back));
  ck_assert_mem_eq(back, x_host, sizeof back);
  ck_assert_ok(cudrop_destroy(&reader));
}
END_TEST

START_TEST(memory_of_a_gpu_is_refused_by_a_host_context) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t in = vector(x), bad_out = vector(y), bad_in = vector(x_host);
  float out_host[N];
  const cudrop_tensor_t out = vector(out_host);
  ck_assert_wrong_memory(cudrop_forward(host, &in, &mask, &out), "x");
  ck_assert_wrong_memory(cudrop_forward(host, &bad_in, &mask, &bad_out), "y");
  expect_untouched();
}
END_TEST

START_TEST(page_locked_memory_serves_both) {
  const double rates[] = {0.5, 0.0, 1.0}; /* a kernel, a copy, a fill */
  const cudrop_mask_t mask = cudrop_mask(1, 2, rates[_i]);
  float *pinned = NULL;
  ck_assert_cuda(cudaMallocHost((void **)&pinned, sizeof x_host));
  memcpy(pinned, x_host, sizeof x_host);
  const cudrop_tensor_t in = vector(pinned), out = vector(y);
  ck_assert_ok(cudrop_forward(context, &in, &mask, &out));
  expect_dropped(&mask);
  ck_assert_ok(cudrop_forward(context, &in, &mask, &in));
  ck_assert_ok(cudrop_synchronize(context));
  ck_assert_ok(cudrop_download(context, y_host, y, sizeof y_host));
  ck_assert_mem_eq(pinned, y_host, sizeof y_host);
  ck_assert_ok(cudrop_forward(host, &in, &mask, &in));
  ck_assert_cuda(cudaFreeHost(pinned));
}
END_TEST

START_TEST(empty_tensors_need_no_memory) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t none = cudrop_vector(NULL, CUDROP_F32, 0);
  const int64_t zero = 0;
  uint64_t *kept = take(sizeof *kept), got = 7;
  ck_assert_ok(cudrop_forward(context, &none, &mask, &none));
  ck_assert_ok(cudrop_export_bits(context, &mask, 1, &zero, NULL));
  ck_assert_ok(cudrop_upload(context, kept, &got, sizeof got));
  ck_assert_ok(cudrop_count_kept(context, &mask, 1, &zero, kept));
  ck_assert_ok(cudrop_download(context, &got, kept, sizeof got));
  ck_assert_uint_eq(got, 0);
  give(kept);
}
END_TEST

START_TEST(an_allocation_that_cannot_succeed_says_so_and_no_more) {
  void *buffer = &buffer;
  char text[128];
  snprintf(text, sizeof text, "cudrop_alloc: bytes = %zu is more than device 0 has left",
           SIZE_MAX / 2);
  ck_assert_error(cudrop_alloc(context, SIZE_MAX / 2, &buffer),
                  CUDROP_ERROR_OUT_OF_MEMORY, text);
  ck_assert_ptr_null(buffer);
  give(take(1));
}
END_TEST

/* ---- devices -------------------------------------------------------------------------- */

START_TEST(a_device_that_does_not_exist_is_refused) {
  cudrop_context_t *none = (cudrop_context_t *)&none;
  char text[128];
  int count = 0;
  ck_assert_ok(cudrop_device_count(CUDROP_CUDA, &count));
  snprintf(text, sizeof text, "cudrop_create: device = %d is outside [0, %d)", count,
           count);
  ck_assert_error(cudrop_create(&none, CUDROP_CUDA, count), CUDROP_ERROR_NO_DEVICE, text);
  ck_assert_ptr_null(none);
}
END_TEST

START_TEST(a_cuda_context_has_no_threads) {
  ck_assert_error(cudrop_set_threads(context, 2), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_set_threads: threads = 2, and a CUDA context has none");
}
END_TEST

/* In a thread of its own, which has no context, and after the library has worked still none. */
static void *work_without_a_context(void *unused) {
  (void)unused;
  static char failed[] = "failed";
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t in = vector(x), out = vector(y), host_out = vector(y_host);
  PFN_cuCtxGetCurrent_v4000 get_current = NULL;
  CUcontext current = NULL;
  void *address = NULL, *buffer = NULL;
  cudrop_context_t *own = NULL;
  bool right = cudaGetDriverEntryPointByVersion("cuCtxGetCurrent", &address, 12000,
                                                cudaEnableDefault, NULL) == cudaSuccess;
  memcpy(&get_current, &address, sizeof address);
  right = right && get_current(&current) == CUDA_SUCCESS && current == NULL;
  right = cudrop_create(&own, CUDROP_CUDA, 0) == CUDROP_OK && right;
  right = cudrop_forward(own, &in, &mask, &out) == CUDROP_OK && right;
  right = cudrop_alloc(own, 4, &buffer) == CUDROP_OK && right;
  right = cudrop_download(own, y_host, y, sizeof y_host) == CUDROP_OK && right;
  right = cudrop_forward(host, &host_out, &mask, &host_out) == CUDROP_OK && right;
  right = cudrop_free(own, &buffer) == CUDROP_OK && right;
  right = cudrop_destroy(&own) == CUDROP_OK && right;
  right = right && get_current(&current) == CUDA_SUCCESS && current == NULL;
  return right ? NULL : failed;
}

START_TEST(a_thread_without_a_context_has_none_afterwards) {
  pthread_t thread;
  void *failed = NULL;
  ck_assert_int_eq(pthread_create(&thread, NULL, work_without_a_context, NULL), 0);
  ck_assert_int_eq(pthread_join(thread, &failed), 0);
  ck_assert_ptr_null(failed);
}
END_TEST

/* Every call, while another device than the context's is the current one. */
START_TEST(the_current_device_stays_what_it_was) {
  int count = 0, current = -1;
  ck_assert_cuda(cudaGetDeviceCount(&count));
  if (count < 2) return; /* one device is always the current one */
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t in = vector(x), out = vector(y);
  cudrop_prepared_t *block = take_block(&mask);
  void *buffer = NULL;
  ck_assert_cuda(cudaSetDevice(1));
  ck_assert_ok(cudrop_alloc(context, 4, &buffer));
  ck_assert_ok(cudrop_upload(context, buffer, x_host, 4));
  ck_assert_ok(cudrop_forward(context, &in, &mask, &out));
  ck_assert_ok(cudrop_prepare(context, &mask, block));
  ck_assert_ok(cudrop_advance(context, block, 1));
  ck_assert_ok(cudrop_synchronize(context));
  ck_assert_int_eq(cudrop_forward(context, NULL, &mask, &out), CUDROP_ERROR_NULL_POINTER);
  ck_assert_ok(cudrop_free(context, &buffer));
  ck_assert_cuda(cudaGetDevice(&current));
  ck_assert_int_eq(current, 1);
  ck_assert_cuda(cudaSetDevice(0));
  expect_dropped(&mask);
  give_block(block);
}
END_TEST

START_TEST(memory_of_another_device_is_refused) {
  int count = 0;
  cudrop_context_t *other = NULL;
  ck_assert_cuda(cudaGetDeviceCount(&count));
  if (count < 2) return;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t in = vector(x), out = vector(y);
  ck_assert_ok(cudrop_create(&other, CUDROP_CUDA, 1));
  ck_assert_wrong_memory(cudrop_forward(other, &in, &mask, &out), "x");
  ck_assert_ok(cudrop_destroy(&other));
  expect_untouched();
}
END_TEST

START_TEST(the_callers_last_error_is_left_alone) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t in = vector(x), out = vector(y);
  void *memory = NULL;
  ck_assert_int_ne(cudaMalloc(&memory, SIZE_MAX / 2), cudaSuccess);
  ck_assert_ok(cudrop_forward(context, &in, &mask, &out));
  ck_assert_ok(cudrop_synchronize(context));
  ck_assert_int_eq(cudaGetLastError(), cudaErrorMemoryAllocation);
  expect_dropped(&mask);
}
END_TEST

/* The shared library has a runtime of its own; the emulated one shares the test's. */
START_TEST(a_failure_inside_the_library_is_not_the_callers) {
#if !defined(CUDROP_TEST_EMULATED)
  cudaGraph_t graph = NULL;
  ck_assert_int_eq(cudaGetLastError(), cudaSuccess);
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  ck_assert_int_eq(cudrop_synchronize(context), CUDROP_ERROR_CUDA);
  ck_assert_int_eq(cudaPeekAtLastError(), cudaSuccess);
  ck_assert_int_ne(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  (void)cudaGetLastError(); /* this one was the test's own */
#endif
}
END_TEST

/* ---- threads -------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 20 };

/* A training loop of its own: a context, a stream, buffers; NULL if every mask was right. */
static void *train(void *number) {
  const uint64_t seed = *(const uint64_t *)number;
  static char failed[] = "failed";
  cudrop_context_t *own = NULL;
  cudaStream_t own_stream = NULL;
  void *data = NULL;
  float ones[N], got[N];
  const int64_t n = N;
  bool right = cudrop_create(&own, CUDROP_CUDA, 0) == CUDROP_OK &&
               cudaStreamCreate(&own_stream) == cudaSuccess &&
               cudrop_set_stream(own, own_stream) == CUDROP_OK &&
               cudrop_alloc(own, sizeof ones, &data) == CUDROP_OK;
  for (uint64_t round = 0; round < ROUNDS && right; ++round) {
    for (int e = 0; e < N; ++e) ones[e] = 1.0f;
    const cudrop_tensor_t tensor = cudrop_vector(data, CUDROP_F32, n);
    const cudrop_mask_t mask = cudrop_mask(seed, round, 0.5);
    right = cudrop_upload(own, data, ones, sizeof ones) == CUDROP_OK &&
            cudrop_forward(own, &tensor, &mask, &tensor) == CUDROP_OK &&
            cudrop_download(own, got, data, sizeof got) == CUDROP_OK;
    for (uint64_t e = 0; e < N && right; ++e)
      right = (got[e] != 0.0f) == oracle_keep(seed, round, e, 0.5);
  }
  right = cudrop_free(own, &data) == CUDROP_OK && right;
  right = cudaStreamSynchronize(own_stream) == cudaSuccess && right;
  right = cudaStreamDestroy(own_stream) == cudaSuccess && right;
  right = cudrop_destroy(&own) == CUDROP_OK && right;
  return right ? NULL : failed;
}

START_TEST(threads_with_contexts_of_their_own_do_not_meet) {
  pthread_t threads[THREADS];
  uint64_t seeds[THREADS];
  for (uint64_t k = 0; k < THREADS; ++k) {
    seeds[k] = 1000 + k;
    ck_assert_int_eq(pthread_create(&threads[k], NULL, train, &seeds[k]), 0);
  }
  for (int k = 0; k < THREADS; ++k) {
    void *failed = NULL;
    ck_assert_int_eq(pthread_join(threads[k], &failed), 0);
    ck_assert_ptr_null(failed);
  }
}
END_TEST

static TCase *cuda_case(void) {
  TCase *tests = suite_case("cuda", 120);
  tcase_add_checked_fixture(tests, set_up, clean_up);
  tcase_add_test(tests, host_memory_is_refused_by_a_cuda_context);
  tcase_add_test(tests, host_memory_serves_where_the_device_reads_it);
  tcase_add_test(tests, memory_of_a_gpu_is_refused_by_a_host_context);
  tcase_add_loop_test(tests, page_locked_memory_serves_both, 0, 3);
  tcase_add_test(tests, empty_tensors_need_no_memory);
  tcase_add_test(tests, an_allocation_that_cannot_succeed_says_so_and_no_more);
  tcase_add_test(tests, a_device_that_does_not_exist_is_refused);
  tcase_add_test(tests, a_cuda_context_has_no_threads);
  tcase_add_test(tests, a_thread_without_a_context_has_none_afterwards);
  tcase_add_test(tests, the_current_device_stays_what_it_was);
  tcase_add_test(tests, memory_of_another_device_is_refused);
  tcase_add_test(tests, the_callers_last_error_is_left_alone);
  tcase_add_test(tests, a_failure_inside_the_library_is_not_the_callers);
  tcase_add_test(tests, threads_with_contexts_of_their_own_do_not_meet);
  return tests;
}

SUITE_MAIN("cuda", cuda_case())
