/*
 * test_large.c - what only a GPU is fast and large enough for: tensors past 2^32 elements,
 * and keep rates over 2^37 draws, sharp enough to see a p of 16 bits.
 */
#include <cuda_runtime_api.h>
#include <math.h>
#include <string.h>

#include "cudrop/mask.h"
#include "suite.h"

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, CUDROP_CUDA, 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

/* A window of y, which is what dropping ones gives from element `first` on. */
static void expect_window(const uint8_t *y, int64_t first, const cudrop_mask_t *mask) {
  enum { WINDOW = 4096 };
  static uint8_t got[WINDOW];
  const uint8_t two = 0x40; /* in E5M2: survivors of p = 0.5 are doubled */
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(mask->p);
  ck_assert_ok(cudrop_download(context, got, y + first, sizeof got));
  for (int64_t e = 0; e < WINDOW; ++e)
    ck_assert_uint_eq(
        got[e], cudrop_mask_keep(mask->seed, mask->offset,
                                 mask->index_base + (uint64_t)(first + e), threshold)
                    ? two
                    : 0);
}

/* 2^32 + 2^20 elements of one byte: in one piece, and one element off. */
START_TEST(indices_past_two_to_the_32_are_right) {
  const int64_t n = ((int64_t)1 << 32) + (1 << 20), shift = _i;
  const cudrop_mask_t mask = cudrop_mask(42, 7, 0.5);
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(context, (size_t)(n + shift), &buffer));
  uint8_t *data = (uint8_t *)buffer + shift;
  ck_assert_int_eq(cudaMemset(buffer, 0x3c, (size_t)(n + shift)), cudaSuccess); /* 1.0 */
  ck_assert_int_eq(cudaDeviceSynchronize(), cudaSuccess);
  const cudrop_tensor_t tensor = cudrop_vector(data, CUDROP_F8E5M2, n);
  ck_assert_ok(cudrop_forward(context, &tensor, &mask, &tensor));
  static const int64_t places[] = {0, (int64_t)1 << 31, (int64_t)1 << 32};
  for (size_t k = 0; k < sizeof places / sizeof places[0]; ++k) {
    expect_window(data, places[k], &mask);
    if (k > 0) expect_window(data, places[k] - 2048, &mask);
  }
  expect_window(data, n - 4096, &mask);
  ck_assert_ok(cudrop_free(context, &buffer));
}
END_TEST

/* How many of 2^37 elements are kept; none of them lies in memory. */
static uint64_t count(double p) {
  const int64_t n = (int64_t)1 << 37;
  const cudrop_mask_t mask = cudrop_mask(2026, 1, p);
  void *total = NULL;
  uint64_t kept = 0;
  ck_assert_ok(cudrop_alloc(context, sizeof kept, &total));
  ck_assert_ok(cudrop_count_kept(context, &mask, 1, &n, total));
  ck_assert_ok(cudrop_download(context, &kept, total, sizeof kept));
  ck_assert_ok(cudrop_free(context, &total));
  return kept;
}

static const double rates[] = {1e-6, 0.1, 0.25, 1.0 / 3, 0.5, 0.7, 0.9};
enum { RATES = sizeof rates / sizeof rates[0] };

START_TEST(the_keep_rate_is_exact_over_two_to_the_37_draws) {
  const double n = 0x1p37, q = 1.0 - rates[_i];
  const double z = ((double)count(rates[_i]) - n * q) / sqrt(n * q * (1.0 - q));
  ck_assert_double_lt(fabs(z), 5.0);
}
END_TEST

START_TEST(a_rate_cut_to_16_bits_would_be_noticed) {
  const double n = 0x1p37, q = 0.9, cut = floor(0.1 * 65536) / 65536;
  const double z = ((double)count(cut) - n * q) / sqrt(n * q * (1.0 - q));
  ck_assert_double_gt(fabs(z), 8.0);
}
END_TEST

START_TEST(memory_returns_to_where_it_was) {
  cudaMemPool_t pool = NULL;
  uint64_t before = 0, after = 1;
  ck_assert_int_eq(cudaDeviceGetDefaultMemPool(&pool, 0), cudaSuccess);
  ck_assert_int_eq(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &before),
                   cudaSuccess);
  for (int k = 0; k < 100; ++k) {
    const cudrop_mask_t mask = cudrop_mask(1, (uint64_t)k, 0.5);
    void *buffer = NULL;
    ck_assert_ok(cudrop_alloc(context, 1 << 20, &buffer));
    const cudrop_tensor_t tensor = cudrop_vector(buffer, CUDROP_U8, 1 << 20);
    ck_assert_ok(cudrop_export_bytes(context, &mask, &tensor));
    ck_assert_ok(cudrop_free(context, &buffer));
  }
  ck_assert_ok(cudrop_synchronize(context));
  ck_assert_int_eq(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &after),
                   cudaSuccess);
  ck_assert_uint_eq(before, after);
}
END_TEST

static TCase *large_case(void) {
  TCase *tests = suite_case("large", 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, indices_past_two_to_the_32_are_right, 0, 2);
  tcase_add_loop_test(tests, the_keep_rate_is_exact_over_two_to_the_37_draws, 0, RATES);
  tcase_add_test(tests, a_rate_cut_to_16_bits_would_be_noticed);
  tcase_add_test(tests, memory_returns_to_where_it_was);
  return tests;
}

SUITE_MAIN("large", large_case())
