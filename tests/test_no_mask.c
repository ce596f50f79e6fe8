/* test_no_mask.c - elementwise operators without a mask, and with a block that the library made. */
#include "suite.h"

enum { SIDE = 13, N = SIDE * SIDE };

/* Call elementwise operator number `which`, from x to y. */
static cudrop_status_t call_elementwise(cudrop_context_t *context, int which, void *x,
                                        const cudrop_mask_t *mask, void *y) {
  const int64_t shape[] = {SIDE, SIDE};
  const cudrop_tensor_t from = cudrop_matrix(x, CUDROP_F32, SIDE, SIDE);
  const cudrop_tensor_t to = cudrop_matrix(y, CUDROP_F32, SIDE, SIDE);
  const cudrop_tensor_t bytes = cudrop_matrix(y, CUDROP_U8, SIDE, SIDE);
  switch (which) {
    case 0:
      return cudrop_forward(context, &from, mask, &to);
    case 1:
      return cudrop_backward(context, &from, mask, &to);
    case 2:
      return cudrop_backward_accumulate(context, &from, mask, &to);
    case 3:
      return cudrop_alpha_forward(context, &from, mask, &to);
    case 4:
      return cudrop_alpha_backward(context, &from, mask, &to);
    case 5:
      return cudrop_export_bits(context, mask, 2, shape, y);
    case 6:
      return cudrop_export_bytes(context, mask, &bytes);
    case 7:
      return cudrop_export_scale(context, mask, &to);
    default:
      return cudrop_count_kept(context, mask, 2, shape, y);
  }
}
enum { ELEMENTWISE = 9 };

/* Write to y what the operator makes of a y of 0.5 and of an x that differs everywhere. */
static void run_elementwise(cudrop_context_t *context, int which,
                            const cudrop_mask_t *mask, float y[N]) {
  void *x_buffer = NULL, *y_buffer = NULL;
  float x[N];
  for (int e = 0; e < N; ++e) {
    x[e] = (float)e * 0.37f - 20.0f;
    y[e] = 0.5f;
  }
  ck_assert_ok(cudrop_alloc(context, sizeof x, &x_buffer));
  ck_assert_ok(cudrop_alloc(context, sizeof x, &y_buffer));
  ck_assert_ok(cudrop_upload(context, x_buffer, x, sizeof x));
  ck_assert_ok(cudrop_upload(context, y_buffer, y, sizeof x));
  ck_assert_ok(call_elementwise(context, which, x_buffer, mask, y_buffer));
  ck_assert_ok(cudrop_download(context, y, y_buffer, sizeof x));
  ck_assert_ok(cudrop_free(context, &x_buffer));
  ck_assert_ok(cudrop_free(context, &y_buffer));
}

START_TEST(no_mask_keeps_everything) {
  const cudrop_mask_t all_kept = cudrop_mask(1, 2, 0.0), half = cudrop_mask(1, 2, 0.5);
  cudrop_context_t *context = NULL;
  float got[N], want[N], other[N];
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  run_elementwise(context, _i, NULL, got);
  run_elementwise(context, _i, &all_kept, want);
  run_elementwise(context, _i, &half, other);
  ck_assert_mem_eq(got, want, sizeof got);
  ck_assert_mem_ne(got, other, sizeof got);
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(a_block_that_is_made_drops_what_its_mask_does) {
  const cudrop_mask_t mask = cudrop_mask(5, 6, 0.25);
  cudrop_context_t *context = NULL;
  cudrop_prepared_t *block = NULL;
  float got[N], want[N];
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  ck_assert_ok(cudrop_prepared_create(context, &mask, &block));
  const cudrop_mask_t prepared = cudrop_prepared_mask(block, 0);
  run_elementwise(context, 0, &prepared, got);
  run_elementwise(context, 0, &mask, want);
  ck_assert_mem_eq(got, want, sizeof got);
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
  ck_assert_ptr_null(block);
  ck_assert_ok(cudrop_prepared_destroy(context, &block)); /* NULL is fine */
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

static TCase *no_mask_case(void) {
  TCase *tests = suite_case("no_mask", 60);
  tcase_add_loop_test(tests, no_mask_keeps_everything, 0, ELEMENTWISE);
  tcase_add_test(tests, a_block_that_is_made_drops_what_its_mask_does);
  return tests;
}

SUITE_MAIN("no_mask", no_mask_case())
