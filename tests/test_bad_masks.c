/* test_bad_masks.c - the rules of masks that are written out, brought or prepared. */
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "view.h"

enum { ROWS = 4, COLS = 6, N = ROWS * COLS };

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

START_TEST(writing_out_checks_its_output) {
  uint8_t bytes[N];
  float floats[N];
  uint64_t kept = 7, pair[2] = {7, 7};
  char text[128];
  const int64_t shape[] = {ROWS, COLS}, negative[] = {ROWS, -1};
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5), bad = cudrop_mask(1, 2, 2.0);
  const cudrop_tensor_t u8 = cudrop_vector(bytes, CUDROP_U8, N);
  const cudrop_tensor_t f32 = cudrop_vector(floats, CUDROP_F32, N);
  memset(bytes, VIEW_POISON, sizeof bytes);

  ck_assert_error(cudrop_export_bytes(context, &mask, &f32), CUDROP_ERROR_DTYPE,
                  "cudrop_export_bytes: keep has dtype = 1 (F32), which is not U8");
  ck_assert_error(
      cudrop_export_scale(context, &mask, &u8), CUDROP_ERROR_DTYPE,
      "cudrop_export_scale: scale has dtype = 5 (U8), which is not F32, F16, BF16, F64 "
      "or F8");
  ck_assert_error(cudrop_export_bytes(context, &bad, &u8), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_export_bytes: p = 2 is outside [0, 1]");
  ck_assert_error(cudrop_export_bits(context, &mask, 2, shape, NULL),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_export_bits: bits is NULL");
  ck_assert_error(cudrop_export_bits(context, &mask, 2, NULL, bytes),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_export_bits: shape is NULL");
  ck_assert_error(cudrop_export_bits(context, &mask, 9, shape, bytes),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_export_bits: bits has rank = 9, outside [0, 8]");
  ck_assert_error(cudrop_export_bits(context, &mask, -1, shape, bytes),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_export_bits: bits has rank = -1, outside [0, 8]");
  ck_assert_error(cudrop_export_bits(context, &mask, 2, negative, bytes),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_export_bits: bits has shape[1] = -1, which is negative");
  ck_assert_error(cudrop_count_kept(context, &bad, 2, shape, &kept),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_count_kept: p = 2 is outside [0, 1]");
  ck_assert_error(cudrop_count_kept(context, &mask, 2, NULL, &kept),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_count_kept: shape is NULL");
  ck_assert_error(cudrop_count_kept(context, &mask, 2, shape, NULL),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_count_kept: kept is NULL");
  uint64_t *odd = (uint64_t *)(void *)((char *)pair + 4);
  snprintf(
      text, sizeof text,
      "cudrop_count_kept: kept has data = %p, which is not aligned to its 8 bytes an "
      "element",
      (void *)odd);
  ck_assert_error(cudrop_count_kept(context, &mask, 2, shape, odd),
                  CUDROP_ERROR_INVALID_ARGUMENT, text);
  for (int e = 0; e < N; ++e) ck_assert_uint_eq(bytes[e], VIEW_POISON);
  ck_assert(kept == 7 && pair[0] == 7 && pair[1] == 7);
}
END_TEST

START_TEST(applying_checks_the_mask_that_is_brought) {
  float x_data[N] = {0}, y_data[N];
  uint8_t keep_data[N] = {0};
  memset(y_data, VIEW_POISON, sizeof y_data);
  const cudrop_tensor_t x = cudrop_matrix(x_data, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t y = cudrop_matrix(y_data, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t keep = cudrop_matrix(keep_data, CUDROP_U8, ROWS, COLS);
  const cudrop_tensor_t flat = cudrop_vector(keep_data, CUDROP_U8, N);
  const cudrop_tensor_t inside = cudrop_matrix(y_data, CUDROP_U8, ROWS, COLS);

  ck_assert_error(cudrop_apply_bytes(context, &x, NULL, 0.5, &y),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_apply_bytes: keep is NULL");
  ck_assert_error(cudrop_apply_bytes(context, &x, &x, 0.5, &y), CUDROP_ERROR_DTYPE,
                  "cudrop_apply_bytes: keep has dtype = 1 (F32), which is not U8");
  ck_assert_error(cudrop_apply_bytes(context, &x, &flat, 0.5, &y), CUDROP_ERROR_SHAPE,
                  "cudrop_apply_bytes: keep has rank = 1 and y has rank = 2");
  ck_assert_error(cudrop_apply_bytes(context, &x, &keep, -1.0, &y),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_apply_bytes: p = -1 is outside [0, 1]");
  ck_assert_error(cudrop_apply_bytes(context, &x, &inside, 0.5, &y), CUDROP_ERROR_OVERLAP,
                  "cudrop_apply_bytes: y overlaps keep");
  ck_assert_error(cudrop_apply_bits(context, &x, NULL, 0.5, &y),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_apply_bits: bits is NULL");
  ck_assert_error(cudrop_apply_bits(context, NULL, keep_data, 0.5, &y),
                  CUDROP_ERROR_NULL_POINTER, "cudrop_apply_bits: x is NULL");
  ck_assert_error(cudrop_apply_bits(context, &x, y_data, 0.5, &y), CUDROP_ERROR_OVERLAP,
                  "cudrop_apply_bits: y overlaps bits");
  for (size_t at = 0; at < sizeof y_data; ++at)
    ck_assert_uint_eq(((uint8_t *)y_data)[at], VIEW_POISON);
}
END_TEST

START_TEST(preparing_checks_its_arguments) {
  _Alignas(16) uint8_t memory[CUDROP_PREPARED_BYTES + 16];
  cudrop_prepared_t *block = (cudrop_prepared_t *)(void *)memory;
  cudrop_prepared_t *odd = (cudrop_prepared_t *)(void *)(memory + 8);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5), bad = cudrop_mask(1, 2, -1.0);
  const cudrop_mask_t twice = cudrop_prepared_mask(block, 0);
  char text[128];
  memset(memory, VIEW_POISON, sizeof memory);
  ck_assert_error(cudrop_prepare(NULL, &mask, block), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_prepare: context is NULL");
  ck_assert_error(cudrop_prepare(context, NULL, block), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_prepare: mask is NULL");
  ck_assert_error(cudrop_prepare(context, &mask, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_prepare: prepared is NULL");
  ck_assert_error(cudrop_prepare(context, &bad, block), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_prepare: p = -1 is outside [0, 1]");
  ck_assert_error(cudrop_prepare(context, &twice, block), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_prepare: mask is a prepared one itself");
  cudrop_mask_t far = mask;
  far.index_base = 12;
  ck_assert_error(cudrop_prepare(context, &far, block), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_prepare: index_base = 12 is no multiple of 8, which a prepared "
                  "one is");
  far.index_base = (uint64_t)1 << 59;
  ck_assert_error(cudrop_prepare(context, &far, block), CUDROP_ERROR_OVERFLOW,
                  "cudrop_prepare: index_base = 576460752303423488 is 2^59 or more");
  snprintf(text, sizeof text,
           "cudrop_prepare: prepared = %p is not aligned to its 16 bytes", (void *)odd);
  ck_assert_error(cudrop_prepare(context, &mask, odd), CUDROP_ERROR_INVALID_ARGUMENT,
                  text);
  ck_assert_error(cudrop_advance(NULL, block, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_advance: context is NULL");
  ck_assert_error(cudrop_advance(context, NULL, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_advance: prepared is NULL");
  for (size_t k = 0; k < sizeof memory; ++k) ck_assert_uint_eq(memory[k], VIEW_POISON);
}
END_TEST

/* A total is written for no elements, too. */
START_TEST(a_total_of_nothing_is_checked) {
  const int64_t nothing[] = {0};
  const cudrop_mask_t first = cudrop_mask(1, 2, 0.5);
  cudrop_prepared_t *block = NULL;
  ck_assert_ok(cudrop_prepared_create(context, &first, &block));
  const cudrop_mask_t mask = cudrop_prepared_mask(block, 0);
  ck_assert_error(cudrop_count_kept(context, &mask, 1, nothing, (uint64_t *)block),
                  CUDROP_ERROR_OVERLAP,
                  "cudrop_count_kept: kept overlaps the block of the prepared mask");
  char text[120];
  void *odd = (char *)block + 1;
  snprintf(
      text, sizeof text,
      "cudrop_count_kept: kept has data = %p, which is not aligned to its 8 bytes an "
      "element",
      odd);
  ck_assert_error(cudrop_count_kept(context, &first, 1, nothing, odd),
                  CUDROP_ERROR_INVALID_ARGUMENT, text);
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
}
END_TEST

START_TEST(a_block_that_cannot_be_made_is_null) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5), bad = cudrop_mask(1, 2, -1.0);
  cudrop_prepared_t *anything = (cudrop_prepared_t *)(void *)&anything;
  cudrop_prepared_t *block = anything;
  ck_assert_int_eq(cudrop_prepared_create(NULL, &mask, &block),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_ptr_null(block);
  block = anything;
  ck_assert_int_eq(cudrop_prepared_create(context, NULL, &block),
                   CUDROP_ERROR_NULL_POINTER);
  ck_assert_ptr_null(block);
  block = anything;
  ck_assert_int_eq(cudrop_prepared_create(context, &bad, &block),
                   CUDROP_ERROR_INVALID_ARGUMENT);
  ck_assert_ptr_null(block);
  ck_assert_error(cudrop_prepared_create(context, &mask, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_prepared_create: prepared is NULL");
}
END_TEST

START_TEST(a_block_that_cannot_be_destroyed_stays) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  cudrop_prepared_t *block = NULL;
  ck_assert_ok(cudrop_prepared_create(context, &mask, &block));
  cudrop_prepared_t *const made = block;
  ck_assert_int_eq(cudrop_prepared_destroy(NULL, &block), CUDROP_ERROR_NULL_POINTER);
  ck_assert_ptr_eq(block, made);
  ck_assert_error(cudrop_prepared_destroy(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_prepared_destroy: prepared is NULL");
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
}
END_TEST

static TCase *bad_masks_case(void) {
  TCase *tests = suite_case("bad masks", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, writing_out_checks_its_output);
  tcase_add_test(tests, applying_checks_the_mask_that_is_brought);
  tcase_add_test(tests, preparing_checks_its_arguments);
  tcase_add_test(tests, a_total_of_nothing_is_checked);
  tcase_add_test(tests, a_block_that_cannot_be_made_is_null);
  tcase_add_test(tests, a_block_that_cannot_be_destroyed_stays);
  return tests;
}

SUITE_MAIN("bad masks", bad_masks_case())
