/* test_relations.c - what operators have to do with each other, and with arithmetic. */
#include <math.h>
#include <string.h>

#include "oracle.h"
#include "suite_context.h"
#include "view.h"

START_TEST(what_is_dropped_becomes_plus_zero_whatever_it_was) {
  const float hard[] = {NAN, -NAN, INFINITY, -INFINITY, -1.0f, -0.0f, 1e-45f, -3e38f};
  enum { N = sizeof hard / sizeof hard[0] };
  static const uint8_t zero[sizeof hard] = {0};
  float y[N];
  const uint8_t none = 0;
  const cudrop_tensor_t x = cudrop_vector(hard, CUDROP_F32, N);
  const cudrop_tensor_t out = cudrop_vector(y, CUDROP_F32, N);
  const cudrop_mask_t all = cudrop_mask(1, 1, 1.0);
  memset(y, 0xCA, sizeof y);
  ck_assert_ok(cudrop_forward(host, &x, &all, &out));
  ck_assert_mem_eq(y, zero, sizeof y);
  memset(y, 0xCA, sizeof y);
  ck_assert_ok(cudrop_apply_bits(host, &x, &none, 0.5, &out));
  ck_assert_mem_eq(y, zero, sizeof y);
}
END_TEST

/* |y - x / (1 - p)| in units of the last place of y stays within MASK.md's bounds. */
START_TEST(survivors_stay_within_the_stated_error) {
  static const struct {
    cudrop_dtype_t dtype;
    int digits;
    double bound;
  } types[] = {{CUDROP_BF16, 8, 0.5 + 0x1p-15},
               {CUDROP_F16, 11, 0.5 + 0x1p-12},
               {CUDROP_F32, 24, 1.5}};
  enum { N = 4096 };
  const int64_t n = N;
  view_t x = view_make(types[_i].dtype, 1, &n, NULL, 0);
  view_t y = view_make(types[_i].dtype, 1, &n, NULL, 0);
  for (int64_t e = 0; e < N; ++e)
    oracle_write(types[_i].dtype, 1.0 + (double)e / N, view_element(&x, e));
  const cudrop_mask_t mask = cudrop_mask(5, 5, 0.1);
  ck_assert_ok(cudrop_forward(host, &x.tensor, &mask, &y.tensor));
  int kept = 0;
  for (int64_t e = 0; e < N; ++e) {
    const double got = oracle_read(types[_i].dtype, view_element(&y, e));
    if (got == 0.0) continue;
    const double want = oracle_read(types[_i].dtype, view_element(&x, e)) / (1.0 - 0.1);
    const double unit = ldexp(1.0, (want < 2.0 ? 0 : 1) - (types[_i].digits - 1));
    ck_assert_double_le(fabs(got - want) / unit, types[_i].bound);
    ++kept;
  }
  ck_assert_int_gt(kept, N / 2);
  view_free(&x);
  view_free(&y);
}
END_TEST

/* Keep bytes of a whole [rows, cols] tensor, plain. */
static void draw_whole(uint8_t *keep, int64_t rows, int64_t cols, double p) {
  const cudrop_tensor_t whole = cudrop_matrix(keep, CUDROP_U8, rows, cols);
  const cudrop_mask_t mask = cudrop_mask(11, 12, p);
  ck_assert_ok(cudrop_export_bytes(host, &mask, &whole));
}

START_TEST(shards_together_equal_the_whole) {
  enum { ROWS = 13, COLS = 37 };
  static const int row_cuts[] = {0, 1, 7, ROWS}, col_cuts[] = {0, 5, 8, 30, COLS};
  uint8_t whole[ROWS * COLS] = {0}, parts[ROWS * COLS];
  const int64_t shape[] = {ROWS, COLS};
  draw_whole(whole, ROWS, COLS, 0.4);
  memset(parts, 0xCA, sizeof parts);
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 4; ++c) {
      const int64_t start[] = {row_cuts[r], col_cuts[c]};
      cudrop_tensor_t part =
          cudrop_matrix(parts + start[0] * COLS + start[1], CUDROP_U8,
                        row_cuts[r + 1] - row_cuts[r], col_cuts[c + 1] - col_cuts[c]);
      part.stride[0] = COLS;
      cudrop_mask_t mask = cudrop_mask(11, 12, 0.4);
      ck_assert_ok(cudrop_mask_shard(&mask, 2, shape, start));
      ck_assert_ok(cudrop_export_bytes(host, &mask, &part));
    }
  }
  ck_assert_mem_eq(whole, parts, sizeof whole);
}
END_TEST

START_TEST(shared_dimensions_shard_too) {
  enum { N = 4, C = 6, H = 3 };
  const int64_t shape[] = {N, C, H};
  uint8_t whole[N * C * H] = {0}, parts[N * C * H] = {0};
  const cudrop_tensor_t all = cudrop_tensor(whole, CUDROP_U8, 3, shape);
  cudrop_mask_t mask = cudrop_mask(3, 4, 0.5);
  ck_assert_ok(cudrop_mask_share(&mask, 3, shape, NULL, 1u << 2));
  ck_assert_ok(cudrop_export_bytes(host, &mask, &all));
  for (int e = 0; e < N * C * H; ++e) {
    ck_assert_uint_eq(whole[e], oracle_keep(3, 4, (uint64_t)(e / H), 0.5));
  }
  const int64_t half[] = {N, C / 2, H};
  for (int part = 0; part < 2; ++part) {
    const int64_t start[] = {0, part * C / 2, 0};
    cudrop_tensor_t view = all;
    memcpy(view.shape, half, sizeof half);
    view.data = parts + start[1] * H;
    ck_assert_ok(cudrop_mask_share(&mask, 3, shape, start, 1u << 2));
    ck_assert_ok(cudrop_export_bytes(host, &mask, &view));
  }
  ck_assert_mem_eq(whole, parts, sizeof whole);
}
END_TEST

START_TEST(a_transposed_tensor_drops_the_same_elements) {
  enum { ROWS = 13, COLS = 37 };
  uint8_t dense[ROWS * COLS] = {0}, turned[ROWS * COLS] = {0};
  draw_whole(dense, ROWS, COLS, 0.4);
  cudrop_tensor_t view = cudrop_matrix(turned, CUDROP_U8, ROWS, COLS);
  view.stride[0] = 1;
  view.stride[1] = ROWS;
  const cudrop_mask_t mask = cudrop_mask(11, 12, 0.4);
  ck_assert_ok(cudrop_export_bytes(host, &mask, &view));
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < COLS; ++c)
      ck_assert_uint_eq(dense[r * COLS + c], turned[c * ROWS + r]);
}
END_TEST

START_TEST(a_sample_of_many_equals_the_same_sample_alone) {
  enum { SAMPLES = 7, N = 45 };
  float x[N], all[SAMPLES * N], one[N];
  for (int i = 0; i < N; ++i) x[i] = (float)(i + 1);
  cudrop_tensor_t repeated = cudrop_matrix(x, CUDROP_F32, SAMPLES, N);
  repeated.stride[0] = 0;
  const cudrop_tensor_t y = cudrop_matrix(all, CUDROP_F32, SAMPLES, N);
  const cudrop_mask_t mask = cudrop_mask(8, 9, 0.5);
  ck_assert_ok(cudrop_forward(host, &repeated, &mask, &y));
  const cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, N);
  const cudrop_tensor_t out = cudrop_vector(one, CUDROP_F32, N);
  for (int t = 0; t < SAMPLES; ++t) {
    cudrop_mask_t sample = mask;
    sample.index_base = (uint64_t)(t * N);
    ck_assert_ok(cudrop_forward(host, &in, &sample, &out));
    ck_assert_mem_eq(one, all + t * N, sizeof one);
  }
}
END_TEST

START_TEST(writing_a_mask_out_and_applying_it_is_forward) {
  enum { N = 1001 };
  float x[N], direct[N], through_bits[N], through_bytes[N];
  uint8_t bits[(N + 7) / 8], bytes[N];
  const int64_t n = N;
  for (int i = 0; i < N; ++i) x[i] = sinf((float)i);
  const cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, N);
  const cudrop_tensor_t outs[] = {cudrop_vector(direct, CUDROP_F32, N),
                                  cudrop_vector(through_bits, CUDROP_F32, N),
                                  cudrop_vector(through_bytes, CUDROP_F32, N)};
  const cudrop_tensor_t keep = cudrop_vector(bytes, CUDROP_U8, N);
  const cudrop_mask_t mask = cudrop_mask(21, 22, 0.1);
  ck_assert_ok(cudrop_forward(host, &in, &mask, &outs[0]));
  ck_assert_ok(cudrop_export_bits(host, &mask, 1, &n, bits));
  ck_assert_ok(cudrop_apply_bits(host, &in, bits, mask.p, &outs[1]));
  ck_assert_ok(cudrop_export_bytes(host, &mask, &keep));
  ck_assert_ok(cudrop_apply_bytes(host, &in, &keep, mask.p, &outs[2]));
  ck_assert_mem_eq(direct, through_bits, sizeof direct);
  ck_assert_mem_eq(direct, through_bytes, sizeof direct);
}
END_TEST

static TCase *relations_case(void) {
  TCase *tests = suite_case("relations", 60);
  tcase_add_checked_fixture(tests, open_host, close_host);
  tcase_add_test(tests, what_is_dropped_becomes_plus_zero_whatever_it_was);
  tcase_add_loop_test(tests, survivors_stay_within_the_stated_error, 0, 3);
  tcase_add_test(tests, shards_together_equal_the_whole);
  tcase_add_test(tests, shared_dimensions_shard_too);
  tcase_add_test(tests, a_transposed_tensor_drops_the_same_elements);
  tcase_add_test(tests, a_sample_of_many_equals_the_same_sample_alone);
  tcase_add_test(tests, writing_a_mask_out_and_applying_it_is_forward);
  return tests;
}

SUITE_MAIN("relations", relations_case())
