/* test_geometry.c - which walk the CUDA backend takes, decided without a GPU. */
#include "cuda/geometry.h"

#include "core/tensor.h"
#include "sample_operators.h"
#include "suite.h"

/* Addresses only: nothing here touches memory. */
static char *const base = (char *)0x10000; /* NOLINT(performance-no-int-to-ptr) */

static const cudropi_op_t drop = OPERATOR(
    CUDROPI_NUMBERS, CUDROPI_NUMBERS, CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_SCALE, false);
static const cudropi_op_t accumulate =
    FLOATS_OPERATOR(CUDROPI_KERNEL_ACCUMULATE, CUDROPI_KERNEL_ACCUMULATE, false);
static const cudropi_op_t alpha =
    FLOATS_OPERATOR(CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_AFFINE, true);
static const cudropi_op_t export_scale = OPERATOR(
    CUDROPI_NUMBERS, CUDROPI_NUMBERS, CUDROPI_KERNEL_FILL, CUDROPI_KERNEL_FILL, false);
static const cudropi_op_t export_bits = OPERATOR(
    CUDROPI_NUMBERS, CUDROPI_BITS, CUDROPI_KERNEL_BITS, CUDROPI_KERNEL_BITS, false);

static cudropi_plan_t plan_of(const cudropi_op_t *op, const cudrop_tensor_t *x,
                              const cudrop_mask_t *mask, const cudrop_tensor_t *y) {
  const cudropi_call_t call = make_call(op, x, mask, y);
  return cudropi_plan(&call);
}

static cudropi_walk_t walk_of(const cudropi_op_t *op, const cudrop_tensor_t *x, double p,
                              uint64_t index_base, const cudrop_tensor_t *y) {
  cudrop_mask_t mask = cudrop_mask(1, 2, p);
  mask.index_base = index_base;
  cudropi_plan_t plan = plan_of(op, x, &mask, y);
  cudropi_order_dimensions(&plan);
  return cudropi_choose_walk(&plan);
}

START_TEST(aligned_memory_in_one_piece_is_dense) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                          CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
  for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; ++d) {
    const size_t size = cudrop_dtype_bytes(dtypes[d]);
    const cudrop_tensor_t x = cudrop_matrix(base, dtypes[d], 5, 7);
    const cudrop_tensor_t y = cudrop_matrix(base + 4096, dtypes[d], 5, 7);
    const cudrop_tensor_t odd = cudrop_matrix(base + size, dtypes[d], 5, 7);
    const cudrop_tensor_t x16 = cudrop_matrix(base + 16, dtypes[d], 5, 7);
    const cudrop_tensor_t y16 = cudrop_matrix(base + 4096 + 16, dtypes[d], 5, 7);
    const cudrop_tensor_t by8 = cudrop_matrix(base + 8, dtypes[d], 5, 7);
    ck_assert_int_eq(walk_of(&drop, &x, 0.5, 0, &y), CUDROPI_WALK_DENSE);
    ck_assert_int_eq(walk_of(&drop, &x, 0.5, 8, &y), CUDROPI_WALK_DENSE);
    ck_assert_int_eq(walk_of(&drop, &x, 0.5, 4, &y), CUDROPI_WALK_GENERAL);
    ck_assert_int_eq(walk_of(&drop, &odd, 0.5, 0, &y), CUDROPI_WALK_GENERAL);
    ck_assert_int_eq(walk_of(&drop, &y, 0.5, 0, &odd), CUDROPI_WALK_GENERAL);
    ck_assert_int_eq(walk_of(&export_scale, NULL, 0.5, 0, &y), CUDROPI_WALK_DENSE);
    ck_assert_int_eq(walk_of(&drop, &x16, 0.5, 0, &y16), CUDROPI_WALK_DENSE);
    ck_assert_int_eq(walk_of(&drop, &by8, 0.5, 0, &y16), CUDROPI_WALK_GENERAL);
  }
}
END_TEST

START_TEST(rates_of_zero_and_one_copy_and_clear) {
  const cudrop_tensor_t x = cudrop_vector(base, CUDROP_F16, 100);
  const cudrop_tensor_t y = cudrop_vector(base + 4098, CUDROP_F16, 100);
  ck_assert_int_eq(walk_of(&drop, &x, 0.0, 3, &y), CUDROPI_WALK_COPY);
  ck_assert_int_eq(walk_of(&alpha, &x, 0.0, 3, &y), CUDROPI_WALK_COPY);
  ck_assert_int_eq(walk_of(&drop, &x, 0.0, 3, &x), CUDROPI_WALK_NONE);
  ck_assert_int_eq(walk_of(&drop, &x, 1.0, 3, &y), CUDROPI_WALK_CLEAR);
  ck_assert_int_eq(walk_of(&export_scale, NULL, 1.0, 3, &y), CUDROPI_WALK_CLEAR);
  ck_assert_int_eq(walk_of(&accumulate, &x, 1.0, 3, &y), CUDROPI_WALK_NONE);
  ck_assert_int_eq(walk_of(&accumulate, &x, 0.0, 3, &y), CUDROPI_WALK_GENERAL);

  const cudrop_mask_t none = cudrop_mask(1, 2, 1.0);
  const cudropi_plan_t plan = plan_of(&drop, &x, &none, &y);
  ck_assert_uint_eq(cudropi_walk_bytes(&plan), 200);
}
END_TEST

START_TEST(what_is_strided_or_shared_is_general) {
  const int64_t shape[] = {4, 6};
  cudrop_tensor_t x = cudrop_matrix(base, CUDROP_F32, 4, 6);
  cudrop_tensor_t y = cudrop_matrix(base + 4096, CUDROP_F32, 4, 6);
  cudrop_mask_t rows = cudrop_mask(1, 2, 0.5);
  ck_assert_ok(cudrop_mask_share(&rows, 2, shape, NULL, 1u << 1));
  cudropi_plan_t plan = plan_of(&drop, &x, &rows, &y);
  ck_assert_int_eq(cudropi_choose_walk(&plan), CUDROPI_WALK_GENERAL);
  x.stride[0] = 8;
  ck_assert_int_eq(walk_of(&drop, &x, 0.5, 0, &y), CUDROPI_WALK_GENERAL);
  ck_assert_int_eq(walk_of(&drop, &x, 0.0, 0, &y), CUDROPI_WALK_GENERAL);
  y.stride[0] = 8;
  ck_assert_int_eq(walk_of(&drop, &x, 1.0, 0, &y), CUDROPI_WALK_GENERAL);
}
END_TEST

START_TEST(the_dimension_in_which_y_is_in_one_piece_goes_innermost) {
  cudrop_tensor_t y = cudrop_matrix(base, CUDROP_F32, 4, 6);
  y.stride[0] = 1;
  y.stride[1] = 4;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  cudropi_plan_t plan = plan_of(&drop, &y, &mask, &y);
  cudropi_order_dimensions(&plan);
  ck_assert_int_eq(plan.rank, 2);
  ck_assert_int_eq(plan.shape[0], 6);
  ck_assert_int_eq(plan.shape[1], 4);
  ck_assert_int_eq(plan.operand[CUDROPI_Y].stride[1], 1);
  ck_assert_int_eq(plan.draw.index_stride[0], 1);
  ck_assert_int_eq(plan.draw.index_stride[1], 6);

  const cudrop_tensor_t bits = cudropi_pack(base, 2, y.shape);
  cudropi_plan_t packed = plan_of(&export_bits, NULL, &mask, &bits);
  cudropi_order_dimensions(&packed);
  ck_assert_int_eq(packed.rank, 1);
  ck_assert_int_eq(cudropi_choose_walk(&packed), CUDROPI_WALK_DENSE);
}
END_TEST

START_TEST(a_line_has_room_for_every_way_it_may_begin) {
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  for (int64_t n = 1; n < 40; ++n) {
    const cudrop_tensor_t bf16 = cudrop_vector(base + 2, CUDROP_BF16, n);
    const cudrop_tensor_t f64 = cudrop_vector(base + 8, CUDROP_F64, n);
    const cudropi_plan_t narrow = plan_of(&drop, &bf16, &mask, &bf16);
    const cudropi_plan_t wide = plan_of(&drop, &f64, &mask, &f64);
    ck_assert_int_eq(cudropi_chunks_per_line(&narrow), (n + 7 + 7) / 8);
    ck_assert_int_eq(cudropi_chunks_per_line(&wide), (n + 3 + 7) / 8);
  }
}
END_TEST

/* Rows of 64 columns, all of F32, with a vector so many bytes behind `base`. */
static cudropi_walk_t rows_walk_of(int64_t vector) {
  static const cudropi_op_t op = {
      .function = "test",
      .slot = {{"x", .types = CUDROPI_ROW_FLOATS},
               {"bias", CUDROPI_EXTENT_ROW, CUDROPI_ROW_FLOATS, CUDROPI_OR_F32},
               {"y", .types = CUDROPI_ROW_FLOATS}},
      .has_rows = true};
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t x = cudrop_matrix(base + 16, CUDROP_F32, 5, 64);
  const cudrop_tensor_t bias = cudrop_vector(base + vector, CUDROP_F32, 64);
  const cudrop_tensor_t y = cudrop_matrix(base + 4096, CUDROP_F32, 5, 64);
  const cudropi_call_t call = {.op = &op, .tensor = {&x, &bias, &y}, .mask = &mask};
  const cudropi_plan_t plan = cudropi_plan(&call);
  return cudropi_choose_walk(&plan);
}

START_TEST(a_vector_at_sixteen_bytes_does_not_slow_rows_down) {
  ck_assert_int_eq(rows_walk_of(8192), CUDROPI_WALK_DENSE);
  ck_assert_int_eq(rows_walk_of(8192 + 16), CUDROPI_WALK_DENSE);
  ck_assert_int_eq(rows_walk_of(8192 + 8), CUDROPI_WALK_GENERAL);
}
END_TEST

static TCase *geometry_case(void) {
  TCase *tests = suite_case("geometry", 60);
  tcase_add_test(tests, aligned_memory_in_one_piece_is_dense);
  tcase_add_test(tests, rates_of_zero_and_one_copy_and_clear);
  tcase_add_test(tests, what_is_strided_or_shared_is_general);
  tcase_add_test(tests, the_dimension_in_which_y_is_in_one_piece_goes_innermost);
  tcase_add_test(tests, a_vector_at_sixteen_bytes_does_not_slow_rows_down);
  tcase_add_test(tests, a_line_has_room_for_every_way_it_may_begin);
  return tests;
}

SUITE_MAIN("geometry", geometry_case())
