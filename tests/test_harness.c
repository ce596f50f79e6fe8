/* test_harness.c - that the tests' own instruments notice what they are there to notice. */
#include <math.h>
#include <string.h>

#include "oracle.h"
#include "suite.h"
#include "trial.h"

static view_t view, other;

static void make_views(void) {
  static const int64_t shape[] = {3, 5}, stride[] = {7, 1};
  view = view_make(CUDROP_F16, 2, shape, stride, 1);
  view_randomise(&view, 1);
  other = view_copy(&view);
}

static void free_views(void) {
  view_free(&view);
  view_free(&other);
}

START_TEST(a_copy_is_equal) {
  ck_assert_int_eq(view_difference(&view, &other), -1);
}
END_TEST

START_TEST(any_byte_that_changes_is_noticed) {
  for (size_t at = 0; at < view.bytes; ++at) { /* elements, gaps and fences */
    other.block[at] ^= 0x40;
    const bool is_nan = view_difference(&view, &other) == -1;
    if (is_nan) { /* allowed only where both elements are NaN */
      bool found = false;
      for (int64_t e = 0; e < view_count(&view); ++e)
        found = found || (isnan(oracle_read(CUDROP_F16, view_element(&view, e))) &&
                          isnan(oracle_read(CUDROP_F16, view_element(&other, e))));
      ck_assert(found);
    }
    other.block[at] ^= 0x40;
  }
}
END_TEST

START_TEST(a_nan_equals_a_nan_but_nothing_else) {
  const uint16_t quiet = 0x7e00, negative = 0xfe01, infinite = 0x7c00;
  memcpy(view_element(&view, 3), &quiet, 2);
  memcpy(view_element(&other, 3), &negative, 2);
  ck_assert_int_eq(view_difference(&view, &other), -1);
  memcpy(view_element(&other, 3), &infinite, 2);
  ck_assert_int_ge(view_difference(&view, &other), 0);
}
END_TEST

START_TEST(a_bound_of_zero_asks_for_bits) {
  const uint16_t minus = 0x8000;
  memcpy(view_element(&view, 3), &minus, 2);
  ck_assert(view_is_near(&view, 3, -0.0, 0.0));
  ck_assert(!view_is_near(&view, 3, 0.0, 0.0));
  ck_assert(view_is_near(&view, 3, 0.0, 0x1p-30));
}
END_TEST

/* In every type, wide ones too. */
START_TEST(random_values_have_every_kind) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                          CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
  const cudrop_dtype_t dtype = dtypes[_i];
  const int64_t n = 2000;
  view_t values = view_make(dtype, 1, &n, NULL, 0);
  int zeros[2] = {0}, subnormals[2] = {0}, infinities[2] = {0}, nans = 0;
  view_randomise(&values, 3);
  for (int64_t e = 0; e < n; ++e) {
    const double value = view_get(&values, e);
    const int sign = signbit(value) != 0;
    zeros[sign] += value == 0.0;
    subnormals[sign] += value != 0.0 && fabs(value) <= fabs(view_tiny(dtype, 2));
    infinities[sign] += isinf(value) != 0;
    nans += isnan(value) != 0;
  }
  for (int sign = 0; sign < 2; ++sign) {
    ck_assert_int_gt(zeros[sign], 20);
    ck_assert_int_gt(subnormals[sign], 20);
    ck_assert(infinities[sign] > 0 || dtype == CUDROP_F8E4M3);
  }
  ck_assert_int_gt(nans, 0);
  view_free(&values);
}
END_TEST

START_TEST(plus_and_minus_zero_differ) {
  const uint16_t plus = 0, minus = 0x8000;
  memcpy(view_element(&view, 3), &plus, 2);
  memcpy(view_element(&other, 3), &minus, 2);
  ck_assert_int_ge(view_difference(&view, &other), 0);
}
END_TEST

/* A trial is right only with the mask it was told: any other is reported. */
START_TEST(a_trial_notices_another_mask) {
  static const layout_t layout = {"a vector", 1, {200}, NULL, NULL};
  cudrop_context_t *context = NULL;
  float x[200], y[200];
  for (int e = 0; e < 200; ++e) x[e] = 1.0f;
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  const cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, 200);
  const cudrop_tensor_t out = cudrop_vector(y, CUDROP_F32, 200);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  int wrong = 0;
  ck_assert_ok(cudrop_forward(context, &in, &mask, &out));
  for (uint64_t e = 0; e < 200; ++e)
    wrong += (y[e] != 0.0f) != oracle_keep(1, 3, e, 0.5); /* the next offset */
  ck_assert_int_gt(wrong, 50);

  trial_t trial = {
      .op = TRIAL_FORWARD, .dtype = CUDROP_F32, .layout = &layout, .mask = mask};
  ck_assert_str_eq(trial_run(context, &trial), "");
  trial.mask.p = 2.0; /* refused, so that nothing of y is right */
  ck_assert_ptr_nonnull(strstr(trial_run(context, &trial), "ERROR_INVALID_ARGUMENT"));
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(the_oracle_gives_the_known_answers) {
  static const uint32_t counter[] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  static const uint32_t key[] = {0xa4093822, 0x299f31d0};
  static const uint32_t want[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  static const uint8_t dropped[] = {0x34, 0x6b, 0x10, 0x02, 0xf7, 0x10, 0x40, 0x04};
  uint32_t block[4];
  oracle_philox(counter, key, 10, block);
  ck_assert_mem_eq(block, want, sizeof want);
  for (uint64_t e = 0; e < 64; ++e)
    ck_assert_int_eq(oracle_keep(42, 0, e, 1.0 / 3), !(dropped[e / 8] >> e % 8 & 1));
  ck_assert(oracle_refinement(42, 0, 2583) == 0x1fe323ed1b77415a);
}
END_TEST

START_TEST(the_oracle_rounds_to_nearest_even) {
  static const struct {
    cudrop_dtype_t dtype;
    double value;
    uint16_t bits;
  } cases[] = {
      {CUDROP_F16, 1.0, 0x3c00},           {CUDROP_F16, 1.0 + 0x1p-11, 0x3c00},
      {CUDROP_F16, 1.0 + 0x3p-11, 0x3c02}, {CUDROP_F16, 1.0 + 0x1.1p-11, 0x3c01},
      {CUDROP_F16, 65519.0, 0x7bff},       {CUDROP_F16, 65520.0, 0x7c00},
      {CUDROP_F16, 0x1p-25, 0x0000},       {CUDROP_F16, 0x1.8p-25, 0x0001},
      {CUDROP_F16, -0x1p-14, 0x8400},      {CUDROP_BF16, 1.0 + 0x1p-8, 0x3f80},
      {CUDROP_BF16, 1.0 + 0x3p-8, 0x3f82}, {CUDROP_BF16, -3.0, 0xc040},
      {CUDROP_BF16, 0x1p-133, 0x0001},     {CUDROP_BF16, INFINITY, 0x7f80},
  };
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) {
    uint16_t bits;
    oracle_write(cases[k].dtype, cases[k].value, &bits);
    ck_assert_uint_eq(bits, cases[k].bits);
  }
}
END_TEST

static TCase *harness_case(void) {
  TCase *tests = suite_case("harness", 60);
  tcase_add_checked_fixture(tests, make_views, free_views);
  tcase_add_test(tests, a_copy_is_equal);
  tcase_add_test(tests, any_byte_that_changes_is_noticed);
  tcase_add_test(tests, a_nan_equals_a_nan_but_nothing_else);
  tcase_add_test(tests, plus_and_minus_zero_differ);
  tcase_add_test(tests, a_bound_of_zero_asks_for_bits);
  tcase_add_loop_test(tests, random_values_have_every_kind, 0, 6);
  tcase_add_test(tests, a_trial_notices_another_mask);
  tcase_add_test(tests, the_oracle_gives_the_known_answers);
  tcase_add_test(tests, the_oracle_rounds_to_nearest_even);
  return tests;
}

SUITE_MAIN("harness", harness_case())
