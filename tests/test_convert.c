/* test_convert.c - the narrow types to and from float, against the oracle. */
#include "host/convert.h"

#include <fenv.h>

#include "oracle.h"
#include "suite.h"

static bool is_nan(float value) {
  return value != value;
}

/* A narrow type: its conversions, as numbers. */
typedef struct {
  cudrop_dtype_t dtype;
  uint32_t end;  /* there are so many bit patterns */
  uint32_t most; /* what the largest floats become */
  float (*widen)(uint32_t bits);
  uint32_t (*narrow)(float value);
} type_t;

#define DEFINE_CONVERSIONS(NAME, MEMORY)       \
  static float widen_##NAME(uint32_t bits) {   \
    return float_from_##NAME((MEMORY)bits);    \
  }                                            \
  static uint32_t narrow_##NAME(float value) { \
    return NAME##_from_float(value);           \
  }
DEFINE_CONVERSIONS(f16, uint16_t)
DEFINE_CONVERSIONS(bf16, uint16_t)
DEFINE_CONVERSIONS(e5m2, uint8_t)
DEFINE_CONVERSIONS(e4m3, uint8_t)

static const type_t types[] = {
    {CUDROP_F16, 65536, 0x7c00, widen_f16, narrow_f16},
    {CUDROP_BF16, 65536, 0x7f80, widen_bf16, narrow_bf16},
    {CUDROP_F8E5M2, 256, 0x7c, widen_e5m2, narrow_e5m2},
    {CUDROP_F8E4M3, 256, 0x7e, widen_e4m3, narrow_e4m3},
};
enum { TYPES = sizeof types / sizeof types[0] };

START_TEST(every_narrow_value_widens_exactly_and_survives_the_round_trip) {
  const type_t *type = &types[_i];
  int finite = 0;
  for (uint32_t bits = 0; bits < type->end; ++bits) {
    const uint16_t element = (uint16_t)bits; /* little-endian, as all we run on */
    const double value = oracle_read(type->dtype, &element);
    const float widened = type->widen(bits);
    ck_assert_uint_eq(bits_from_float(widened) >> 31, bits >= type->end / 2);
    if (value != value) {
      ck_assert(is_nan(widened));
    } else {
      ck_assert(widened == value);
      ck_assert_uint_eq(type->narrow(widened), bits);
      ++finite;
    }
  }
  ck_assert_int_gt(finite, (int)type->end / 2);
}
END_TEST

/* Does the conversion of a float give what the oracle gives? */
static bool is_right(const type_t *type, uint32_t bits) {
  const float value = float_from_bits(bits);
  uint16_t element = 0;
  if (is_nan(value)) return is_nan(type->widen(type->narrow(value)));
  oracle_write(type->dtype, value, &element);
  return type->narrow(value) == element;
}

/* Each float whose last bits decide a rounding: on, just below and just above a tie. */
START_TEST(floats_round_to_the_nearest_even) {
  static const uint32_t tails[] = {0x0000, 0x0001, 0x0fff, 0x1000, 0x1001, 0x1fff,
                                   0x2000, 0x7fff, 0x8000, 0x8001, 0xffff};
  for (uint32_t top = 0; top < 65536; ++top) {
    for (size_t t = 0; t < sizeof tails / sizeof tails[0]; ++t) {
      const uint32_t bits = top << 16 | tails[t];
      if (!is_right(&types[_i], bits)) ck_abort_msg("0x%08x is rounded wrongly", bits);
    }
  }
}
END_TEST

/*
 * With the test above, which is right around every tie, this makes the conversions right for
 * all 2^32 floats: between two ties the narrow value cannot change.
 */
START_TEST(narrow_values_rise_with_the_float_and_mirror_its_sign) {
  const type_t *type = &types[_i];
  uint32_t last = 0;
  for (uint32_t bits = 0; bits <= 0x7f800000; ++bits) {
    const uint32_t next = type->narrow(float_from_bits(bits));
    const uint32_t mirrored = type->narrow(float_from_bits(bits | 0x80000000));
    if (next < last || mirrored != (next | type->end / 2))
      ck_abort_msg("0x%08x is rounded wrongly", bits);
    last = next;
  }
  ck_assert_uint_eq(last, type->most);
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
  tcase_add_loop_test(
      tests, every_narrow_value_widens_exactly_and_survives_the_round_trip, 0, TYPES);
  tcase_add_loop_test(tests, floats_round_to_the_nearest_even, 0, TYPES);
  tcase_add_loop_test(tests, the_rounding_mode_of_the_caller_does_not_matter, 0, 3);
  return tests;
}

static TCase *slow_case(void) {
  TCase *tests = suite_slow_case("convert, slow");
  tcase_add_loop_test(tests, narrow_values_rise_with_the_float_and_mirror_its_sign, 0,
                      TYPES);
  return tests;
}

SUITE_MAIN("convert", convert_case(), slow_case())
