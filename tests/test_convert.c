/* test_convert.c - F16 and BF16 to and from float, against the oracle. */
#include "convert.h"

#include <fenv.h>

#include "oracle.h"
#include "suite.h"

static bool is_nan(float value) {
  return value != value;
}

START_TEST(every_narrow_value_widens_exactly) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t half = (uint16_t)bits;
    const double f16 = oracle_read(CUDROP_F16, &half);
    const double bf16 = oracle_read(CUDROP_BF16, &half);
    ck_assert(float_from_f16(half) == f16 ||
              (is_nan(float_from_f16(half)) && f16 != f16));
    ck_assert(float_from_bf16(half) == bf16 ||
              (is_nan(float_from_bf16(half)) && bf16 != bf16));
    ck_assert(bits_from_float(float_from_f16(half)) >> 31 == bits >> 15);
  }
}
END_TEST

START_TEST(every_narrow_value_survives_the_round_trip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t half = (uint16_t)bits;
    if (!is_nan(float_from_f16(half)))
      ck_assert_uint_eq(f16_from_float(float_from_f16(half)), half);
    if (!is_nan(float_from_bf16(half)))
      ck_assert_uint_eq(bf16_from_float(float_from_bf16(half)), half);
  }
}
END_TEST

/* Do both conversions of a float give what the oracle gives? */
static bool is_right(uint32_t bits) {
  const float value = float_from_bits(bits);
  uint16_t f16, bf16;
  if (is_nan(value))
    return is_nan(float_from_f16(f16_from_float(value))) &&
           is_nan(float_from_bf16(bf16_from_float(value)));
  oracle_write(CUDROP_F16, value, &f16);
  oracle_write(CUDROP_BF16, value, &bf16);
  return f16_from_float(value) == f16 && bf16_from_float(value) == bf16;
}

/* Each float whose last bits decide a rounding: on, just below and just above a tie. */
START_TEST(floats_round_to_the_nearest_even) {
  static const uint32_t tails[] = {0x0000, 0x0001, 0x0fff, 0x1000, 0x1001, 0x1fff,
                                   0x2000, 0x7fff, 0x8000, 0x8001, 0xffff};
  for (uint32_t top = 0; top < 65536; ++top) {
    for (size_t t = 0; t < sizeof tails / sizeof tails[0]; ++t) {
      const uint32_t bits = top << 16 | tails[t];
      if (!is_right(bits)) ck_abort_msg("0x%08x is rounded wrongly", bits);
    }
  }
}
END_TEST

/*
 * With the test above, which is right around every tie, this makes the conversions right for
 * all 2^32 floats: between two ties the narrow value cannot change.
 */
START_TEST(narrow_values_rise_with_the_float_and_mirror_its_sign) {
  uint16_t f16 = 0, bf16 = 0;
  for (uint32_t bits = 0; bits <= 0x7f800000; ++bits) {
    const uint16_t next_f16 = f16_from_float(float_from_bits(bits));
    const uint16_t next_bf16 = bf16_from_float(float_from_bits(bits));
    const float negative = float_from_bits(bits | 0x80000000);
    if (next_f16 < f16 || next_bf16 < bf16 ||
        f16_from_float(negative) != (next_f16 | 0x8000) ||
        bf16_from_float(negative) != (next_bf16 | 0x8000))
      ck_abort_msg("0x%08x is rounded wrongly", bits);
    f16 = next_f16;
    bf16 = next_bf16;
  }
  ck_assert_uint_eq(f16, 0x7c00);
  ck_assert_uint_eq(bf16, 0x7f80);
}
END_TEST

START_TEST(the_rounding_mode_of_the_caller_does_not_matter) {
  static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  const volatile float above_tie = 1.0f + 0x1.01p-8f, subnormal = 0x1.8p-25f;
  ck_assert_int_eq(fesetround(modes[_i]), 0);
  const uint16_t bf16 = bf16_from_float(above_tie);
  const uint16_t f16 = f16_from_float(subnormal);
  const uint16_t negative = f16_from_float(-subnormal);
  ck_assert_int_eq(fesetround(FE_TONEAREST), 0);
  ck_assert_uint_eq(bf16, 0x3f81);
  ck_assert_uint_eq(f16, 1);
  ck_assert_uint_eq(negative, 0x8001);
}
END_TEST

static TCase *convert_case(void) {
  TCase *tests = suite_case("convert", 300);
  tcase_add_test(tests, every_narrow_value_widens_exactly);
  tcase_add_test(tests, every_narrow_value_survives_the_round_trip);
  tcase_add_test(tests, floats_round_to_the_nearest_even);
  tcase_add_loop_test(tests, the_rounding_mode_of_the_caller_does_not_matter, 0, 3);
  return tests;
}

static TCase *slow_case(void) {
  TCase *tests = suite_slow_case("convert, slow");
  tcase_add_test(tests, narrow_values_rise_with_the_float_and_mirror_its_sign);
  return tests;
}

SUITE_MAIN("convert", convert_case(), slow_case())
