/* test_plan.c - from calls to plans: kernels, sources, constants, merged dimensions. */
#include "call/plan.h"

#include <string.h>

#include "sample_operators.h"
#include "suite.h"

static float memory[1 << 12];

static const cudropi_op_t drop =
    FLOATS_OPERATOR(CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_SCALE, false);
static const cudropi_op_t accumulate =
    FLOATS_OPERATOR(CUDROPI_KERNEL_ACCUMULATE, CUDROPI_KERNEL_ACCUMULATE, false);
static const cudropi_op_t alpha_drop =
    FLOATS_OPERATOR(CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_AFFINE, true);
static const cudropi_op_t alpha_gradient =
    FLOATS_OPERATOR(CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_SCALE, true);
static const cudropi_op_t count =
    FLOATS_OPERATOR(CUDROPI_KERNEL_COUNT, CUDROPI_KERNEL_COUNT, false);

START_TEST(rates_choose_kernels_and_sources) {
  static const struct {
    const cudropi_op_t *op;
    double p;
    cudropi_kernel_t kernel;
    cudropi_source_t source;
  } cases[] = {
      {&drop, 0.0, CUDROPI_KERNEL_SELECT, CUDROPI_ALL_KEPT},
      {&drop, 0.1, CUDROPI_KERNEL_SCALE, CUDROPI_FROM_PHILOX},
      {&drop, 1.0, CUDROPI_KERNEL_SCALE, CUDROPI_ALL_DROPPED},
      {&accumulate, 0.0, CUDROPI_KERNEL_ACCUMULATE, CUDROPI_ALL_KEPT},
      {&alpha_drop, 0.0, CUDROPI_KERNEL_SELECT, CUDROPI_ALL_KEPT},
      {&alpha_drop, 0.1, CUDROPI_KERNEL_AFFINE, CUDROPI_FROM_PHILOX},
      {&alpha_drop, 1.0, CUDROPI_KERNEL_AFFINE, CUDROPI_ALL_DROPPED},
      {&alpha_gradient, 0.1, CUDROPI_KERNEL_SCALE, CUDROPI_FROM_PHILOX},
      {&count, 0.1, CUDROPI_KERNEL_COUNT, CUDROPI_FROM_PHILOX},
  };
  const cudrop_tensor_t x = cudrop_vector(memory, CUDROP_F32, 10);
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) {
    const cudrop_mask_t mask = cudrop_mask(1, 2, cases[k].p);
    const cudropi_call_t call = make_call(cases[k].op, &x, &mask, &x);
    const cudropi_plan_t plan = cudropi_plan(&call);
    ck_assert_int_eq(plan.kernel, cases[k].kernel);
    ck_assert_int_eq(plan.draw.source, cases[k].source);
  }
}
END_TEST

START_TEST(a_mask_that_is_brought_is_read_except_at_rate_one) {
  uint8_t bytes[10];
  const cudrop_tensor_t x = cudrop_vector(memory, CUDROP_F32, 10);
  const cudrop_tensor_t keep = cudrop_vector(bytes, CUDROP_U8, 10);
  cudropi_call_t call = make_call(&drop, &x, NULL, &x);
  call.tensor[CUDROPI_KEEP] = &keep;
  call.p = 0.0;
  ck_assert_int_eq(cudropi_plan(&call).draw.source, CUDROPI_FROM_OPERAND);
  ck_assert_int_eq(cudropi_plan(&call).kernel, CUDROPI_KERNEL_SELECT);
  call.p = 0.5;
  ck_assert_int_eq(cudropi_plan(&call).draw.source, CUDROPI_FROM_OPERAND);
  ck_assert_int_eq(cudropi_plan(&call).kernel, CUDROPI_KERNEL_SCALE);
  call.p = 1.0;
  ck_assert_int_eq(cudropi_plan(&call).draw.source, CUDROPI_ALL_DROPPED);
}
END_TEST

START_TEST(constants_are_finite_at_every_rate) {
  static const cudropi_op_t *const operators[] = {&drop, &accumulate, &alpha_drop,
                                                  &alpha_gradient};
  const cudrop_tensor_t x = cudrop_vector(memory, CUDROP_F32, 10);
  for (double p = 0.0; p <= 1.0; p += 0.125) {
    for (size_t k = 0; k < sizeof operators / sizeof operators[0]; ++k) {
      const cudrop_mask_t mask = cudrop_mask(1, 2, p);
      const cudropi_call_t call = make_call(operators[k], &x, &mask, &x);
      const cudropi_plan_t plan = cudropi_plan(&call);
      ck_assert_double_finite(plan.constants.f64.scale);
      ck_assert_double_finite(plan.constants.f64.shift);
      ck_assert_double_finite(plan.constants.f64.dropped);
      if (p == 1.0)
        ck_assert(plan.constants.f32.scale == 0.0f && plan.constants.f32.dropped == 0.0f);
    }
  }
}
END_TEST

/* What alpha dropout is for: mean 0 and variance 1 stay what they are. */
START_TEST(alpha_dropout_keeps_mean_and_variance) {
  const double alpha = -1.7580993408473766;
  const cudrop_tensor_t x = cudrop_vector(memory, CUDROP_F64, 10);
  for (double p = 0.05; p < 1.0; p += 0.05) {
    const cudrop_mask_t mask = cudrop_mask(1, 2, p);
    const cudropi_call_t call = make_call(&alpha_drop, &x, &mask, &x);
    const cudropi_plan_t plan = cudropi_plan(&call);
    const double a = plan.constants.f64.scale, b = plan.constants.f64.shift;
    const double mean = (1 - p) * b + p * plan.constants.f64.dropped;
    const double square = (1 - p) * (a * a + b * b) +
                          p * plan.constants.f64.dropped * plan.constants.f64.dropped;
    ck_assert_double_eq_tol(mean, 0.0, 1e-14);
    ck_assert_double_eq_tol(square, 1.0, 1e-13);
    ck_assert_double_eq_tol(plan.constants.f64.dropped, a * alpha + b, 1e-14);
  }
}
END_TEST

START_TEST(dimensions_in_one_piece_are_merged) {
  const int64_t shape[] = {4, 1, 5, 6};
  cudrop_tensor_t dense = cudrop_tensor(memory, CUDROP_F32, 4, shape);
  dense.stride[1] = -77; /* of a size of 1: it means nothing */
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudropi_call_t call = make_call(&drop, &dense, &mask, &dense);
  const cudropi_plan_t plan = cudropi_plan(&call);
  ck_assert_int_eq(plan.rank, 1);
  ck_assert_int_eq(plan.shape[0], 120);
  ck_assert_int_eq(plan.n, 120);
  ck_assert_int_eq(plan.draw.index_stride[0], 1);
  ck_assert_int_eq(plan.operand[CUDROPI_X].stride[0], 1);
}
END_TEST

START_TEST(a_gap_in_any_view_keeps_dimensions_apart) {
  const int64_t shape[] = {4, 5, 6};
  const cudrop_tensor_t dense = cudrop_tensor(memory, CUDROP_F32, 3, shape);
  cudrop_tensor_t gapped = dense;
  gapped.stride[0] = 31;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  cudropi_call_t call = make_call(&drop, &gapped, &mask, &dense);
  cudropi_plan_t plan = cudropi_plan(&call);
  ck_assert_int_eq(plan.rank, 2);
  ck_assert_int_eq(plan.shape[0], 4);
  ck_assert_int_eq(plan.shape[1], 30);
  ck_assert_int_eq(plan.operand[CUDROPI_X].stride[0], 31);
  ck_assert_int_eq(plan.operand[CUDROPI_Y].stride[0], 30);

  cudrop_mask_t shared = mask; /* the same gap in the index map alone */
  ck_assert_ok(cudrop_mask_share(&shared, 3, shape, NULL, 1u << 2));
  call = make_call(&drop, &dense, &shared, &dense);
  plan = cudropi_plan(&call);
  ck_assert_int_eq(plan.rank, 2);
  ck_assert_int_eq(plan.shape[0], 20);
  ck_assert_int_eq(plan.shape[1], 6);
  ck_assert_int_eq(plan.draw.index_stride[0], 1);
  ck_assert_int_eq(plan.draw.index_stride[1], 0);
}
END_TEST

START_TEST(one_element_has_rank_one) {
  const cudrop_tensor_t scalar = cudrop_tensor(memory, CUDROP_F32, 0, NULL);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudropi_call_t call = make_call(&drop, &scalar, &mask, &scalar);
  const cudropi_plan_t plan = cudropi_plan(&call);
  ck_assert_int_eq(plan.rank, 1);
  ck_assert_int_eq(plan.shape[0], 1);
  ck_assert_int_eq(plan.n, 1);
}
END_TEST

static TCase *plan_case(void) {
  TCase *tests = suite_case("plan", 60);
  tcase_add_test(tests, rates_choose_kernels_and_sources);
  tcase_add_test(tests, a_mask_that_is_brought_is_read_except_at_rate_one);
  tcase_add_test(tests, constants_are_finite_at_every_rate);
  tcase_add_test(tests, alpha_dropout_keeps_mean_and_variance);
  tcase_add_test(tests, dimensions_in_one_piece_are_merged);
  tcase_add_test(tests, a_gap_in_any_view_keeps_dimensions_apart);
  tcase_add_test(tests, one_element_has_rank_one);
  return tests;
}

SUITE_MAIN("plan", plan_case())
