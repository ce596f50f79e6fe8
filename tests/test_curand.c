/* test_curand.c - a mask audited with stock cuRAND, which runs on the host for this. */
#include <curand.h>
#include <stdlib.h>

#include "cudrop/mask.h"
#include "suite.h"

/* cuda/curand_device.cpp */
void curand_device_block(uint64_t seed, uint64_t subsequence, uint64_t offset,
                         uint32_t block[4]);

static const uint64_t seeds[] = {0, 42, 0xffffffff, 0x123456789abcdef0, UINT64_MAX};
static const uint64_t offsets[] = {0, 1, 0x3fffffff, 0x40000000, 0x3fffffffffffffff};
static const uint64_t groups[] = {0, 1, 0xffffffff, 0x100000000, 0xffffffffffffff};

START_TEST(a_group_is_a_subsequence_of_curand) {
  const uint64_t seed = seeds[_i];
  for (size_t o = 0; o < sizeof offsets / sizeof offsets[0]; ++o) {
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; ++g) {
      uint32_t theirs[4];
      const cudrop_philox_block_t ours = cudrop_mask_block(seed, offsets[o], groups[g]);
      curand_device_block(seed, groups[g], 4 * offsets[o], theirs);
      ck_assert_mem_eq(ours.word, theirs, sizeof theirs);
    }
  }
}
END_TEST

START_TEST(a_refinement_is_a_subsequence_of_curand) {
  const uint64_t seed = seeds[_i];
  for (size_t o = 0; o < sizeof offsets / sizeof offsets[0]; ++o) {
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; ++g) {
      for (uint64_t lane = 0; lane < 8; ++lane) {
        uint32_t theirs[4];
        curand_device_block(seed, groups[g] | (1 + lane) << 56, 4 * offsets[o], theirs);
        ck_assert(cudrop_mask_refinement(seed, offsets[o], groups[g] * 8 + lane) ==
                  ((uint64_t)theirs[1] << 32 | theirs[0]));
      }
    }
  }
}
END_TEST

/* The host generator gives block j of its output from subsequence j mod 65536. */
START_TEST(the_host_generator_of_curand_gives_the_same_blocks) {
  enum { SUBSEQUENCES = 65536, BLOCKS = 2 * SUBSEQUENCES };
  curandGenerator_t generator;
  uint32_t *words = malloc(BLOCKS * 4 * sizeof *words);
  ck_assert_ptr_nonnull(words);
  ck_assert_int_eq(curandCreateGeneratorHost(&generator, CURAND_RNG_PSEUDO_PHILOX4_32_10),
                   CURAND_STATUS_SUCCESS);
  ck_assert_int_eq(curandSetPseudoRandomGeneratorSeed(generator, 42),
                   CURAND_STATUS_SUCCESS);
  ck_assert_int_eq(curandGenerate(generator, words, BLOCKS * 4), CURAND_STATUS_SUCCESS);
  for (uint64_t j = 0; j < BLOCKS; ++j) {
    const cudrop_philox_block_t ours =
        cudrop_mask_block(42, j / SUBSEQUENCES, j % SUBSEQUENCES);
    ck_assert_mem_eq(ours.word, words + 4 * j, sizeof ours.word);
  }
  ck_assert_int_eq(curandDestroyGenerator(generator), CURAND_STATUS_SUCCESS);
  free(words);
}
END_TEST

static TCase *curand_case(void) {
  TCase *tests = suite_case("curand", 120);
  tcase_add_loop_test(tests, a_group_is_a_subsequence_of_curand, 0, 5);
  tcase_add_loop_test(tests, a_refinement_is_a_subsequence_of_curand, 0, 5);
  tcase_add_test(tests, the_host_generator_of_curand_gives_the_same_blocks);
  return tests;
}

SUITE_MAIN("curand", curand_case())
