/* rates.c - how many elements are kept, at one p and between two. */
#include <math.h>

#include "battery.h"
#include "statistics.h"

static const uint64_t seeds[] = {42, 0, 0x123456789abcdef0};
enum { SEEDS = sizeof seeds / sizeof seeds[0] };

START_TEST(the_keep_rate_is_one_minus_p) {
  const double p = battery_rates[_i % BATTERY_RATES];
  const uint64_t seed = seeds[_i / BATTERY_RATES];
  const double z = statistics_rate_z(battery_count(seed, 1, p), battery.draws, 1.0 - p);
  battery_expect_z(z, 5.0, "keep rate, p = %.4g, seed %#llx", p,
                   (unsigned long long)seed);
}
END_TEST

/* What z is on average if elements are dropped with probability `is` and not p. */
static double expect_z_of_error(double is, double p) {
  return (p - is) * sqrt((double)battery.draws / (p * (1.0 - p)));
}

START_TEST(a_rate_that_is_off_by_a_thousandth_is_noticed) {
  const double p = 0.1, is = 0.1 + 1e-3, mean = expect_z_of_error(is, p);
  const double z = statistics_rate_z(battery_count(42, 1, is), battery.draws, 1.0 - p);
  battery_expect_noticed_z(z, "keep rate, p = 0.101 for 0.1, %+.1f expected", mean);
  ck_assert_double_lt(fabs(z - mean), 5.0);
}
END_TEST

/*
 * p in so many bits as this number of draws can just tell from p itself: z is to reach 8 even
 * where chance takes 5 from it. 16 bits need 2^37 draws, which test_large makes on a GPU.
 */
START_TEST(a_rate_cut_to_too_few_bits_is_noticed) {
  const double p = 0.1;
  int bits = 16;
  double cut = 0.0, mean = 0.0;
  for (; bits > 0 && mean < 13.0; --bits) {
    cut = floor(ldexp(p, bits)) / ldexp(1.0, bits);
    mean = expect_z_of_error(cut, p);
  }
  ck_assert_double_ge(mean, 13.0);
  const double z = statistics_rate_z(battery_count(42, 1, cut), battery.draws, 1.0 - p);
  battery_expect_noticed_z(z, "keep rate, 0.1 cut to %d bits, %+.1f expected", bits + 1,
                           mean);
  ck_assert_double_lt(fabs(z - mean), 5.0);
}
END_TEST

/* Two of these share their digit, so that a refinement tells them apart. */
static const double rising[] = {0.0,     1e-6, 1e-3, 0.1, 0.1 + 4e-6, 0.25,
                                1.0 / 3, 0.5,  0.7,  0.9, 1.0};
enum { RISING = sizeof rising / sizeof rising[0] };

/* How many elements are kept in `second` and not in `first`, and the other way round. */
static void count_changes(uint64_t *gained, uint64_t *lost) {
  *gained = *lost = 0;
  for (uint64_t word = 0; word < battery.n / 64; ++word) {
    const uint64_t before = battery.first[word], after = battery.second[word];
    *gained += (uint64_t)__builtin_popcountll(after & ~before);
    *lost += (uint64_t)__builtin_popcountll(before & ~after);
  }
}

START_TEST(what_is_kept_at_p_is_kept_at_every_smaller_p) {
  for (int k = 0; k + 1 < RISING; ++k) {
    uint64_t gained = 0, lost = 0;
    battery_draw(11, 8, rising[k], battery.first);
    battery_draw(11, 8, rising[k + 1], battery.second);
    count_changes(&gained, &lost);
    ck_assert_uint_eq(gained, 0);
    const double z = statistics_rate_z(lost, battery.n, rising[k + 1] - rising[k]);
    battery_expect_z(z, 5.0, "dropped between p = %.7g and %.7g, none kept anew",
                     rising[k], rising[k + 1]);
  }
}
END_TEST

/* The control: what is counted as 0 above would be seen. */
START_TEST(masks_of_two_offsets_are_not_nested) {
  uint64_t gained = 0, lost = 0;
  battery_draw(11, 8, 0.1, battery.first);
  battery_draw(11, 9, 0.5, battery.second);
  count_changes(&gained, &lost);
  const double z = statistics_rate_z(gained, battery.n, 0.1 * 0.5);
  battery_expect_z(z, 5.0, "control: kept anew at p = 0.5 and another offset");
  ck_assert_uint_gt(gained, 0);
}
END_TEST

void battery_add_rates(TCase *tests) {
  tcase_add_loop_test(tests, the_keep_rate_is_one_minus_p, 0, BATTERY_RATES * SEEDS);
  tcase_add_test(tests, a_rate_that_is_off_by_a_thousandth_is_noticed);
  tcase_add_test(tests, a_rate_cut_to_too_few_bits_is_noticed);
  tcase_add_test(tests, what_is_kept_at_p_is_kept_at_every_smaller_p);
  tcase_add_test(tests, masks_of_two_offsets_are_not_nested);
}
