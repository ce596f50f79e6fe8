/* test_contexts.c - contexts, devices and buffers. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

/* ---- contexts --------------------------------------------------------------------- */

static int count_gpus(void) {
  int count = 0;
  return cudrop_device_count(CUDROP_CUDA, &count) == CUDROP_OK ? count : 0;
}

START_TEST(a_context_can_be_made_and_destroyed) {
  const cudrop_backend_t asked[] = {CUDROP_HOST, CUDROP_AUTO};
  const cudrop_backend_t got[] = {CUDROP_HOST,
                                  count_gpus() > 0 ? CUDROP_CUDA : CUDROP_HOST};
  for (int k = 0; k < 2; ++k) {
    cudrop_context_t *context = NULL;
    cudrop_backend_t backend = CUDROP_AUTO;
    int count = 0;
    ck_assert_ok(cudrop_device_count(asked[k], &count));
    ck_assert_int_eq(count, got[k] == CUDROP_CUDA ? count_gpus() : 1);
    ck_assert_ok(cudrop_create(&context, asked[k], 0));
    ck_assert_ok(cudrop_get_backend(context, &backend));
    ck_assert_int_eq(backend, got[k]);
    ck_assert_ok(cudrop_set_stream(context, NULL));
    ck_assert_ok(cudrop_synchronize(context));
    ck_assert_ok(cudrop_destroy(&context));
    ck_assert_ptr_null(context);
    ck_assert_ok(cudrop_destroy(&context)); /* NULL is fine */
  }
}
END_TEST

START_TEST(contexts_that_cannot_be_had_are_refused) {
  cudrop_context_t *context = (cudrop_context_t *)&context;
  cudrop_backend_t backend;
  int count = -5;
  ck_assert_error(cudrop_create(&context, CUDROP_HOST, 1), CUDROP_ERROR_NO_DEVICE,
                  "cudrop_create: device = 1 is outside [0, 1)");
  ck_assert_ptr_null(context);
  ck_assert_error(cudrop_create(&context, CUDROP_HOST, -1), CUDROP_ERROR_NO_DEVICE,
                  "cudrop_create: device = -1 is outside [0, 1)");
  ck_assert_error(cudrop_create(&context, (cudrop_backend_t)9, 0),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_create: backend = 9 is not a cudrop_backend_t");
  ck_assert_error(cudrop_device_count((cudrop_backend_t)9, &count),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_device_count: backend = 9 is not a cudrop_backend_t");
  ck_assert_int_eq(count, -5);
  ck_assert_error(cudrop_device_count(CUDROP_HOST, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_device_count: count is NULL");
  ck_assert_error(cudrop_destroy(NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_destroy: context is NULL");
  ck_assert_error(cudrop_get_backend(NULL, &backend), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_get_backend: context is NULL");
  ck_assert_error(cudrop_set_stream(NULL, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_set_stream: context is NULL");
  ck_assert_error(cudrop_synchronize(NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_synchronize: context is NULL");
}
END_TEST

/* Two machines without a GPU: the library knows nothing of CUDA, or CUDA knows no device. */
START_TEST(without_a_gpu_a_cuda_context_is_refused) {
  static const char not_built[] =
      "backend = CUDROP_CUDA is not in this build of the library";
  static const char no_device[] =
      "no CUDA device can be used: there is none, or its driver is missing or too old";
  const bool is_built = strstr(cudrop_build_info(), "cuda") != NULL;
  const cudrop_status_t status =
      is_built ? CUDROP_ERROR_NO_DEVICE : CUDROP_ERROR_NOT_BUILT;
  cudrop_context_t *context = (cudrop_context_t *)&context;
  char text[256], name[16] = "untouched";
  int count = -5;
  if (count_gpus() > 0) return;
  snprintf(text, sizeof text, "cudrop_create: %s", is_built ? no_device : not_built);
  ck_assert_error(cudrop_create(&context, CUDROP_CUDA, 0), status, text);
  ck_assert_ptr_null(context);
  snprintf(text, sizeof text, "cudrop_device_count: %s",
           is_built ? no_device : not_built);
  ck_assert_error(cudrop_device_count(CUDROP_CUDA, &count), status, text);
  ck_assert_int_eq(count, -5);
  snprintf(text, sizeof text, "cudrop_device_name: %s", is_built ? no_device : not_built);
  ck_assert_error(cudrop_device_name(CUDROP_CUDA, 0, name, sizeof name), status, text);
  ck_assert_str_eq(name, "untouched");
}
END_TEST

START_TEST(devices_have_names) {
  char name[64] = "";
  ck_assert_ok(cudrop_device_name(CUDROP_HOST, 0, name, sizeof name));
  ck_assert(strncmp(name, "host, ", 6) == 0);
  ck_assert_ok(cudrop_device_name(CUDROP_HOST, 0, name, 3));
  ck_assert_str_eq(name, "ho");
  ck_assert_error(cudrop_device_name(CUDROP_HOST, 1, name, sizeof name),
                  CUDROP_ERROR_NO_DEVICE,
                  "cudrop_device_name: device = 1 is outside [0, 1)");
  ck_assert_error(cudrop_device_name(CUDROP_HOST, 0, name, 0),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_device_name: size = 0 has no room for a name");
  ck_assert_error(cudrop_device_name(CUDROP_HOST, 0, NULL, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_device_name: name is NULL");
  if (count_gpus() > 0) {
    ck_assert_ok(cudrop_device_name(CUDROP_CUDA, 0, name, sizeof name));
    ck_assert_uint_gt(strlen(name), 0);
  }
}
END_TEST

START_TEST(a_host_context_has_no_streams) {
  cudrop_context_t *context = NULL;
  char text[128];
  cudrop_stream_t stream = (cudrop_stream_t)(void *)&context;
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  snprintf(text, sizeof text,
           "cudrop_set_stream: stream = %p, and a host context has no streams but NULL",
           (void *)stream);
  ck_assert_error(cudrop_set_stream(context, stream), CUDROP_ERROR_INVALID_ARGUMENT,
                  text);
  ck_assert_error(cudrop_get_backend(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_get_backend: backend is NULL");
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

/* ---- buffers ---------------------------------------------------------------------- */

START_TEST(buffers_carry_bytes_there_and_back) {
  cudrop_context_t *context = NULL;
  void *buffer = NULL;
  uint8_t out[1001], back[1001] = {0};
  for (size_t k = 0; k < sizeof out; ++k) out[k] = (uint8_t)(k * 7);
  ck_assert_ok(cudrop_create(&context, CUDROP_AUTO, 0));
  ck_assert_ok(cudrop_alloc(context, sizeof out, &buffer));
  ck_assert_uint_eq((uintptr_t)buffer % 256, 0);
  ck_assert_ok(cudrop_upload(context, buffer, out, sizeof out));
  ck_assert_ok(cudrop_download(context, back, buffer, sizeof back));
  ck_assert_mem_eq(out, back, sizeof out);
  ck_assert_ok(cudrop_upload(context, NULL, NULL, 0));
  ck_assert_ok(cudrop_download(context, NULL, NULL, 0));
  ck_assert_ok(cudrop_free(context, &buffer));
  ck_assert_ptr_null(buffer);
  ck_assert_ok(cudrop_free(context, &buffer));
  ck_assert_ok(cudrop_alloc(context, 0, &buffer));
  ck_assert_ptr_null(buffer);
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(buffers_that_cannot_be_had_are_refused) {
  cudrop_context_t *context = NULL;
  void *buffer = &buffer;
  char byte = 0, text[128];
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  snprintf(text, sizeof text, "cudrop_alloc: bytes = %zu is more than there is",
           SIZE_MAX / 2);
  ck_assert_error(cudrop_alloc(context, SIZE_MAX / 2, &buffer),
                  CUDROP_ERROR_OUT_OF_MEMORY, text);
  ck_assert_ptr_null(buffer);
  ck_assert_error(cudrop_alloc(context, 1, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_alloc: buffer is NULL");
  ck_assert_error(cudrop_alloc(NULL, 1, &buffer), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_alloc: context is NULL");
  ck_assert_error(cudrop_free(NULL, &buffer), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_free: context is NULL");
  ck_assert_error(cudrop_free(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_free: buffer is NULL");
  ck_assert_error(cudrop_upload(NULL, &byte, &byte, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_upload: context is NULL");
  ck_assert_error(cudrop_upload(context, NULL, &byte, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_upload: buffer is NULL");
  ck_assert_error(cudrop_upload(context, &byte, NULL, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_upload: host is NULL");
  ck_assert_error(cudrop_download(NULL, &byte, &byte, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_download: context is NULL");
  ck_assert_error(cudrop_download(context, NULL, &byte, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_download: host is NULL");
  ck_assert_error(cudrop_download(context, &byte, NULL, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_download: buffer is NULL");
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

static TCase *contexts_case(void) {
  TCase *tests = suite_case("contexts", 60);
  tcase_add_test(tests, a_context_can_be_made_and_destroyed);
  tcase_add_test(tests, contexts_that_cannot_be_had_are_refused);
  tcase_add_test(tests, without_a_gpu_a_cuda_context_is_refused);
  tcase_add_test(tests, devices_have_names);
  tcase_add_test(tests, a_host_context_has_no_streams);
  tcase_add_test(tests, buffers_carry_bytes_there_and_back);
  tcase_add_test(tests, buffers_that_cannot_be_had_are_refused);
  return tests;
}

SUITE_MAIN("contexts", contexts_case())
