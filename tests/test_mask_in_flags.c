/* test_mask_in_flags.c - a program that is compiled with -ffast-math draws the same bits. */
#include <math.h>

#include "mask_in_flags.h"
#include "oracle.h"
#include "suite.h"

static const struct {
  const char *name;
  const mask_in_flags_t *mask;
} flags[] = {
    {"exact", &mask_in_exact},
    {"-Ofast", &mask_in_fast},
    {"the parts of -ffast-math", &mask_in_parts},
    {"-Ofast for this processor", &mask_in_native},
};
enum { FLAGS = sizeof flags / sizeof flags[0], RATES = 40000 };

/* Rates of all sizes, the ends and the subnormal among them. */
static double rate(int k) {
  static const double chosen[] = {0.0,
                                  1.0,
                                  0.5,
                                  0.1,
                                  (double)0.1f,
                                  1.0 / 3,
                                  0.9,
                                  1e-6,
                                  0x1p-16,
                                  0x1p-28,
                                  0x1p-80,
                                  0x1p-1022,
                                  0x1p-1074,
                                  0x1.fffffffffffffp-1,
                                  0x1.fffffffffffffp-17};
  enum { CHOSEN = sizeof chosen / sizeof chosen[0] };
  if (k < CHOSEN) return chosen[k];
  const uint64_t word = cudrop_mask_mix((uint64_t)k);
  const double uniform = (double)(word >> 11) * 0x1p-53;
  return k % 2 == 0 ? uniform : ldexp(uniform, -(int)(word % 100));
}

START_TEST(thresholds_are_those_of_exact_arithmetic) {
  for (int k = 0; k < RATES; ++k) {
    const double p = rate(k), digits = floor(ldexp(p, 16));
    const cudrop_mask_threshold_t threshold = flags[_i].mask->threshold(p);
    ck_assert_msg(threshold.t0 == (uint32_t)digits &&
                      threshold.t1 == (uint64_t)ldexp(ldexp(p, 16) - digits, 64),
                  "%s: p = %a", flags[_i].name, p);
  }
}
END_TEST

START_TEST(schedules_differ_at_most_in_the_last_place_of_the_scale) {
  for (int k = 0; k < RATES; ++k) {
    const double p = rate(k);
    const cudrop_mask_schedule_t want = mask_in_exact.schedule(42, (uint64_t)k, p);
    cudrop_mask_schedule_t got = flags[_i].mask->schedule(42, (uint64_t)k, p);
    ck_assert_msg(fabsf(got.scale - want.scale) <= want.scale * 0x1p-23f, "%s: p = %a",
                  flags[_i].name, p);
    got.scale = want.scale;
    ck_assert_msg(memcmp(got.key, want.key, sizeof got.key) == 0 &&
                      memcmp(got.head, want.head, sizeof got.head) == 0 &&
                      got.fate == want.fate && got.offset == want.offset &&
                      got.t1 == want.t1 && got.tie == want.tie && got.ties == want.ties &&
                      got.least == want.least,
                  "%s: p = %a", flags[_i].name, p);
  }
}
END_TEST

/* Rows of tests/data/known_answers.txt: 64 elements, a bit is 1 where one is dropped. */
static const struct {
  uint64_t seed, offset, index;
  double p;
  uint8_t dropped[8];
} answers[] = {
    {42, 0, 0, 0.5, {0xbc, 0x6b, 0x37, 0x4a, 0xf7, 0x3b, 0x40, 0xa7}},
    {42, 0, 0, 0.1, {0x20, 0x02, 0x00, 0x02, 0x31, 0x00, 0x00, 0x04}},
    {42, 0, 0, 1.0 / 3, {0x34, 0x6b, 0x10, 0x02, 0xf7, 0x10, 0x40, 0x04}},
    {42, 0, 0, 0.9, {0xfe, 0xfb, 0xbf, 0xff, 0xff, 0xbf, 0xff, 0xff}},
    {7,
     3,
     (UINT64_C(1) << 59) - 64,
     0.25,
     {0x04, 0xe8, 0x80, 0x28, 0x04, 0x10, 0x95, 0x02}},
};

START_TEST(known_answers_come_out) {
  for (size_t k = 0; k < sizeof answers / sizeof answers[0]; ++k)
    for (unsigned byte = 0; byte < 8; ++byte)
      ck_assert_uint_eq(
          flags[_i].mask->keep_group(answers[k].seed, answers[k].offset,
                                     answers[k].index / 8 + byte, answers[k].p),
          (uint8_t)~answers[k].dropped[byte]);
}
END_TEST

START_TEST(groups_with_and_without_ties_are_the_oracles) {
  for (int k = 0; k < 2000; ++k) {
    const double p = rate(k);
    /* Of every fourth rate the first digit of the group ties. */
    const double tied = ldexp((double)oracle_digit(42, 7, 8 * (uint64_t)k) + 0.5, -16);
    const double q = k % 4 == 0 ? tied : p;
    unsigned want = 0;
    for (unsigned lane = 0; lane < 8; ++lane)
      want |= (unsigned)oracle_keep(42, 7, 8 * (uint64_t)k + lane, q) << lane;
    ck_assert_uint_eq(flags[_i].mask->keep_group(42, 7, (uint64_t)k, q), want);
  }
}
END_TEST

static TCase *mask_in_flags_case(void) {
  TCase *tests = suite_case("mask in flags", 60);
  tcase_add_loop_test(tests, thresholds_are_those_of_exact_arithmetic, 0, FLAGS);
  tcase_add_loop_test(tests, schedules_differ_at_most_in_the_last_place_of_the_scale, 0,
                      FLAGS);
  tcase_add_loop_test(tests, known_answers_come_out, 0, FLAGS);
  tcase_add_loop_test(tests, groups_with_and_without_ties_are_the_oracles, 0, FLAGS);
  return tests;
}

SUITE_MAIN("mask in flags", mask_in_flags_case())
