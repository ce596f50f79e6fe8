/* test_mask_in_cuda.c - the host pass of nvcc gives the bits that gcc gives. */
#include "oracle.h"
#include "suite.h"

/* cuda/mask_in_cuda.cu */
int keep_in_cuda(uint64_t seed, uint64_t offset, uint64_t index, double p);

START_TEST(nvcc_on_the_host_gives_the_oracles_bits) {
  static const double rates[] = {0.0, 1e-6, 0.1, 1.0 / 3, 0.5, 0.9, 1.0};
  for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r)
    for (uint64_t index = 0; index < 3000; ++index)
      ck_assert_int_eq(keep_in_cuda(42, 7, index * 0x10000001, rates[r]),
                       oracle_keep(42, 7, index * 0x10000001, rates[r]));
}
END_TEST

static TCase *mask_in_cuda_case(void) {
  TCase *tests = suite_case("mask in cuda", 60);
  tcase_add_test(tests, nvcc_on_the_host_gives_the_oracles_bits);
  return tests;
}

SUITE_MAIN("mask in cuda", mask_in_cuda_case())
