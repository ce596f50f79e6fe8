/*
 * test_statistics.c - the quick statistics of the mask, with controls that must fail.
 *
 * Everything is seeded, so that a test that passes once passes always. A threshold of
 * |z| < 5 or 6 would be passed by an ideal generator but for one time in millions.
 */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "suite.h"

enum { N = 1 << 24, GROUPS = N / 8, WORDS = N / 64 };

static cudrop_context_t *context;
static uint64_t *first, *second; /* two strings of N keep bits */

static void prepare(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  first = malloc(WORDS * sizeof *first);
  second = malloc(WORDS * sizeof *second);
  ck_assert(first != NULL && second != NULL);
}

static void clean_up(void) {
  free(first);
  free(second);
  ck_assert_ok(cudrop_destroy(&context));
}

static void draw(uint64_t seed, uint64_t offset, double p, uint64_t *bits) {
  const cudrop_mask_t mask = cudrop_mask(seed, offset, p);
  const int64_t n = N;
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(context, N / 8, &buffer));
  ck_assert_ok(cudrop_export_bits(context, &mask, 1, &n, buffer));
  ck_assert_ok(cudrop_download(context, bits, buffer, N / 8));
  ck_assert_ok(cudrop_free(context, &buffer));
}

/* The mask of p = 0.5 from a Philox of 4 rounds: what the tests below must tell apart. */
static void draw_weakly(uint64_t seed, uint64_t offset, uint64_t *bits) {
  uint8_t *bytes = (uint8_t *)bits;
  const uint32_t key[] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (uint32_t group = 0; group < GROUPS; ++group) {
    const uint32_t counter[] = {(uint32_t)offset, (uint32_t)(offset >> 32), group, 0};
    uint32_t block[4];
    oracle_philox(counter, key, 4, block);
    unsigned keep = 0;
    for (unsigned lane = 0; lane < 8; ++lane)
      keep |= (block[lane / 2] >> (16 * (lane % 2) + 15) & 1) << lane;
    bytes[group] = (uint8_t)keep;
  }
}

static const double rates[] = {1e-3, 0.1, 0.25, 1.0 / 3, 0.5, 0.7, 0.9};
enum { RATES = sizeof rates / sizeof rates[0] };

START_TEST(the_keep_rate_is_one_minus_p) {
  draw(42, 1, rates[_i], first);
  const double z = statistics_rate_z(statistics_count(first, N), N, 1.0 - rates[_i]);
  ck_assert_double_lt(fabs(z), 5.0);
}
END_TEST

START_TEST(a_rate_that_is_off_by_a_thousandth_is_noticed) {
  draw(42, 1, 0.1 + 1e-3, first);
  const double z = statistics_rate_z(statistics_count(first, N), N, 0.9);
  ck_assert_double_gt(fabs(z), 8.0);
}
END_TEST

/* Drops at each position modulo a period: the lanes of a group, and common row lengths. */
START_TEST(every_position_is_dropped_alike) {
  static const int periods[] = {8, 64, 768, 1024};
  enum { MOST = 1024 };
  const int period = periods[_i];
  static uint64_t observed[MOST];
  static double expected[MOST];
  const double p = 0.3;
  draw(7, 2, p, first);
  memset(observed, 0, sizeof observed);
  const int64_t whole = N / period * period;
  for (int64_t e = 0; e < whole; ++e)
    observed[e % period] += ~first[e >> 6] >> (e & 63) & 1;
  for (int k = 0; k < period; ++k) expected[k] = (double)whole / period * p;
  /* Each count is binomial: the chi-square of drops alone is (1 - p) times one. */
  const double value = statistics_chi_square(observed, expected, period) / (1.0 - p);
  ck_assert_double_gt(statistics_chi_square_tail(value, period), 1e-6);
  ck_assert_double_gt(1.0 - statistics_chi_square_tail(value, period), 1e-6);
}
END_TEST

START_TEST(the_eight_lanes_of_a_group_are_independent) {
  const double p = rates[_i];
  static uint64_t observed[256];
  double expected[256];
  uint64_t folded[9] = {0};
  draw(9, 3, p, first);
  memset(observed, 0, sizeof observed);
  for (int64_t group = 0; group < GROUPS; ++group) ++observed[((uint8_t *)first)[group]];
  double least = N;
  for (int pattern = 0; pattern < 256; ++pattern) {
    const int kept = __builtin_popcount((unsigned)pattern);
    expected[pattern] = (double)GROUPS * pow(1.0 - p, kept) * pow(p, 8 - kept);
    if (expected[pattern] < least) least = expected[pattern];
    folded[kept] += observed[pattern];
  }
  if (least > 10.0) { /* else the patterns are too rare, and only their weights count */
    const double value = statistics_chi_square(observed, expected, 256);
    ck_assert_double_gt(statistics_chi_square_tail(value, 255), 1e-6);
  }
  for (int kept = 0; kept <= 8; ++kept) {
    const double share = tgamma(9) / tgamma(kept + 1) / tgamma(9 - kept) *
                         pow(1.0 - p, kept) * pow(p, 8 - kept);
    if (share * GROUPS > 10.0)
      ck_assert_double_lt(fabs(statistics_rate_z(folded[kept], GROUPS, share)), 5.5);
  }
}
END_TEST

static const uint64_t lags[] = {
    1,    2,    3,    4,    5,     6,     7,      8,       9,      15,   16,   17,
    24,   31,   32,   33,   40,    47,    48,     56,      63,     64,   65,   127,
    128,  129,  255,  256,  257,   511,   512,    513,     768,    1023, 1024, 1025,
    2048, 3072, 4096, 8192, 16384, 65536, 262144, 1 << 20, 1 << 22};
enum { LAGS = sizeof lags / sizeof lags[0] };

static double find_worst_lag(const uint64_t *bits, double q) {
  double worst = 0.0;
  for (int k = 0; k < LAGS; ++k)
    worst = fmax(worst, fabs(statistics_correlation_z(bits, bits, N, lags[k], q)));
  return worst;
}

START_TEST(no_element_depends_on_an_earlier_one) {
  draw(42, 4, rates[_i], first);
  ck_assert_double_lt(find_worst_lag(first, 1.0 - rates[_i]), 6.0);
}
END_TEST

START_TEST(offsets_are_independent) {
  static const uint64_t steps[] = {
      1, 2, 3, 4, 8, 256, 1u << 16, (uint64_t)1 << 32, (uint64_t)1 << 63};
  draw(42, 5, 0.5, first);
  for (size_t k = 0; k < sizeof steps / sizeof steps[0]; ++k) {
    draw(42, 5 + steps[k], 0.5, second);
    ck_assert_double_lt(fabs(statistics_correlation_z(first, second, N, 0, 0.5)), 6.0);
  }
}
END_TEST

START_TEST(seeds_are_independent) {
  draw(42, 6, 0.5, first);
  draw(43, 6, 0.5, second);
  ck_assert_double_lt(fabs(statistics_correlation_z(first, second, N, 0, 0.5)), 6.0);
  for (int bit = _i; bit < 64; bit += 8) {
    draw(42 ^ (uint64_t)1 << bit, 6, 0.5, second);
    ck_assert_double_lt(fabs(statistics_correlation_z(first, second, N, 0, 0.5)), 6.0);
  }
}
END_TEST

START_TEST(a_philox_of_four_rounds_fails_the_lags_and_the_offsets) {
  draw_weakly(42, 4, first);
  draw_weakly(42, 5, second);
  ck_assert_double_gt(find_worst_lag(first, 0.5), 8.0);
  ck_assert_double_gt(fabs(statistics_correlation_z(first, second, N, 0, 0.5)), 8.0);
}
END_TEST

START_TEST(the_statistics_themselves_are_right) {
  /* Tables of the chi-square distribution. */
  ck_assert_double_eq_tol(statistics_chi_square_tail(3.841458820694124, 1), 0.05, 1e-12);
  ck_assert_double_eq_tol(statistics_chi_square_tail(18.307038053275146, 10), 0.05,
                          1e-12);
  ck_assert_double_eq_tol(statistics_chi_square_tail(255.0, 255), 0.48822, 1e-5);
  ck_assert_double_eq_tol(statistics_chi_square_tail(1.0, 10), 0.99982788, 1e-8);
  /* A string that repeats every 64 bits correlates fully with itself at that lag. */
  for (int word = 0; word < WORDS; ++word) first[word] = 0x0123456789abcdef;
  ck_assert_double_eq_tol(statistics_correlation_z(first, first, N, 64, 0.5),
                          sqrt(N - 64.0), 1e-9);
  ck_assert_uint_eq(statistics_count(first, 100), 32 + 23);
  ck_assert_double_eq_tol(statistics_rate_z(60, 100, 0.5), 2.0, 1e-12);
}
END_TEST

static TCase *statistics_case(void) {
  TCase *tests = suite_case("statistics", 300);
  tcase_add_checked_fixture(tests, prepare, clean_up);
  tcase_add_loop_test(tests, the_keep_rate_is_one_minus_p, 0, RATES);
  tcase_add_test(tests, a_rate_that_is_off_by_a_thousandth_is_noticed);
  tcase_add_loop_test(tests, every_position_is_dropped_alike, 0, 4);
  tcase_add_loop_test(tests, the_eight_lanes_of_a_group_are_independent, 0, RATES);
  tcase_add_loop_test(tests, no_element_depends_on_an_earlier_one, 0, RATES);
  tcase_add_test(tests, offsets_are_independent);
  tcase_add_loop_test(tests, seeds_are_independent, 0, 8);
  tcase_add_test(tests, a_philox_of_four_rounds_fails_the_lags_and_the_offsets);
  tcase_add_test(tests, the_statistics_themselves_are_right);
  return tests;
}

SUITE_MAIN("statistics", statistics_case())
