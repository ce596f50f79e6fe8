/* patterns.c - where elements are dropped: positions, lanes of a group, runs. */
#include <math.h>

#include "battery.h"
#include "statistics.h"

/* ---- positions modulo a period: the lanes of a group, and common row lengths --------------- */

static const unsigned periods[] = {8, 64, 768, 1024};
enum { PERIODS = sizeof periods / sizeof periods[0], LONGEST = 1024 };

static double find_position_tail(unsigned period, double p) {
  static uint64_t observed[LONGEST];
  static double expected[LONGEST];
  const uint64_t each = battery.n / period;
  statistics_count_positions(battery.first, each * period, period, observed);
  for (unsigned k = 0; k < period; ++k) {
    observed[k] = each - observed[k];
    expected[k] = (double)each * p;
  }
  /* Each count is binomial: the chi-square of drops alone is (1 - p) times one. */
  const double value = statistics_chi_square(observed, expected, (int)period) / (1.0 - p);
  return statistics_chi_square_tail(value, (int)period);
}

START_TEST(every_position_is_dropped_alike) {
  const unsigned period = periods[_i % PERIODS];
  const double p = battery_rates[_i / PERIODS];
  battery_draw(7, 2, p, battery.first);
  battery_expect_tail(find_position_tail(period, p), "position modulo %u, p = %.4g",
                      period, p);
}
END_TEST

START_TEST(a_position_that_is_dropped_less_is_noticed) {
  const unsigned period = periods[_i];
  battery_draw(7, 2, 0.1, battery.first);
  for (uint64_t e = 5; e < battery.n; e += 2 * period)
    battery.first[e >> 6] |= (uint64_t)1 << (e & 63);
  battery_expect_noticed_tail(find_position_tail(period, 0.1),
                              "position 5 modulo %u kept every other time", period);
}
END_TEST

/* ---- the 256 patterns of a group ----------------------------------------------------------- */

/* The chance of a pattern with so many of 8 kept. */
static double find_chance(int kept, double p) {
  return pow(1.0 - p, kept) * pow(p, 8 - kept);
}

static double find_pattern_tail(double p) {
  uint64_t observed[256] = {0};
  double expected[256];
  const uint64_t groups = battery.n / 8;
  for (uint64_t group = 0; group < groups; ++group)
    ++observed[battery.first[group / 8] >> (group % 8 * 8) & 0xff];
  for (int pattern = 0; pattern < 256; ++pattern)
    expected[pattern] =
        (double)groups * find_chance(__builtin_popcount((unsigned)pattern), p);
  return statistics_pooled_tail(observed, expected, 256);
}

START_TEST(the_eight_lanes_of_a_group_are_independent) {
  const double p = battery_rates[_i];
  battery_draw(9, 3, p, battery.first);
  battery_expect_tail(find_pattern_tail(p), "patterns of 8 lanes, p = %.4g", p);
}
END_TEST

START_TEST(a_lane_that_follows_another_is_noticed) {
  battery_draw(9, 3, 0.5, battery.first);
  for (uint64_t word = 0; word < battery.n / 64; ++word) { /* in one group of 8 */
    const uint64_t lane = battery.first[word] & 1;
    battery.first[word] = (battery.first[word] & ~(uint64_t)0x80) | lane << 7;
  }
  battery_expect_noticed_tail(find_pattern_tail(0.5),
                              "lane 7 is lane 0 in 1 of 8 groups");
}
END_TEST

/* ---- runs: of equal bits, each as long as the geometric law says --------------------------- */

enum { CELLS = 8192 };

/* Runs of kept elements, which end with probability p after each; or of dropped ones. */
static double find_run_tail(bool kept, double p) {
  static uint64_t lengths[CELLS];
  static double expected[CELLS];
  const double goes_on = kept ? 1.0 - p : p;
  const uint64_t runs =
      statistics_count_runs(battery.first, battery.n, kept, lengths, CELLS);
  double left = (double)runs; /* that are at least so long */
  for (int k = 0; k < CELLS; ++k) {
    expected[k] = k + 1 < CELLS ? left * (1.0 - goes_on) : left;
    left *= goes_on;
  }
  return statistics_pooled_tail(lengths, expected, CELLS);
}

START_TEST(runs_follow_the_geometric_law) {
  const double p = battery_rates[_i];
  battery_draw(10, 7, p, battery.first);
  battery_expect_tail(find_run_tail(true, p), "runs of kept elements, p = %.4g", p);
  battery_expect_tail(find_run_tail(false, p), "runs of dropped elements, p = %.4g", p);
}
END_TEST

START_TEST(elements_that_repeat_their_neighbour_are_noticed) {
  battery_draw(10, 7, 0.5, battery.first);
  for (uint64_t word = 0; word < battery.n / 64; ++word) { /* one element of 64 */
    const uint64_t bit = battery.first[word] & 1;
    battery.first[word] = (battery.first[word] & ~(uint64_t)2) | bit << 1;
  }
  battery_expect_noticed_tail(find_run_tail(true, 0.5),
                              "runs where 1 of 64 elements repeats the one before");
}
END_TEST

void battery_add_patterns(TCase *tests, bool whole) {
  const int rates = whole ? BATTERY_RATES : 2;
  tcase_add_loop_test(tests, every_position_is_dropped_alike, 0, PERIODS * rates);
  tcase_add_loop_test(tests, a_position_that_is_dropped_less_is_noticed, 0, PERIODS);
  tcase_add_loop_test(tests, the_eight_lanes_of_a_group_are_independent, 0,
                      BATTERY_RATES);
  tcase_add_test(tests, a_lane_that_follows_another_is_noticed);
  tcase_add_loop_test(tests, runs_follow_the_geometric_law, 0, BATTERY_RATES);
  tcase_add_test(tests, elements_that_repeat_their_neighbour_are_noticed);
}
