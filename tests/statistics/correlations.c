/* correlations.c - elements against others: of the same mask, other offsets, other seeds. */
#include <math.h>

#include "battery.h"
#include "statistics.h"

/* 1 to 64, the neighbourhoods of powers of two to 2^22, and lengths of rows. */
enum { DENSE = 64, POWERS = 16, LAGS = DENSE + 3 * POWERS + 3 };

static uint64_t find_lag(int k) {
  static const uint64_t rows[] = {384, 768, 3072};
  if (k < DENSE) return (uint64_t)k + 1;
  k -= DENSE;
  if (k < 3 * POWERS) return ((uint64_t)128 << (k / 3 % POWERS)) + (uint64_t)(k % 3) - 1;
  return rows[k - 3 * POWERS];
}

/* The z of largest size over all lags, and its lag. */
static double find_worst_lag(const uint64_t *bits, double q, uint64_t *worst_lag) {
  double worst = 0.0;
  for (int k = 0; k < LAGS; ++k) {
    const uint64_t lag = find_lag(k);
    const double z = statistics_correlation_z(bits, bits, battery.n, lag, q);
    if (fabs(z) <= fabs(worst)) continue;
    worst = z;
    *worst_lag = lag;
  }
  return worst;
}

START_TEST(no_element_depends_on_an_earlier_one) {
  const double p = battery_rates[_i];
  uint64_t lag = 0;
  battery_draw(42, 4, p, battery.first);
  const double worst = find_worst_lag(battery.first, 1.0 - p, &lag);
  battery_expect_z(worst, 6.0, "lag %llu, worst of %d, p = %.4g", (unsigned long long)lag,
                   LAGS, p);
}
END_TEST

/* `second` becomes the mask of another seed and offset. */
static double correlate_with(uint64_t seed, uint64_t offset, double p) {
  battery_draw(seed, offset, p, battery.second);
  return statistics_correlation_z(battery.first, battery.second, battery.n, 0, 1.0 - p);
}

START_TEST(offsets_are_independent) {
  const double p = battery_rates[_i];
  double worst = 0.0;
  int worst_bit = 0;
  battery_draw(42, 5, p, battery.first);
  for (int bit = 0; bit < 64; ++bit) {
    const double z = correlate_with(42, 5 + ((uint64_t)1 << bit), p);
    if (fabs(z) <= fabs(worst)) continue;
    worst = z;
    worst_bit = bit;
  }
  battery_expect_z(worst, 6.0, "offset + 2^%d, worst of 64 powers of two, p = %.4g",
                   worst_bit, p);
}
END_TEST

START_TEST(seeds_are_independent) {
  const double p = battery_rates[_i];
  double worst = 0.0;
  int worst_bit = 0;
  battery_draw(42, 6, p, battery.first);
  for (int bit = 0; bit < 64; ++bit) {
    const double z = correlate_with(42 ^ (uint64_t)1 << bit, 6, p);
    if (fabs(z) <= fabs(worst)) continue;
    worst = z;
    worst_bit = bit;
  }
  battery_expect_z(worst, 6.0, "seed with bit %d flipped, worst of 64, p = %.4g",
                   worst_bit, p);
  battery_expect_z(correlate_with(42 + 1, 6, p), 6.0, "seed + 1, p = %.4g", p);
  battery_expect_z(correlate_with(cudrop_child_seed(42, 0), 6, p), 6.0,
                   "child seed, p = %.4g", p);
}
END_TEST

/* The keep rate sees nothing wrong with them, which is why there are other tests. */
START_TEST(a_philox_of_four_rounds_is_noticed) {
  uint64_t lag = 0;
  battery_draw_weakly(42, 4, battery.first);
  battery_draw_weakly(42, 5, battery.second);
  const double rate =
      statistics_rate_z(statistics_count(battery.first, battery.n), battery.n, 0.5);
  battery_expect_z(rate, 5.0, "keep rate of 4 rounds, p = 0.5");
  const double worst = find_worst_lag(battery.first, 0.5, &lag);
  battery_expect_noticed_z(worst, "lag %llu of 4 rounds", (unsigned long long)lag);
  const double across =
      statistics_correlation_z(battery.first, battery.second, battery.n, 0, 0.5);
  battery_expect_noticed_z(across, "offset + 1 of 4 rounds");
  battery_draw_weakly(43, 4, battery.second);
  const double reseeded =
      statistics_correlation_z(battery.first, battery.second, battery.n, 0, 0.5);
  battery_expect_noticed_z(reseeded, "seed + 1 of 4 rounds");
}
END_TEST

/* One element of 256 repeats the one 64 before it: z is to be a 256th of sqrt(n). */
START_TEST(a_faint_echo_is_noticed) {
  uint64_t lag = 0;
  battery_draw(42, 4, 0.5, battery.first);
  for (uint64_t word = 4; word < battery.n / 64; word += 4)
    battery.first[word] =
        (battery.first[word] & ~(uint64_t)1) | (battery.first[word - 1] & 1);
  const double worst = find_worst_lag(battery.first, 0.5, &lag);
  const double mean = sqrt((double)battery.n) / 256;
  battery_expect_noticed_z(worst, "lag %llu, an echo of 64 in 1 of 256, %+.1f expected",
                           (unsigned long long)lag, mean);
  ck_assert_uint_eq(lag, 64);
  ck_assert_double_lt(fabs(worst - mean), 5.0);
}
END_TEST

void battery_add_correlations(TCase *tests, bool whole) {
  tcase_add_loop_test(tests, no_element_depends_on_an_earlier_one, 0, BATTERY_RATES);
  tcase_add_loop_test(tests, offsets_are_independent, 0, whole ? BATTERY_RATES : 1);
  tcase_add_loop_test(tests, seeds_are_independent, 0, whole ? BATTERY_RATES : 1);
  tcase_add_test(tests, a_philox_of_four_rounds_is_noticed);
  tcase_add_test(tests, a_faint_echo_is_noticed);
}
