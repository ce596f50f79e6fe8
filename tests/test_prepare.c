/* test_prepare.c - prepared blocks: their bytes, and the rules of the calls that write them. */
#include <stdio.h>
#include <string.h>

#include "ops/prepare/prepare.h"
#include "suite.h"

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

static const double rates[] = {0.0, 1e-6, 0.1, 0.5, 0.9, 1.0};
enum { RATES = sizeof rates / sizeof rates[0] };

static cudrop_prepared_t fetch(cudrop_context_t *from, const cudrop_prepared_t *block) {
  cudrop_prepared_t bytes;
  ck_assert_ok(cudrop_download(from, &bytes, block, sizeof bytes));
  return bytes;
}

/* A block that is made of a mask and moved on, as a context writes it. */
static cudrop_prepared_t make(cudrop_context_t *by, const cudrop_mask_t *mask) {
  cudrop_prepared_t *block = NULL;
  ck_assert_ok(cudrop_prepared_create(by, mask, &block));
  ck_assert_ok(cudrop_advance(by, block, 5));
  const cudrop_prepared_t bytes = fetch(by, block);
  ck_assert_ok(cudrop_prepared_destroy(by, &block));
  return bytes;
}

START_TEST(blocks_have_the_hosts_bytes) {
  cudrop_mask_t mask = cudrop_mask(42, 7, rates[_i]);
  mask.index_base = 4096;
  cudrop_context_t *host = NULL;
  ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
  const cudrop_prepared_t want = make(host, &mask), got = make(context, &mask);
  ck_assert_mem_eq(&got, &want, sizeof got);
  ck_assert_ok(cudrop_destroy(&host));
}
END_TEST

/* All bytes of a block follow from the mask, whatever block was in its place before. */
START_TEST(a_block_that_is_written_anew_keeps_nothing) {
  cudrop_mask_t first = cudrop_mask(1, 2, 0.3);
  const cudrop_mask_t mask = cudrop_mask(42, 7, rates[_i]);
  cudrop_prepared_t *block = NULL;
  first.index_base = 4096;
  ck_assert_ok(cudrop_prepared_create(context, &first, &block));
  ck_assert_ok(cudrop_prepare(context, &mask, block));
  ck_assert_ok(cudrop_advance(context, block, 5));
  const cudrop_prepared_t want = make(context, &mask), got = fetch(context, block);
  ck_assert_mem_eq(&got, &want, sizeof got);
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
}
END_TEST

/* ---- Refusals ---------------------------------------------------------------------------- */

static void expect_not_prepared(const cudrop_mask_t *mask, cudrop_prepared_t *block,
                                cudrop_status_t status, const char *text) {
  ck_assert_error(cudrop_prepare(context, mask, block), status, text);
}

START_TEST(preparing_checks_its_arguments) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5), bad = cudrop_mask(1, 2, -1.0);
  cudrop_prepared_t *block = NULL;
  char text[128];
  ck_assert_ok(cudrop_prepared_create(context, &mask, &block));
  cudrop_prepared_t *odd = (cudrop_prepared_t *)(void *)((char *)block + 8);
  const cudrop_mask_t twice = cudrop_prepared_mask(block, 0);
  const cudrop_prepared_t before = fetch(context, block);
  ck_assert_error(cudrop_prepare(NULL, &mask, block), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_prepare: context is NULL");
  expect_not_prepared(NULL, block, CUDROP_ERROR_NULL_POINTER,
                      "cudrop_prepare: mask is NULL");
  expect_not_prepared(&mask, NULL, CUDROP_ERROR_NULL_POINTER,
                      "cudrop_prepare: prepared is NULL");
  expect_not_prepared(&bad, block, CUDROP_ERROR_INVALID_ARGUMENT,
                      "cudrop_prepare: p = -1 is outside [0, 1]");
  expect_not_prepared(&twice, block, CUDROP_ERROR_INVALID_ARGUMENT,
                      "cudrop_prepare: mask is a prepared one itself");
  cudrop_mask_t far = mask;
  far.index_base = 12;
  expect_not_prepared(
      &far, block, CUDROP_ERROR_INVALID_ARGUMENT,
      "cudrop_prepare: index_base = 12 is no multiple of 8, which a prepared one is");
  far.index_base = (uint64_t)1 << 59;
  expect_not_prepared(&far, block, CUDROP_ERROR_OVERFLOW,
                      "cudrop_prepare: index_base = 576460752303423488 is 2^59 or more");
  snprintf(text, sizeof text,
           "cudrop_prepare: prepared = %p is not aligned to its 16 bytes", (void *)odd);
  expect_not_prepared(&mask, odd, CUDROP_ERROR_INVALID_ARGUMENT, text);
  ck_assert_error(cudrop_advance(NULL, block, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_advance: context is NULL");
  ck_assert_error(cudrop_advance(context, NULL, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_advance: prepared is NULL");
  const cudrop_prepared_t after = fetch(context, block);
  ck_assert_mem_eq(&after, &before, sizeof after);
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

static TCase *prepare_case(void) {
  TCase *tests = suite_case("prepare", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, blocks_have_the_hosts_bytes, 0, RATES);
  tcase_add_loop_test(tests, a_block_that_is_written_anew_keeps_nothing, 0, RATES);
  tcase_add_test(tests, preparing_checks_its_arguments);
  tcase_add_test(tests, a_block_that_cannot_be_made_is_null);
  tcase_add_test(tests, a_block_that_cannot_be_destroyed_stays);
  return tests;
}

SUITE_MAIN("prepare", prepare_case())
