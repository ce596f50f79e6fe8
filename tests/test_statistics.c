/*
 * test_statistics.c - the statistics of the mask: quick in every run, whole under `slow`.
 *
 * The tests are in statistics/, each kind in a file, with controls that must be noticed; what
 * they print is a z or a P each. docs/statistics.md says what was seen.
 */
#include "statistics.h"

#include <math.h>

#include "battery.h"

/* Against tables of the distributions, and strings that are easily counted. */
START_TEST(the_tails_are_those_of_tables) {
  ck_assert_double_eq_tol(statistics_chi_square_tail(3.841458820694124, 1), 0.05, 1e-12);
  ck_assert_double_eq_tol(statistics_chi_square_tail(18.307038053275146, 10), 0.05,
                          1e-12);
  ck_assert_double_eq_tol(statistics_chi_square_tail(255.0, 255), 0.48822, 1e-5);
  ck_assert_double_eq_tol(statistics_chi_square_tail(1.0, 10), 0.99982788, 1e-8);
  ck_assert_double_eq_tol(statistics_rate_z(60, 100, 0.5), 2.0, 1e-12);
}
END_TEST

START_TEST(rare_cells_are_taken_together) {
  static const uint64_t observed[] = {120, 3, 90, 7};
  /* Of the cells of 3 and 7 is expected 10, which is a cell: as many are there. */
  static const double enough[] = {100.0, 3.0, 99.0, 7.0};
  const double three_cells = statistics_chi_square_tail(400.0 / 100 + 81.0 / 99, 2);
  ck_assert_double_eq_tol(statistics_pooled_tail(observed, enough, 4), three_cells,
                          1e-12);
  /* Here it is 8: with the cell before them 100 of 100. */
  static const double too_few[] = {100.0, 1.0, 92.0, 7.0};
  const double two_cells = statistics_chi_square_tail(400.0 / 100, 1);
  ck_assert_double_eq_tol(statistics_pooled_tail(observed, too_few, 4), two_cells, 1e-12);
}
END_TEST

/* 64 bits, again and again: 4 zeros, 4 ones, 48 zeros, 8 ones. */
START_TEST(bits_runs_and_positions_are_counted) {
  enum { WORDS = 4, BITS = 64 * WORDS, CELLS = 3 };
  const uint64_t pattern = 0xff000000000000f0;
  uint64_t bits[WORDS], ones[64], lengths[CELLS];
  for (int word = 0; word < WORDS; ++word) bits[word] = pattern;
  ck_assert_uint_eq(statistics_count(bits, 100), 12 + 4);
  ck_assert_double_eq_tol(statistics_correlation_z(bits, bits, BITS, 64, 0.5),
                          sqrt(BITS - 64.0), 1e-9);
  statistics_count_positions(bits, BITS, 64, ones);
  for (int k = 0; k < 64; ++k) ck_assert_uint_eq(ones[k], (pattern >> k & 1) * WORDS);
  /* The first run does not begin inside the string, the last one does not end there. */
  ck_assert_uint_eq(statistics_count_runs(bits, BITS, true, lengths, CELLS), 7);
  ck_assert_uint_eq(lengths[CELLS - 1], 7); /* of 4 and of 8 */
  ck_assert_uint_eq(statistics_count_runs(bits, BITS, false, lengths, CELLS), 7);
  bits[0] = 0x5; /* 1, 0, 1 and a long run of zeros */
  ck_assert_uint_eq(statistics_count_runs(bits, 64, true, lengths, CELLS), 1);
  ck_assert_uint_eq(lengths[0], 1);
  ck_assert_uint_eq(statistics_count_runs(bits, 64, false, lengths, CELLS), 1);
  ck_assert_uint_eq(lengths[0], 1);
}
END_TEST

static TCase *counting_case(void) {
  TCase *tests = suite_case("counting", 60);
  tcase_add_test(tests, the_tails_are_those_of_tables);
  tcase_add_test(tests, rare_cells_are_taken_together);
  tcase_add_test(tests, bits_runs_and_positions_are_counted);
  return tests;
}

static void add_battery(TCase *tests, bool whole) {
  tcase_add_checked_fixture(tests, whole ? battery_open_whole : battery_open_quick,
                            battery_close);
  battery_add_rates(tests);
  battery_add_patterns(tests, whole);
  battery_add_correlations(tests, whole);
  battery_add_refinements(tests);
}

static TCase *quick_case(void) {
  TCase *tests = suite_case("quick", 300);
  add_battery(tests, false);
  return tests;
}

static TCase *whole_case(void) {
  TCase *tests = suite_slow_case("whole");
  add_battery(tests, true);
  return tests;
}

SUITE_MAIN("statistics", counting_case(), quick_case(), whole_case())
