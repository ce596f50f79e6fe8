/*
 * refinements.c - the 64 bits behind a digit that ties: through p that lie between two digits,
 * and as a string of their own, from mask.h.
 */
#include <math.h>

#include "battery.h"
#include "cudrop/mask.h"
#include "oracle.h"
#include "statistics.h"

/* ---- through p: of the elements whose digit is t0, which 16th of the refinements ----------- */

static const unsigned digits[] = {0, 6553, 65535};
enum { DIGITS = sizeof digits / sizeof digits[0], BINS = 16 };

/* p between t0 and t0 + 1 in steps of a 16th, cut to so many bits of the refinement. */
static double find_tie_tail(unsigned t0, int bits) {
  const double unit = ldexp(1.0, 4 - bits);
  uint64_t observed[BINS], before = battery_count(13, 9, t0 / 65536.0);
  double expected[BINS];
  for (int bin = 0; bin < BINS; ++bin) {
    const double sixteenths = floor((bin + 1) / unit) * unit;
    const uint64_t kept = battery_count(13, 9, (t0 + sixteenths / BINS) / 65536.0);
    observed[bin] = before - kept;
    expected[bin] = (double)battery.draws / 65536 / BINS;
    before = kept;
  }
  const double value = statistics_chi_square(observed, expected, BINS);
  return statistics_chi_square_tail(value, BINS);
}

START_TEST(ties_are_dropped_by_a_uniform_refinement) {
  battery_expect_tail(find_tie_tail(digits[_i], 4), "16ths of the refinement, t0 = %u",
                      digits[_i]);
}
END_TEST

START_TEST(a_refinement_of_two_bits_is_noticed) {
  battery_expect_noticed_tail(find_tie_tail(6553, 2), "16ths of a refinement of 2 bits");
}
END_TEST

/* ---- as a string: word e is the refinement of element e ------------------------------------ */

static void draw_refinements(uint64_t seed, uint64_t offset, uint64_t *bits) {
  for (uint64_t e = 0; e < battery.n / 64; ++e)
    bits[e] = cudrop_mask_refinement(seed, offset, e);
}

/* The same from 4 rounds. */
static void draw_refinements_weakly(uint64_t seed, uint64_t offset, uint64_t *bits) {
  const uint32_t key[] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (uint64_t e = 0; e < battery.n / 64; ++e) {
    const uint32_t counter[] = {(uint32_t)offset, (uint32_t)(offset >> 32),
                                (uint32_t)(e >> 3), (uint32_t)(1 + (e & 7)) << 24};
    uint32_t block[4];
    oracle_philox(counter, key, 4, block);
    bits[e] = (uint64_t)block[1] << 32 | block[0];
  }
}

/* Bits apart in a word, the same bits of later lanes, and of later groups. */
static const uint64_t lags[] = {1,   2,   3,    4,    8,    16,    31,      32,
                                33,  48,  63,   64,   65,   127,   128,     129,
                                192, 256, 320,  384,  448,  511,   512,     513,
                                576, 768, 1024, 4096, 8192, 65536, 1 << 18, 1 << 20};
enum { LAGS = sizeof lags / sizeof lags[0] };

static double find_worst_lag(uint64_t *worst_lag) {
  double worst = 0.0;
  for (int k = 0; k < LAGS; ++k) {
    const double z =
        statistics_correlation_z(battery.first, battery.first, battery.n, lags[k], 0.5);
    if (fabs(z) <= fabs(worst)) continue;
    worst = z;
    *worst_lag = lags[k];
  }
  return worst;
}

static double correlate(void) {
  return statistics_correlation_z(battery.first, battery.second, battery.n, 0, 0.5);
}

START_TEST(refinements_are_uniform_bits) {
  uint64_t observed[64], lag = 0;
  double expected[64];
  draw_refinements(42, 4, battery.first);
  const uint64_t ones = statistics_count(battery.first, battery.n);
  battery_expect_z(statistics_rate_z(ones, battery.n, 0.5), 5.0, "bits of refinements");
  statistics_count_positions(battery.first, battery.n, 64, observed);
  for (int k = 0; k < 64; ++k) expected[k] = (double)battery.n / 128;
  const double value = 2.0 * statistics_chi_square(observed, expected, 64);
  battery_expect_tail(statistics_chi_square_tail(value, 64),
                      "each of the 64 bits of a refinement");
  const double worst = find_worst_lag(&lag);
  battery_expect_z(worst, 6.0, "lag %llu of refinements, worst of %d",
                   (unsigned long long)lag, LAGS);
}
END_TEST

START_TEST(refinements_depend_on_offset_and_seed) {
  draw_refinements(42, 4, battery.first);
  draw_refinements(42, 5, battery.second);
  battery_expect_z(correlate(), 6.0, "refinements, offset + 1");
  draw_refinements(43, 4, battery.second);
  battery_expect_z(correlate(), 6.0, "refinements, seed + 1");
}
END_TEST

/* Beside each refinement the digit of its element, four times. */
START_TEST(a_refinement_does_not_depend_on_its_digit) {
  draw_refinements(42, 4, battery.first);
  for (uint64_t e = 0; e < battery.n / 64; ++e) {
    const cudrop_philox_block_t block = cudrop_mask_block(42, 4, e >> 3);
    battery.second[e] = cudrop_mask_digit(block, e & 7) * (uint64_t)0x0001000100010001;
  }
  battery_expect_z(correlate(), 6.0, "refinements and their digits");
}
END_TEST

START_TEST(refinements_of_four_rounds_are_noticed) {
  uint64_t lag = 0;
  draw_refinements_weakly(42, 4, battery.first);
  draw_refinements_weakly(42, 5, battery.second);
  const double worst = find_worst_lag(&lag);
  battery_expect_noticed_z(worst, "lag %llu of refinements of 4 rounds",
                           (unsigned long long)lag);
  battery_expect_noticed_z(correlate(), "offset + 1 of refinements of 4 rounds");
}
END_TEST

void battery_add_refinements(TCase *tests) {
  tcase_add_loop_test(tests, ties_are_dropped_by_a_uniform_refinement, 0, DIGITS);
  tcase_add_test(tests, a_refinement_of_two_bits_is_noticed);
  tcase_add_test(tests, refinements_are_uniform_bits);
  tcase_add_test(tests, refinements_depend_on_offset_and_seed);
  tcase_add_test(tests, a_refinement_does_not_depend_on_its_digit);
  tcase_add_test(tests, refinements_of_four_rounds_are_noticed);
}
