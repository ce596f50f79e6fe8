/* test_bad_norm.c - what a norm refuses, and how much workspace its gradient needs. */
#include <math.h>

#include "rules.h"
#include "suite_context.h"

enum { ROWS = 5, COLS = 24 };

struct arguments {
  cudrop_tensor_t full[6], vectors[3], each[2], sums[3];
  cudrop_norm_t norm;
  cudrop_norm_forward_t forward;
  cudrop_norm_backward_t backward;
};

static cudrop_status_t call_forward(const arguments_t *a) {
  return cudrop_norm_forward(host, &a->forward);
}
static cudrop_status_t call_backward(const arguments_t *a) {
  return cudrop_norm_backward(host, &a->backward);
}

enum { FORWARD, BACKWARD, CALLS };

static const call_t calls[CALLS] = {
    [FORWARD] = {"cudrop_norm_forward", call_forward},
    [BACKWARD] = {"cudrop_norm_backward", call_backward},
};

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
  float(*memory)[RULES_FLOATS] = rules_memory;
  rules_poison();
  for (int k = 0; k < 6; ++k)
    a->full[k] = cudrop_matrix(*memory++, CUDROP_F32, ROWS, COLS);
  for (int k = 0; k < 3; ++k) a->vectors[k] = cudrop_vector(*memory++, CUDROP_F32, COLS);
  for (int k = 0; k < 2; ++k) a->each[k] = cudrop_vector(*memory++, CUDROP_F32, ROWS);
  for (int k = 0; k < 3; ++k) a->sums[k] = cudrop_vector(*memory++, CUDROP_F32, COLS);
  a->norm = (cudrop_norm_t){.epsilon = 1e-5f,
                            .bias = &a->vectors[0],
                            .gamma = &a->vectors[1],
                            .beta = &a->vectors[2]};
  a->forward = (cudrop_norm_forward_t){.norm = &a->norm,
                                       .x = &a->full[0],
                                       .residual = &a->full[1],
                                       .h = &a->full[2],
                                       .y = &a->full[3],
                                       .mean = &a->each[0],
                                       .rstd = &a->each[1]};
  a->backward = (cudrop_norm_backward_t){.norm = &a->norm,
                                         .dy = &a->full[0],
                                         .dh = &a->full[1],
                                         .h = &a->full[2],
                                         .mean = &a->each[0],
                                         .rstd = &a->each[1],
                                         .dx = &a->full[3],
                                         .dresidual = &a->full[4],
                                         .dbias = &a->sums[0],
                                         .dgamma = &a->sums[1],
                                         .dbeta = &a->sums[2],
                                         .workspace = *memory};
  ck_assert_ok(cudrop_norm_backward_workspace(ROWS, COLS, &a->backward.workspace_bytes));
  ck_assert_uint_le(a->backward.workspace_bytes, sizeof *memory);
}

/* ---- Rules ------------------------------------------------------------------------ */

SPOIL(null_norm, a->forward.norm = a->backward.norm = NULL)
SPOIL(unknown_kind, a->norm.kind = (cudrop_norm_kind_t)2)
SPOIL(mean_without_kind, a->norm.kind = CUDROP_RMS_NORM)
SPOIL(null_x, a->forward.x = a->forward.residual = NULL)
SPOIL(null_y, a->forward.y = NULL)
SPOIL(no_epsilon, a->norm.epsilon = 0.0f)
SPOIL(negative_epsilon, a->norm.epsilon = -1.0f)
SPOIL(infinite_epsilon, a->norm.epsilon = INFINITY)
SPOIL(epsilon_nan, a->norm.epsilon = NAN)
SPOIL(mean_of_half, a->each[0].dtype = CUDROP_BF16)
SPOIL(gamma_of_half, a->vectors[1].dtype = CUDROP_F16)
SPOIL(short_rstd, a->each[1].shape[0] = ROWS - 1)
SPOIL(mean_is_a_matrix, a->forward.mean = &a->full[4])
SPOIL(y_is_h, a->forward.y = &a->full[2])
SPOIL(mean_is_rstd, a->forward.mean = &a->each[1])
SPOIL(mean_is_bias, a->each[0].data = a->vectors[0].data)

SPOIL(null_h, a->backward.h = NULL)
SPOIL(null_mean, a->backward.mean = NULL)
SPOIL(null_rstd, a->backward.rstd = NULL)
SPOIL(null_workspace, a->backward.workspace = NULL)
SPOIL(no_gradient, a->backward.dx = a->backward.dresidual = NULL;
      a->backward.dbias = a->backward.dgamma = a->backward.dbeta = NULL)
SPOIL(dresidual_is_dh, a->backward.dh = a->backward.dresidual;
      a->backward.accumulate = CUDROP_ACCUMULATE_DATA)
SPOIL(unknown_bit, a->backward.accumulate = 4)
SPOIL(dx_is_dresidual, a->backward.dx = &a->full[4])
SPOIL(small_workspace, --a->backward.workspace_bytes)

static const rule_t rules[] = {
    {FORWARD, null_norm, CUDROP_ERROR_NULL_POINTER, "norm is NULL"},
    {FORWARD, unknown_kind, CUDROP_ERROR_INVALID_ARGUMENT, "kind = 2 does not exist"},
    {FORWARD, mean_without_kind, CUDROP_ERROR_INVALID_ARGUMENT,
     "there is a mean, and CUDROP_RMS_NORM has none"},
    {FORWARD, null_x, CUDROP_ERROR_NULL_POINTER, "x is NULL"},
    {FORWARD, null_y, CUDROP_ERROR_NULL_POINTER, "y is NULL"},
    {FORWARD, no_epsilon, CUDROP_ERROR_INVALID_ARGUMENT,
     "epsilon = 0 must be finite and above 0"},
    {FORWARD, negative_epsilon, CUDROP_ERROR_INVALID_ARGUMENT,
     "epsilon = -1 must be finite and above 0"},
    {FORWARD, infinite_epsilon, CUDROP_ERROR_INVALID_ARGUMENT,
     "epsilon = inf must be finite and above 0"},
    {FORWARD, epsilon_nan, CUDROP_ERROR_INVALID_ARGUMENT,
     "epsilon = nan must be finite and above 0"},
    {FORWARD, mean_of_half, CUDROP_ERROR_DTYPE,
     "mean has dtype = 3 (BF16), which is not F32"},
    {FORWARD, gamma_of_half, CUDROP_ERROR_DTYPE, "gamma is F16 and x is F32"},
    {FORWARD, short_rstd, CUDROP_ERROR_SHAPE,
     "rstd has shape[0] = 4 and x has shape[0] = 5"},
    {FORWARD, mean_is_a_matrix, CUDROP_ERROR_SHAPE,
     "mean has rank = 2, and with x of rank = 2 it must be 1"},
    {FORWARD, y_is_h, CUDROP_ERROR_OVERLAP, "y overlaps h"},
    {FORWARD, mean_is_rstd, CUDROP_ERROR_OVERLAP, "mean overlaps rstd"},
    {FORWARD, mean_is_bias, CUDROP_ERROR_OVERLAP, "mean overlaps bias"},

    {BACKWARD, null_norm, CUDROP_ERROR_NULL_POINTER, "norm is NULL"},
    {BACKWARD, mean_without_kind, CUDROP_ERROR_INVALID_ARGUMENT,
     "there is a mean, and CUDROP_RMS_NORM has none"},
    {BACKWARD, null_h, CUDROP_ERROR_NULL_POINTER, "h is NULL"},
    {BACKWARD, null_rstd, CUDROP_ERROR_NULL_POINTER, "rstd is NULL"},
    {BACKWARD, null_mean, CUDROP_ERROR_NULL_POINTER, "mean is NULL"},
    {BACKWARD, null_workspace, CUDROP_ERROR_NULL_POINTER, "workspace is NULL"},
    {BACKWARD, no_gradient, CUDROP_ERROR_NULL_POINTER,
     "dx, dresidual, dbias, dgamma and dbeta are all NULL"},
    {BACKWARD, dresidual_is_dh, CUDROP_ERROR_INVALID_ARGUMENT,
     "dresidual is dh, which CUDROP_ACCUMULATE_DATA would add once more"},
    {BACKWARD, unknown_bit, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x4 has bits beside those of cudrop_accumulate_t"},
    {BACKWARD, dx_is_dresidual, CUDROP_ERROR_OVERLAP, "dx overlaps dresidual"},
    {BACKWARD, small_workspace, CUDROP_ERROR_WORKSPACE,
     "workspace_bytes = 327, and 328 are needed; see cudrop_norm_backward_workspace()"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  arguments_t a;
  make_arguments(&a);
  rules_expect(calls, &rules[_i], &a);
}
END_TEST

START_TEST(what_is_reserved_must_be_0) {
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved};
  rules_expect_reserved(&calls[_i], &a, "args", args[_i]);
  rules_expect_reserved(&calls[_i], &a, "norm", a.norm.reserved);
}
END_TEST

START_TEST(what_is_right_is_not_refused) {
  arguments_t a;
  make_arguments(&a);
  ck_assert_ok(calls[_i].make(&a));
}
END_TEST

START_TEST(gradients_of_nothing_may_be_added) {
  const cudrop_tensor_t none = cudrop_matrix(NULL, CUDROP_F32, 0, 8);
  const cudrop_tensor_t of_rows = cudrop_vector(NULL, CUDROP_F32, 0);
  const cudrop_norm_t norm = {.epsilon = 1e-5f};
  ck_assert_ok(cudrop_norm_backward(
      host, &(cudrop_norm_backward_t){.norm = &norm,
                                      .dy = &none,
                                      .dh = &none,
                                      .h = &none,
                                      .mean = &of_rows,
                                      .rstd = &of_rows,
                                      .dresidual = &none,
                                      .accumulate = CUDROP_ACCUMULATE_DATA}));
}
END_TEST

/* 3 vectors of one slab, and two floats a row; a call needs those vectors that it has. */
START_TEST(the_workspace_is_as_large_as_its_parts) {
  const size_t needed = (COLS + 2 * ROWS) * sizeof(float);
  size_t bytes = 0;
  arguments_t a;
  make_arguments(&a);
  a.backward.dh = NULL;
  a.backward.dx = a.backward.dresidual = a.backward.dbias = a.backward.dgamma = NULL;
  a.backward.workspace_bytes = needed;
  ck_assert_ok(cudrop_norm_backward_workspace(ROWS, COLS, &bytes));
  ck_assert_uint_eq(bytes, needed + 2 * COLS * sizeof(float));
  ck_assert_ok(cudrop_norm_backward(host, &a.backward));
  --a.backward.workspace_bytes;
  ck_assert_error(cudrop_norm_backward(host, &a.backward), CUDROP_ERROR_WORKSPACE,
                  "cudrop_norm_backward: workspace_bytes = 135, and 136 are needed; see "
                  "cudrop_norm_backward_workspace()");
}
END_TEST

/* Too large to count, or negative, they are refused. */
START_TEST(sizes_of_a_workspace_are_checked) {
  size_t bytes = 0;
  ck_assert_ok(cudrop_norm_backward_workspace(INT64_MAX / COLS, COLS, &bytes));
  ck_assert_uint_ge(bytes, INT64_MAX / COLS * 2 * sizeof(float));
  bytes = 7;
  ck_assert_error(cudrop_norm_backward_workspace(INT64_MAX, 1, &bytes),
                  CUDROP_ERROR_OVERFLOW,
                  "cudrop_norm_backward_workspace: the workspace for 9223372036854775807 "
                  "rows of 1 columns has more bytes than 63 bits count");
  ck_assert_error(
      cudrop_norm_backward_workspace(-1, 8, &bytes), CUDROP_ERROR_INVALID_ARGUMENT,
      "cudrop_norm_backward_workspace: rows = -1 and cols = 8, of which one is "
      "negative");
  ck_assert_error(cudrop_norm_backward_workspace(8, 8, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_norm_backward_workspace: bytes is NULL");
  ck_assert_uint_eq(bytes, 7);
}
END_TEST

static TCase *rules_case(void) {
  TCase *tests = suite_case("rules", 60);
  tcase_add_checked_fixture(tests, open_host, close_host);
  tcase_add_loop_test(tests, a_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_loop_test(tests, what_is_right_is_not_refused, 0, CALLS);
  tcase_add_test(tests, gradients_of_nothing_may_be_added);
  tcase_add_test(tests, the_workspace_is_as_large_as_its_parts);
  tcase_add_test(tests, sizes_of_a_workspace_are_checked);
  return tests;
}

SUITE_MAIN("bad_norm", rules_case())
