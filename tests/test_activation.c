/* test_activation.c - what GELU for results of 16 bits is off by, against double precision. */
#include "ops/fused/activation.h"

#include "oracle.h"
#include "suite.h"

static double normal(double x) {
  return 0.5 * erfc(-x * 0.70710678118654752440);
}

static double exact_gelu(double x) {
  return x * normal(x);
}

static double exact_slope(double x) {
  return normal(x) + x * exp(-x * x / 2) * 0.39894228040143267794;
}

typedef struct {
  float (*narrow)(float x);
  double (*exact)(double x);
} function_t;

static const function_t functions[] = {{cudropi_narrow_gelu, exact_gelu},
                                       {cudropi_narrow_gelu_slope, exact_slope}};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

/* A type of 16 bits: the bits of its significand, and its least exponent. */
typedef struct {
  cudrop_dtype_t dtype;
  int digits, least;
} type_t;

static const type_t types[] = {{CUDROP_F16, 11, -14}, {CUDROP_BF16, 8, -126}};
enum { TYPES = sizeof types / sizeof types[0] };

/* Half of the distance from `value` to the next number of the type. */
static double half_unit(const type_t *type, double value) {
  int exponent = type->least;
  if (value != 0.0) frexp(value, &exponent);
  if (value != 0.0) --exponent;
  return ldexp(1.0, (exponent < type->least ? type->least : exponent) - type->digits);
}

/* The largest error over all finite numbers of a type, in halves of a unit in the last place. */
static double find_worst(const type_t *type, float (*function)(float),
                         double (*exact)(double)) {
  double worst = 0.0;
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    const uint16_t element = (uint16_t)bits;
    const double x = oracle_read(type->dtype, &element);
    if (!isfinite(x)) continue;
    const double value = exact(x), error = fabs((double)function((float)x) - value);
    worst = fmax(worst, error / half_unit(type, value));
  }
  return worst;
}

/* Found: 1/62 and 1/71 in F16, 1/499 and 1/481 in BF16, for the value and the slope. */
START_TEST(all_numbers_of_16_bits_are_within_a_sixtieth_of_their_rounding) {
  for (int f = 0; f < FUNCTIONS; ++f) {
    const double worst = find_worst(&types[_i], functions[f].narrow, functions[f].exact);
    ck_assert_double_le(worst, types[_i].dtype == CUDROP_F16 ? 1.0 / 60 : 1.0 / 450);
    ck_assert_double_ge(worst, 1.0 / 600); /* the measure measures */
  }
}
END_TEST

/* x + bias is any float. Found: 2^-17.13 for the value, and for the slope 2^-17.17, but for the
 * neighbours of its root, where the distance of two floats is all that is left. */
START_TEST(floats_are_within_two_to_the_minus_17) {
  const function_t *function = &functions[_i];
  for (uint32_t bits = 0; bits < 0x41600000; bits += 97) { /* up to 14 */
    for (int sign = 0; sign < 2; ++sign) {
      const float x = cudropi_float_of(bits | (uint32_t)sign << 31);
      const double value = function->exact(x);
      const double error = fabs((double)function->narrow(x) - value);
      if (error > fabs(value) * 0x1p-17 + 0x1p-140)
        ck_abort_msg("function %d of %.9g is %.9g, not %.17g", _i, x, function->narrow(x),
                     value);
    }
  }
}
END_TEST

/* 2^64 e^x, down to where it is nothing beside e^0. Found: 0.99 units of F32, and
 * 2^-17.92. */
START_TEST(powers_are_within_their_bounds) {
  double worst = 0.0, narrow = 0.0;
  for (uint32_t bits = 0x2f000000; bits < 0x42d00000; bits += 61) { /* 2^-33 to 104 */
    const float x = -cudropi_float_of(bits);
    const double value = ldexp(exp((double)x), 64);
    int exponent;
    frexp(value, &exponent);
    worst = fmax(worst, fabs(cudropi_lifted_exp(x) - value) / ldexp(1.0, exponent - 24));
    narrow = fmax(narrow, fabs(cudropi_narrow_exp(x) - value) / value);
  }
  ck_assert_double_le(worst, 1.1);
  ck_assert_double_le(narrow, 0x1p-17);
  ck_assert_double_ge(worst, 0.5);
  ck_assert(cudropi_lifted_exp(0.0f) == 0x1p64f);
  /* What is not seen: nothing, and not so much as rounding, beside 2^64 and times 2^-64. */
  ck_assert(cudropi_lifted_exp(-INFINITY) * 0x1p-64f == 0.0f);
  ck_assert(cudropi_narrow_exp(-INFINITY) * 0x1p-64f == 0.0f);
  ck_assert(isnan(cudropi_lifted_exp(NAN)) && isnan(cudropi_narrow_exp(NAN)));
}
END_TEST

/* What is exact: far away, at infinities, for NaN, and the sign of what is left on the far side. */
START_TEST(limits_are_exact) {
  static const float far[] = {15.0f, 1000.0f, 0x1.fffffep127f, INFINITY};
  for (int k = 0; k < 4; ++k) {
    ck_assert(cudropi_narrow_gelu(far[k]) == far[k]);
    ck_assert(cudropi_narrow_gelu(-far[k]) == 0.0f);
    ck_assert(cudropi_narrow_gelu_slope(far[k]) == 1.0f);
    ck_assert(cudropi_narrow_gelu_slope(-far[k]) == 0.0f);
  }
  ck_assert(isnan(cudropi_narrow_gelu(NAN)) && isnan(cudropi_narrow_gelu_slope(NAN)));
  ck_assert(isnan(cudropi_narrow_gelu(-NAN)) && isnan(cudropi_narrow_gelu_slope(-NAN)));
  ck_assert(cudropi_narrow_gelu(0.0f) == 0.0f && cudropi_narrow_gelu(-0.0f) == 0.0f);
}
END_TEST

static TCase *activation_case(void) {
  TCase *tests = suite_case("activation", 300);
  tcase_add_loop_test(
      tests, all_numbers_of_16_bits_are_within_a_sixtieth_of_their_rounding, 0, TYPES);
  tcase_add_loop_test(tests, floats_are_within_two_to_the_minus_17, 0, FUNCTIONS);
  tcase_add_test(tests, powers_are_within_their_bounds);
  tcase_add_test(tests, limits_are_exact);
  return tests;
}

SUITE_MAIN("activation", activation_case())
