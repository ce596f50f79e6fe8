/* test_api.c - statuses, contexts, buffers, tensors, mask values, and what is no mask at all. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

/* ---- versions and statuses -------------------------------------------------------- */

START_TEST(the_library_is_the_one_of_the_header) {
  ck_assert_int_eq(cudrop_version(), CUDROP_VERSION);
  ck_assert_int_eq(CUDROP_VERSION, CUDROP_VERSION_MAJOR * 10000 +
                                       CUDROP_VERSION_MINOR * 100 + CUDROP_VERSION_PATCH);
  ck_assert_ptr_nonnull(strstr(cudrop_build_info(), "backends: host"));
}
END_TEST

START_TEST(every_status_has_a_name_and_a_text) {
#define EXPECT_STATUS(name, value, text)                                \
  ck_assert_int_eq(CUDROP_##name, value);                               \
  ck_assert_str_eq(cudrop_status_name(CUDROP_##name), "CUDROP_" #name); \
  ck_assert_str_eq(cudrop_status_text(CUDROP_##name), text);
  CUDROP_STATUS_LIST(EXPECT_STATUS)
#undef EXPECT_STATUS
  ck_assert_str_eq(cudrop_status_name((cudrop_status_t)1000), "unknown status");
  ck_assert_str_eq(cudrop_status_text((cudrop_status_t)-1), "unknown status");
}
END_TEST

static void *read_last_error(void *text) {
  snprintf(text, 256, "%s", cudrop_last_error());
  return NULL;
}

START_TEST(the_last_error_belongs_to_its_thread) {
  pthread_t thread;
  char text[256] = "not read";
  cudrop_context_t *context = NULL;
  ck_assert_error(cudrop_create(NULL, CUDROP_HOST, 0), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_create: context is NULL");
  ck_assert_int_eq(pthread_create(&thread, NULL, read_last_error, text), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_str_eq(text, "");
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_str_eq(cudrop_last_error(), "cudrop_create: context is NULL");
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

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

/* ---- tensors and masks ------------------------------------------------------------ */

START_TEST(dense_tensors_are_row_major) {
  int memory = 0;
  const int64_t shape[] = {2, 3, 4};
  const cudrop_tensor_t cube = cudrop_tensor(&memory, CUDROP_F16, 3, shape);
  const int64_t strides[] = {12, 4, 1};
  ck_assert_ptr_eq(cube.data, &memory);
  ck_assert_int_eq(cube.dtype, CUDROP_F16);
  ck_assert_int_eq(cube.rank, 3);
  ck_assert_mem_eq(cube.shape, shape, sizeof shape);
  ck_assert_mem_eq(cube.stride, strides, sizeof strides);
  const cudrop_tensor_t matrix = cudrop_matrix(&memory, CUDROP_F32, 5, 7);
  ck_assert_int_eq(matrix.rank, 2);
  ck_assert_int_eq(matrix.stride[0], 7);
  const cudrop_tensor_t vector = cudrop_vector(&memory, CUDROP_F64, 9);
  ck_assert_int_eq(vector.shape[0], 9);
  ck_assert_int_eq(vector.stride[0], 1);
  ck_assert_int_eq(cudrop_tensor(&memory, CUDROP_F32, 99, shape).rank, 99);
}
END_TEST

START_TEST(every_type_has_a_size) {
#define EXPECT_BYTES(name, value, bytes) \
  ck_assert_uint_eq(cudrop_dtype_bytes(CUDROP_##name), bytes);
  CUDROP_DTYPE_LIST(EXPECT_BYTES)
#undef EXPECT_BYTES
  ck_assert_uint_eq(cudrop_dtype_bytes((cudrop_dtype_t)0), 0);
  ck_assert_uint_eq(cudrop_dtype_bytes((cudrop_dtype_t)100), 0);
}
END_TEST

START_TEST(a_shard_has_the_strides_of_the_whole) {
  const int64_t whole[] = {10, 20, 30}, start[] = {1, 2, 3};
  cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  mask.index_base = 99; /* the map that was there is replaced */
  ck_assert_ok(cudrop_mask_shard(&mask, 3, whole, start));
  ck_assert_int_eq(mask.index_rank, 3);
  ck_assert_uint_eq(mask.index_base, 1 * 600 + 2 * 30 + 3);
  ck_assert_int_eq(mask.index_stride[0], 600);
  ck_assert_int_eq(mask.index_stride[1], 30);
  ck_assert_int_eq(mask.index_stride[2], 1);
  ck_assert(mask.seed == 1 && mask.offset == 2 && mask.p == 0.5);
  const int64_t largest[] = {(int64_t)1 << 30, (int64_t)1 << 29}, zeros[] = {0, 0};
  ck_assert_ok(cudrop_mask_shard(&mask, 2, largest, zeros));
}
END_TEST

START_TEST(shared_dimensions_have_stride_zero) {
  const int64_t whole[] = {10, 20, 30, 40}, start[] = {1, 2, 3, 4};
  cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  ck_assert_ok(cudrop_mask_share(&mask, 4, whole, start, 1u << 2 | 1u << 3));
  ck_assert_uint_eq(mask.index_base, 1 * 20 + 2);
  ck_assert_int_eq(mask.index_stride[0], 20);
  ck_assert_int_eq(mask.index_stride[1], 1);
  ck_assert_int_eq(mask.index_stride[2], 0);
  ck_assert_int_eq(mask.index_stride[3], 0);
}
END_TEST

START_TEST(refinements_that_make_no_sense_are_refused) {
  const int64_t whole[] = {10, 20}, start[] = {1, 2}, outside[] = {1, 21};
  const int64_t before[] = {-1, 0}, negative[] = {10, -20};
  const int64_t huge[] = {(int64_t)1 << 30, ((int64_t)1 << 29) + 1};
  const int64_t wraps[] = {(int64_t)1 << 40, (int64_t)1 << 40}, zeros[] = {0, 0};
  cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_mask_t unchanged = mask;
  ck_assert_error(cudrop_mask_shard(NULL, 2, whole, start), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_mask_shard: mask is NULL");
  ck_assert_error(cudrop_mask_shard(&mask, 2, NULL, start), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_mask_shard: whole is NULL");
  ck_assert_error(cudrop_mask_shard(&mask, 2, whole, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_mask_shard: start is NULL");
  ck_assert_error(cudrop_mask_shard(&mask, 9, whole, start),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_mask_shard: rank = 9 is outside [0, 8]");
  ck_assert_error(cudrop_mask_shard(&mask, -1, whole, start),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_mask_shard: rank = -1 is outside [0, 8]");
  ck_assert_error(cudrop_mask_shard(&mask, 2, whole, outside),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_mask_shard: start[1] = 21 is outside [0, 20]");
  ck_assert_error(cudrop_mask_shard(&mask, 2, whole, before),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_mask_shard: start[0] = -1 is outside [0, 10]");
  ck_assert_error(cudrop_mask_shard(&mask, 2, negative, start),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_mask_shard: whole[1] = -20 is negative");
  ck_assert_error(cudrop_mask_shard(&mask, 2, huge, zeros), CUDROP_ERROR_OVERFLOW,
                  "cudrop_mask_shard: whole has more than 2^59 elements");
  ck_assert_error(cudrop_mask_shard(&mask, 2, wraps, zeros), CUDROP_ERROR_OVERFLOW,
                  "cudrop_mask_shard: whole has more than 2^59 elements");
  ck_assert_error(
      cudrop_mask_share(&mask, 2, whole, NULL, 1u << 2), CUDROP_ERROR_INVALID_ARGUMENT,
      "cudrop_mask_share: shared = 0x4 names a dimension that rank = 2 does not "
      "have");
  ck_assert_mem_eq(&mask, &unchanged, sizeof mask);
}
END_TEST

START_TEST(offsets_number_steps_microbatches_and_sites) {
  uint64_t offset = 7;
  ck_assert_ok(cudrop_offset(5, 4, 3, 37, 36, &offset));
  ck_assert_uint_eq(offset, (5 * 4 + 3) * 37 + 36);
  ck_assert_ok(cudrop_offset(UINT64_MAX, 1, 0, 1, 0, &offset));
  ck_assert(offset == UINT64_MAX);
  ck_assert_error(cudrop_offset(5, 4, 4, 37, 0, &offset), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_offset: microbatch = 4 is not below microbatches = 4");
  ck_assert_error(cudrop_offset(5, 1, 0, 37, 37, &offset), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_offset: site = 37 is not below sites = 37");
  ck_assert_error(
      cudrop_offset((uint64_t)1 << 63, 1, 0, 2, 0, &offset), CUDROP_ERROR_OVERFLOW,
      "cudrop_offset: step = 9223372036854775808 gives an offset of more than "
      "64 bits");
  ck_assert_error(cudrop_offset(1, 1, 0, 1, 0, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_offset: offset is NULL");
  ck_assert(offset == UINT64_MAX);
}
END_TEST

/* ---- elementwise operators with a mask, and without ------------------------------- */

enum { SIDE = 13, N = SIDE * SIDE };

/* Every one of them, from x to y. */
static cudrop_status_t call_elementwise(cudrop_context_t *context, int which, void *x,
                                        const cudrop_mask_t *mask, void *y) {
  const int64_t shape[] = {SIDE, SIDE};
  const cudrop_tensor_t from = cudrop_matrix(x, CUDROP_F32, SIDE, SIDE);
  const cudrop_tensor_t to = cudrop_matrix(y, CUDROP_F32, SIDE, SIDE);
  const cudrop_tensor_t bytes = cudrop_matrix(y, CUDROP_U8, SIDE, SIDE);
  switch (which) {
    case 0:
      return cudrop_forward(context, &from, mask, &to);
    case 1:
      return cudrop_backward(context, &from, mask, &to);
    case 2:
      return cudrop_backward_accumulate(context, &from, mask, &to);
    case 3:
      return cudrop_alpha_forward(context, &from, mask, &to);
    case 4:
      return cudrop_alpha_backward(context, &from, mask, &to);
    case 5:
      return cudrop_export_bits(context, mask, 2, shape, y);
    case 6:
      return cudrop_export_bytes(context, mask, &bytes);
    case 7:
      return cudrop_export_scale(context, mask, &to);
    default:
      return cudrop_count_kept(context, mask, 2, shape, y);
  }
}
enum { ELEMENTWISE = 9 };

/* What is in y after it; before, its elements are 0.5. */
static void run_elementwise(cudrop_context_t *context, int which,
                            const cudrop_mask_t *mask, float y[N]) {
  void *x_buffer = NULL, *y_buffer = NULL;
  float x[N];
  for (int e = 0; e < N; ++e) {
    x[e] = (float)e * 0.37f - 20.0f;
    y[e] = 0.5f;
  }
  ck_assert_ok(cudrop_alloc(context, sizeof x, &x_buffer));
  ck_assert_ok(cudrop_alloc(context, sizeof x, &y_buffer));
  ck_assert_ok(cudrop_upload(context, x_buffer, x, sizeof x));
  ck_assert_ok(cudrop_upload(context, y_buffer, y, sizeof x));
  ck_assert_ok(call_elementwise(context, which, x_buffer, mask, y_buffer));
  ck_assert_ok(cudrop_download(context, y, y_buffer, sizeof x));
  ck_assert_ok(cudrop_free(context, &x_buffer));
  ck_assert_ok(cudrop_free(context, &y_buffer));
}

START_TEST(no_mask_keeps_everything) {
  const cudrop_mask_t all_kept = cudrop_mask(1, 2, 0.0), half = cudrop_mask(1, 2, 0.5);
  cudrop_context_t *context = NULL;
  float got[N], want[N], other[N];
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  run_elementwise(context, _i, NULL, got);
  run_elementwise(context, _i, &all_kept, want);
  run_elementwise(context, _i, &half, other);
  ck_assert_mem_eq(got, want, sizeof got);
  ck_assert_mem_ne(got, other, sizeof got);
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(a_block_that_is_made_drops_what_its_mask_does) {
  const cudrop_mask_t mask = cudrop_mask(5, 6, 0.25);
  cudrop_context_t *context = NULL;
  cudrop_prepared_t *block = NULL;
  float got[N], want[N];
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  ck_assert_ok(cudrop_prepared_create(context, &mask, &block));
  const cudrop_mask_t prepared = cudrop_prepared_mask(block, 0);
  run_elementwise(context, 0, &prepared, got);
  run_elementwise(context, 0, &mask, want);
  ck_assert_mem_eq(got, want, sizeof got);
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
  ck_assert_ptr_null(block);
  ck_assert_ok(cudrop_prepared_destroy(context, &block)); /* NULL is fine */
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

static TCase *api_case(void) {
  TCase *tests = suite_case("api", 60);
  tcase_add_test(tests, the_library_is_the_one_of_the_header);
  tcase_add_test(tests, every_status_has_a_name_and_a_text);
  tcase_add_test(tests, the_last_error_belongs_to_its_thread);
  tcase_add_test(tests, a_context_can_be_made_and_destroyed);
  tcase_add_test(tests, contexts_that_cannot_be_had_are_refused);
  tcase_add_test(tests, without_a_gpu_a_cuda_context_is_refused);
  tcase_add_test(tests, devices_have_names);
  tcase_add_test(tests, a_host_context_has_no_streams);
  tcase_add_test(tests, buffers_carry_bytes_there_and_back);
  tcase_add_test(tests, buffers_that_cannot_be_had_are_refused);
  tcase_add_test(tests, dense_tensors_are_row_major);
  tcase_add_test(tests, every_type_has_a_size);
  tcase_add_test(tests, a_shard_has_the_strides_of_the_whole);
  tcase_add_test(tests, shared_dimensions_have_stride_zero);
  tcase_add_test(tests, refinements_that_make_no_sense_are_refused);
  tcase_add_test(tests, offsets_number_steps_microbatches_and_sites);
  tcase_add_loop_test(tests, no_mask_keeps_everything, 0, ELEMENTWISE);
  tcase_add_test(tests, a_block_that_is_made_drops_what_its_mask_does);
  return tests;
}

SUITE_MAIN("api", api_case())
