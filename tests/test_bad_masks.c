/* test_bad_masks.c - the rules of masks that are written out or brought. */
#include <stdio.h>
#include <string.h>

#include "suite_context.h"
#include "view.h"

enum { ROWS = 4, COLS = 6, N = ROWS * COLS };

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

static TCase *bad_masks_case(void) {
  TCase *tests = suite_case("bad masks", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, writing_out_checks_its_output);
  tcase_add_test(tests, applying_checks_the_mask_that_is_brought);
  tcase_add_test(tests, a_total_of_nothing_is_checked);
  return tests;
}

SUITE_MAIN("bad masks", bad_masks_case())
