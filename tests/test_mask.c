/* test_mask.c - philox.h and mask.h against the oracle, Random123 and the known answers. */
#include "cudrop/mask.h"

#include <Random123/philox.h>

#include "oracle.h"
#include "suite.h"

static const uint64_t words[] = {0,
                                 1,
                                 42,
                                 0x7fffffff,
                                 0xffffffff,
                                 0x100000000,
                                 0x123456789abcdef0,
                                 0x7fffffffffffffff,
                                 0xfedcba9876543210,
                                 UINT64_MAX - 1,
                                 UINT64_MAX};
enum { WORDS = sizeof words / sizeof words[0] };

static const uint64_t indices[] = {
    0, 1, 7, 8, 12345, 0x7ffffffff, 0x800000000, 0x10000000008, 0x7ffffffffffffff};
enum { INDICES = sizeof indices / sizeof indices[0] };

static const double rates[] = {0.0,  0x1p-1074, 0x1p-80, 1e-8, 1e-6,          0.1, 0.1f,
                               0.25, 1.0 / 3,   0.5,     0.9,  1.0 - 0x1p-53, 1.0};
enum { RATES = sizeof rates / sizeof rates[0] };

START_TEST(philox_equals_the_oracle_and_random123) {
  for (int low = 0; low < WORDS; ++low) {
    for (int high = 0; high < WORDS; ++high) {
      const uint64_t c0 = words[low], c1 = words[high], k = words[_i];
      const uint32_t counter[] = {(uint32_t)c0, (uint32_t)(c0 >> 32), (uint32_t)c1,
                                  (uint32_t)(c1 >> 32)};
      const uint32_t key[] = {(uint32_t)k, (uint32_t)(k >> 32)};
      const cudrop_philox_block_t ours = cudrop_philox(
          (cudrop_philox_block_t){{counter[0], counter[1], counter[2], counter[3]}},
          (cudrop_philox_key_t){{key[0], key[1]}});
      uint32_t slow[4];
      oracle_philox(counter, key, 10, slow);
      const philox4x32_ctr_t theirs = philox4x32_R(
          10, (philox4x32_ctr_t){{counter[0], counter[1], counter[2], counter[3]}},
          (philox4x32_key_t){{key[0], key[1]}});
      ck_assert_mem_eq(ours.word, slow, sizeof slow);
      ck_assert_mem_eq(ours.word, theirs.v, sizeof slow);
    }
  }
}
END_TEST

START_TEST(keep_equals_the_oracle) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(rates[_i]);
  for (int s = 0; s < WORDS; ++s) {
    for (int o = 0; o < WORDS; ++o) {
      for (int i = 0; i < INDICES; ++i) {
        const bool want = oracle_keep(words[s], words[o], indices[i], rates[_i]);
        const unsigned group =
            cudrop_mask_keep_group(words[s], words[o], indices[i] >> 3, threshold);
        ck_assert_int_eq(cudrop_mask_keep(words[s], words[o], indices[i], threshold),
                         want);
        ck_assert_int_eq(group >> (indices[i] & 7) & 1, want);
      }
    }
  }
}
END_TEST

START_TEST(a_forced_tie_is_decided_by_the_refinement) {
  for (uint64_t index = 0; index < 5000; ++index) {
    const uint64_t refinement = oracle_refinement(9, 8, index);
    cudrop_mask_threshold_t threshold = {oracle_digit(9, 8, index), refinement};
    ck_assert_int_eq(cudrop_mask_keep(9, 8, index, threshold), 1);
    ck_assert_int_eq(cudrop_mask_keep_group(9, 8, index / 8, threshold) >> index % 8 & 1,
                     1);
    threshold.t1 = refinement + 1;
    ck_assert_int_eq(cudrop_mask_keep(9, 8, index, threshold), 0);
    ck_assert_int_eq(cudrop_mask_keep_group(9, 8, index / 8, threshold) >> index % 8 & 1,
                     0);
    threshold.t1 = 0;
    ck_assert_int_eq(cudrop_mask_keep(9, 8, index, threshold), 1);
  }
}
END_TEST

START_TEST(kept_sets_are_nested_in_p) {
  static const double rising[] = {0.0,     1e-6, 1e-3, 0.1, 0.1f, 0.3,
                                  1.0 / 3, 0.5,  0.7,  0.9, 1.0};
  for (uint64_t group = 0; group < 20000; ++group) {
    unsigned kept = 0xff;
    for (size_t r = 0; r < sizeof rising / sizeof rising[0]; ++r) {
      const unsigned now =
          cudrop_mask_keep_group(42, 0, group, cudrop_mask_threshold(rising[r]));
      ck_assert_uint_eq(now & ~kept, 0);
      kept = now;
    }
    ck_assert_uint_eq(kept, 0);
  }
}
END_TEST

START_TEST(thresholds_hold_every_bit_of_p) {
  for (int r = 0; r < RATES; ++r) {
    if (rates[r] < 0x1p-28 && rates[r] > 0.0) continue; /* bits below 2^-80 are lost */
    const cudrop_mask_threshold_t t = cudrop_mask_threshold(rates[r]);
    const long double back = (long double)t.t0 * 0x1p-16L + (long double)t.t1 * 0x1p-80L;
    ck_assert(back == (long double)rates[r]);
  }
  const cudrop_mask_threshold_t tiny = cudrop_mask_threshold(0x1p-81);
  ck_assert_uint_eq(tiny.t0, 0);
  ck_assert(tiny.t1 == 0);
}
END_TEST

START_TEST(scales_are_rounded_once_and_are_zero_for_rate_one) {
  ck_assert(cudrop_mask_scale(0.5) == 2.0f);
  ck_assert(cudrop_mask_scale(0.1) == (float)(1.0 / 0.9));
  ck_assert(cudrop_mask_scale_f64(0.3) == 1.0 / (1.0 - 0.3));
  ck_assert(cudrop_mask_scale(0.0) == 1.0f);
  ck_assert(cudrop_mask_scale(1.0) == 0.0f);
  ck_assert(cudrop_mask_scale(1.0 - 0x1p-53) == 0x1p53f);
}
END_TEST

START_TEST(children_of_a_seed_differ) {
  enum { CHILDREN = 2000 };
  uint64_t child[CHILDREN];
  for (uint64_t id = 0; id < CHILDREN; ++id) {
    child[id] = cudrop_mask_child(42, id);
    for (uint64_t other = 0; other < id; ++other) ck_assert(child[id] != child[other]);
  }
}
END_TEST

/* Whose numbers have no padding between them. */
START_TEST(the_schedule_of_a_mask_is_that_of_its_numbers) {
  const cudrop_mask_t masks[] = {cudrop_mask(words[5], words[6], 0.25),
                                 cudrop_mask(words[6], words[5], rates[_i])};
  const cudrop_mask_schedule_t want = cudrop_mask_schedule(words[6], words[5], rates[_i]);
  const cudrop_mask_schedule_t got = CUDROP_SCHEDULE_OF(*(masks + 1));
  ck_assert_mem_eq(&got, &want, sizeof got);
}
END_TEST

static TCase *mask_case(void) {
  TCase *tests = suite_case("mask", 120);
  tcase_add_loop_test(tests, philox_equals_the_oracle_and_random123, 0, WORDS);
  tcase_add_loop_test(tests, keep_equals_the_oracle, 0, RATES);
  tcase_add_test(tests, a_forced_tie_is_decided_by_the_refinement);
  tcase_add_test(tests, kept_sets_are_nested_in_p);
  tcase_add_test(tests, thresholds_hold_every_bit_of_p);
  tcase_add_test(tests, scales_are_rounded_once_and_are_zero_for_rate_one);
  tcase_add_test(tests, children_of_a_seed_differ);
  tcase_add_loop_test(tests, the_schedule_of_a_mask_is_that_of_its_numbers, 0, RATES);
  return tests;
}

SUITE_MAIN("mask", mask_case())
