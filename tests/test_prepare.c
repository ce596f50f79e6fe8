/* test_prepare.c - prepared blocks: their bytes, and the rules of the calls that write them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops/prepare/prepare.h"
#include "oracle.h"
#include "suite_context.h"

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

/* The lower half of the offset is nearly all ones, so that advancing by 5 carries. */
static cudrop_mask_t make_mask(double p) {
  cudrop_mask_t mask = cudrop_mask(0x0123456789abcdef, 0x7fffffffe, p);
  mask.index_base = 4096;
  return mask;
}

/* Not on the host, which would be compared with itself. */
START_TEST(blocks_have_the_hosts_bytes) {
  const cudrop_mask_t mask = make_mask(rates[_i]);
  open_host();
  const cudrop_prepared_t want = make(host, &mask), got = make(context, &mask);
  ck_assert_mem_eq(&got, &want, sizeof got);
  close_host();
}
END_TEST

/* ---- Beside the oracle --------------------------------------------------------------------- */

/* Does a schedule keep an element of this digit and this refinement, as mask.h says? */
static bool keeps(const cudrop_mask_schedule_t *schedule, uint32_t digit,
                  uint64_t refinement) {
  const bool is_tie = schedule->ties != 0 && digit == schedule->tie % 65536;
  if (schedule->fate != CUDROP_MASK_DRAWN) return schedule->fate == CUDROP_MASK_KEPT;
  return is_tie ? refinement >= schedule->t1 : digit << 16 >= schedule->least;
}

START_TEST(blocks_keep_what_the_oracle_keeps) {
  enum { N = 1 << 17 }; /* of every digit about two */
  const cudrop_mask_t mask = make_mask(rates[_i]);
  const cudrop_prepared_t block = make(context, &mask);
  const uint64_t offset = mask.offset + 5;
  ck_assert_uint_eq(block.schedule.offset, offset);
  ck_assert_uint_eq(block.index_base, mask.index_base);
  ck_assert_double_eq(block.p, mask.p);
  for (uint64_t i = 0; i < N; ++i)
    ck_assert_msg(keeps(&block.schedule, oracle_digit(mask.seed, offset, i),
                        oracle_refinement(mask.seed, offset, i)) ==
                      oracle_keep(mask.seed, offset, i, mask.p),
                  "p = %g, element %llu", mask.p, (unsigned long long)i);
}
END_TEST

/* The digits and the refinement are two parts of p * 2^80; few elements show the second one. */
START_TEST(blocks_have_all_of_the_rate) {
  const cudrop_mask_t mask = make_mask(rates[_i]);
  const cudrop_mask_schedule_t schedule = make(context, &mask).schedule;
  const long double digits = ldexpl((long double)mask.p, 16), whole = floorl(digits);
  const uint64_t rest = (uint64_t)ldexpl(digits - whole, 64);
  ck_assert_uint_eq(schedule.t1, rest);
  if (schedule.fate != CUDROP_MASK_DRAWN) return;
  ck_assert_uint_eq(schedule.tie, (uint32_t)whole * 65537u);
  ck_assert_uint_eq(schedule.ties, rest == 0 ? 0 : 0x80008000u);
  ck_assert_uint_eq(schedule.least, ((uint32_t)whole + (rest != 0)) << 16);
}
END_TEST

/* The keys of r rounds give the oracle's r rounds; of the first round a block has what no group
 * changes. */
START_TEST(blocks_have_the_oracles_rounds) {
  const cudrop_mask_t mask = make_mask(rates[_i]);
  const cudrop_mask_schedule_t schedule = make(context, &mask).schedule;
  const uint64_t offset = mask.offset + 5;
  const uint32_t key[] = {(uint32_t)mask.seed, (uint32_t)(mask.seed >> 32)};
  const uint32_t first[] = {(uint32_t)offset, (uint32_t)(offset >> 32), 0, 0},
                 zero[4] = {0};
  uint32_t got[4], want[4];
  oracle_philox(first, key, 1, want);
  ck_assert_uint_eq(schedule.head[0], want[0]);
  ck_assert_uint_eq(schedule.head[1], want[2]);
  ck_assert_uint_eq(schedule.head[2], want[3]);
  memcpy(got, zero, sizeof got);
  for (int rounds = 1; rounds <= CUDROP_PHILOX_ROUNDS; ++rounds) {
    oracle_philox(got, schedule.key[rounds - 1].word, 1, got);
    oracle_philox(zero, key, rounds, want);
    ck_assert_mem_eq(got, want, sizeof got);
  }
}
END_TEST

/* What the oracle makes of a kept or dropped x by alpha dropout. */
static double find_alpha(cudrop_dtype_t dtype, double x, bool kept, double p) {
  uint64_t in = 0, out = 0;
  oracle_write(dtype, x, &in);
  oracle_alpha(dtype, &in, kept, p, &out);
  return oracle_read(dtype, &out);
}

static double find_alpha_slope(cudrop_dtype_t dtype, double p) {
  uint64_t in = 0, out = 0;
  oracle_write(dtype, 1.0, &in);
  oracle_alpha_gradient(dtype, &in, true, p, &out);
  return oracle_read(dtype, &out);
}

static double find_scale(cudrop_dtype_t dtype, double p) {
  uint64_t out = 0;
  oracle_scale(dtype, true, p, &out);
  return oracle_read(dtype, &out);
}

/* With p = 0 nothing is dropped, and the oracle does not say what it would become. */
START_TEST(blocks_have_the_oracles_constants) {
  const double p = rates[_i];
  const cudrop_mask_t mask = make_mask(p);
  const cudrop_prepared_t block = make(context, &mask);
  const cudropi_constants_t *alpha = &block.alpha;
  ck_assert_float_eq(block.schedule.scale, (float)find_scale(CUDROP_F32, p));
  ck_assert_float_eq(block.drop.f32.scale, (float)find_scale(CUDROP_F32, p));
  ck_assert_double_eq(block.drop.f64.scale, find_scale(CUDROP_F64, p));
  ck_assert_float_eq(block.drop.f32.shift, 0.0f);
  ck_assert_double_eq(block.drop.f64.shift, 0.0);
  ck_assert_float_eq(alpha->f32.scale, (float)find_alpha_slope(CUDROP_F32, p));
  ck_assert_double_eq(alpha->f64.scale, find_alpha_slope(CUDROP_F64, p));
  ck_assert_float_eq(alpha->f32.shift, (float)find_alpha(CUDROP_F32, 0.0, true, p));
  ck_assert_double_eq(alpha->f64.shift, find_alpha(CUDROP_F64, 0.0, true, p));
  if (p == 0.0) return;
  ck_assert_float_eq(alpha->f32.dropped, (float)find_alpha(CUDROP_F32, 0.0, false, p));
  ck_assert_double_eq(alpha->f64.dropped, find_alpha(CUDROP_F64, 0.0, false, p));
}
END_TEST

/* ---- Writing --------------------------------------------------------------------------- */

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
  if (suite_backend() != CUDROP_HOST)
    tcase_add_loop_test(tests, blocks_have_the_hosts_bytes, 0, RATES);
  tcase_add_loop_test(tests, blocks_keep_what_the_oracle_keeps, 0, RATES);
  tcase_add_loop_test(tests, blocks_have_all_of_the_rate, 0, RATES);
  tcase_add_loop_test(tests, blocks_have_the_oracles_rounds, 0, RATES);
  tcase_add_loop_test(tests, blocks_have_the_oracles_constants, 0, RATES);
  tcase_add_loop_test(tests, a_block_that_is_written_anew_keeps_nothing, 0, RATES);
  tcase_add_test(tests, preparing_checks_its_arguments);
  tcase_add_test(tests, a_block_that_cannot_be_made_is_null);
  tcase_add_test(tests, a_block_that_cannot_be_destroyed_stays);
  return tests;
}

SUITE_MAIN("prepare", prepare_case())
