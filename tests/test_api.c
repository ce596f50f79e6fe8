/* test_api.c - versions, statuses, tensors and mask values. */
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

static TCase *api_case(void) {
  TCase *tests = suite_case("api", 60);
  tcase_add_test(tests, the_library_is_the_one_of_the_header);
  tcase_add_test(tests, every_status_has_a_name_and_a_text);
  tcase_add_test(tests, the_last_error_belongs_to_its_thread);
  tcase_add_test(tests, dense_tensors_are_row_major);
  tcase_add_test(tests, every_type_has_a_size);
  tcase_add_test(tests, a_shard_has_the_strides_of_the_whole);
  tcase_add_test(tests, shared_dimensions_have_stride_zero);
  tcase_add_test(tests, refinements_that_make_no_sense_are_refused);
  tcase_add_test(tests, offsets_number_steps_microbatches_and_sites);
  return tests;
}

SUITE_MAIN("api", api_case())
