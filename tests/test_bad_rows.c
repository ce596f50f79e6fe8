/* test_bad_rows.c - the rules of operators on rows: status, text, and that nothing is written. */
#include <math.h>

#include "rules.h"
#include "suite_context.h"

enum { ROWS = 40, COLS = 8 };

/* The arguments of all calls, right until a row of a table below spoils them. */
struct arguments {
  cudrop_context_t *context;
  cudrop_tensor_t x, bias, residual, y, dbias, each;
  cudrop_mask_t mask;
  cudrop_fused_t fused;
  cudrop_norm_t norm;
  cudrop_fused_forward_t forward;
  cudrop_fused_backward_t backward; /* dy is the residual's tensor, dx is y's */
  cudrop_norm_forward_t norm_forward;
  cudrop_norm_backward_t norm_backward; /* so here, and h is x's */
};

static cudrop_status_t call_forward(const arguments_t *a) {
  return cudrop_fused_forward(a->context, &a->forward);
}
static cudrop_status_t call_backward(const arguments_t *a) {
  return cudrop_fused_backward(a->context, &a->backward);
}
static cudrop_status_t call_norm_forward(const arguments_t *a) {
  return cudrop_norm_forward(a->context, &a->norm_forward);
}
static cudrop_status_t call_norm_backward(const arguments_t *a) {
  return cudrop_norm_backward(a->context, &a->norm_backward);
}

enum { FORWARD, BACKWARD, NORM_FORWARD, NORM_BACKWARD, CALLS };

static const call_t calls[CALLS] = {
    [FORWARD] = {"cudrop_fused_forward", call_forward},
    [BACKWARD] = {"cudrop_fused_backward", call_backward},
    [NORM_FORWARD] = {"cudrop_norm_forward", call_norm_forward},
    [NORM_BACKWARD] = {"cudrop_norm_backward", call_norm_backward},
};

/* ---- Forward ---------------------------------------------------------------------- */

SPOIL(null_context, a->context = NULL)
SPOIL(null_fused, a->forward.fused = a->backward.fused = NULL)
SPOIL(null_x, a->forward.x = NULL)
SPOIL(null_y, a->forward.y = NULL)
SPOIL(null_data, a->residual.data = NULL)
SPOIL(double_type, a->x.dtype = CUDROP_F64)
SPOIL(byte_type, a->bias.dtype = CUDROP_U8)
SPOIL(residual_type, a->residual.dtype = CUDROP_BF16)
SPOIL(bias_type, a->bias.dtype = CUDROP_F16)
SPOIL(no_dimension, a->x.rank = a->y.rank = a->residual.rank = 0)
SPOIL(rank_negative, a->x.rank = -1)
SPOIL(rows_differ, a->y.shape[0] = ROWS - 1)
SPOIL(bias_is_a_matrix, a->bias.rank = 2; a->bias.shape[1] = 1)
SPOIL(bias_is_short, a->bias.shape[0] = COLS - 1)
SPOIL(row_in_pieces, a->x.stride[1] = ROWS; a->x.stride[0] = 1)
SPOIL(bias_in_pieces, a->bias.stride[0] = 2)
SPOIL(y_repeats, a->y.stride[0] = 0)
SPOIL(y_in_x, a->y.data = (float *)a->x.data + COLS)
SPOIL(y_is_bias, a->bias.data = a->y.data)
SPOIL(p_nan, a->mask.p = NAN)
SPOIL(index_rank_differs, a->mask.index_rank = 1)
SPOIL(index_too_large, a->mask.index_base = (uint64_t)1 << 59)
SPOIL(no_activation, a->fused.activation = (cudrop_activation_t)5)
SPOIL(negative_activation, a->fused.activation = (cudrop_activation_t)-1)
SPOIL(block_in_y, a->mask = cudrop_prepared_mask((const cudrop_prepared_t *)a->y.data, 0))
SPOIL(misaligned, a->x.data = (char *)a->x.data + 1)
SPOIL(size_overflows,
      a->x.shape[0] = a->y.shape[0] = a->residual.shape[0] = INT64_MAX / 2)

/* ---- Backward --------------------------------------------------------------------- */

SPOIL(null_dy, a->backward.dy = NULL)
SPOIL(null_x_of_activation, a->backward.x = NULL)
SPOIL(no_output, a->backward.dx = NULL; a->backward.dbias = NULL)
SPOIL(unknown_bit, a->backward.accumulate = 4)
SPOIL(workspace_short, --a->backward.workspace_bytes)
SPOIL(workspace_null, a->backward.workspace = NULL)
SPOIL(workspace_misaligned, a->backward.workspace = (char *)a->backward.workspace + 4)
SPOIL(workspace_in_x, a->backward.workspace = a->x.data)
SPOIL(block_in_workspace,
      a->mask = cudrop_prepared_mask((const cudrop_prepared_t *)a->backward.workspace, 0))
SPOIL(dbias_short, a->dbias.shape[0] = 3)
SPOIL(dx_is_x_shifted, a->y.data = (float *)a->x.data + COLS)

static const rule_t rules[] = {
    {FORWARD, null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {FORWARD, null_fused, CUDROP_ERROR_NULL_POINTER, "fused is NULL"},
    {FORWARD, null_x, CUDROP_ERROR_NULL_POINTER, "x is NULL"},
    {FORWARD, null_y, CUDROP_ERROR_NULL_POINTER, "y is NULL"},
    {FORWARD, null_data, CUDROP_ERROR_NULL_POINTER, "residual has data = NULL"},
    {FORWARD, double_type, CUDROP_ERROR_DTYPE,
     "x has dtype = 4 (F64), which is not F32, F16 or BF16"},
    {FORWARD, byte_type, CUDROP_ERROR_DTYPE,
     "bias has dtype = 5 (U8), which is not F32, F16 or BF16"},
    {FORWARD, residual_type, CUDROP_ERROR_DTYPE, "residual is BF16 and x is F32"},
    {FORWARD, bias_type, CUDROP_ERROR_DTYPE, "bias is F16 and x is F32"},
    {FORWARD, no_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "x has rank = 0, and rows need a dimension"},
    {FORWARD, rank_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "x has rank = -1, outside [0, 8]"},
    {FORWARD, rows_differ, CUDROP_ERROR_SHAPE, "y has shape[0] = 39 and x has 40"},
    {FORWARD, bias_is_a_matrix, CUDROP_ERROR_SHAPE,
     "bias has rank = 2, and with x of rank = 2 it must be 1"},
    {FORWARD, bias_is_short, CUDROP_ERROR_SHAPE,
     "bias has shape[0] = 7 and x has shape[1] = 8"},
    {FORWARD, row_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "x has stride[1] = 40, and rows have 1"},
    {FORWARD, bias_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "bias has stride[0] = 2, and rows have 1"},
    {FORWARD, y_repeats, CUDROP_ERROR_OVERLAP,
     "y has strides that put two elements in one place"},
    {FORWARD, y_in_x, CUDROP_ERROR_OVERLAP, "y overlaps x without being the same tensor"},
    {FORWARD, y_is_bias, CUDROP_ERROR_OVERLAP, "y overlaps bias"},
    {FORWARD, p_nan, CUDROP_ERROR_INVALID_ARGUMENT, "p = nan is outside [0, 1]"},
    {FORWARD, index_rank_differs, CUDROP_ERROR_SHAPE,
     "mask has index_rank = 1 and x has rank = 2"},
    {FORWARD, index_too_large, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 576460752303423488 reaches an index of 2^59 or more"},
    {FORWARD, no_activation, CUDROP_ERROR_INVALID_ARGUMENT,
     "activation = 5 does not exist"},
    {FORWARD, negative_activation, CUDROP_ERROR_INVALID_ARGUMENT,
     "activation = -1 does not exist"},
    {FORWARD, block_in_y, CUDROP_ERROR_OVERLAP,
     "y overlaps the block of the prepared mask"},
    {FORWARD, misaligned, CUDROP_ERROR_INVALID_ARGUMENT, NULL},
    {FORWARD, size_overflows, CUDROP_ERROR_OVERFLOW,
     "x has more elements than 63 bits count"},

    {BACKWARD, null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {BACKWARD, null_fused, CUDROP_ERROR_NULL_POINTER, "fused is NULL"},
    {BACKWARD, null_dy, CUDROP_ERROR_NULL_POINTER, "dy is NULL"},
    {BACKWARD, null_x_of_activation, CUDROP_ERROR_NULL_POINTER,
     "x is NULL, and activation = 2 needs it"},
    {BACKWARD, no_output, CUDROP_ERROR_NULL_POINTER, "dx and dbias are both NULL"},
    {BACKWARD, no_activation, CUDROP_ERROR_INVALID_ARGUMENT,
     "activation = 5 does not exist"},
    {BACKWARD, unknown_bit, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x4 has bits beside those of cudrop_accumulate_t"},
    {BACKWARD, workspace_short, CUDROP_ERROR_WORKSPACE,
     "workspace_bytes = 31, and 32 are needed; see cudrop_fused_backward_workspace()"},
    {BACKWARD, workspace_null, CUDROP_ERROR_NULL_POINTER, "workspace is NULL"},
    {BACKWARD, workspace_misaligned, CUDROP_ERROR_INVALID_ARGUMENT, NULL},
    {BACKWARD, workspace_in_x, CUDROP_ERROR_OVERLAP, "x overlaps workspace"},
    {BACKWARD, block_in_workspace, CUDROP_ERROR_OVERLAP,
     "workspace overlaps the block of the prepared mask"},
    {BACKWARD, dbias_short, CUDROP_ERROR_SHAPE,
     "dbias has shape[0] = 3 and dy has shape[1] = 8"},
    {BACKWARD, dx_is_x_shifted, CUDROP_ERROR_OVERLAP,
     "dx overlaps x without being the same tensor"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* ---- The tests -------------------------------------------------------------------- */

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
  float(*const memory)[RULES_FLOATS] = rules_memory;
  rules_poison();
  *a = (arguments_t){.context = context, .mask = cudrop_mask(1, 2, 0.5)};
  a->x = cudrop_matrix(memory[0], CUDROP_F32, ROWS, COLS);
  a->residual = cudrop_matrix(memory[2], CUDROP_F32, ROWS, COLS);
  a->y = cudrop_matrix(memory[4], CUDROP_F32, ROWS, COLS);
  a->bias = cudrop_vector(memory[6], CUDROP_F32, COLS);
  a->dbias = cudrop_vector(memory[6] + COLS, CUDROP_F32, COLS);
  a->each = cudrop_vector(memory[8], CUDROP_F32, ROWS);
  a->fused =
      (cudrop_fused_t){.bias = &a->bias, .activation = CUDROP_GELU, .mask = &a->mask};
  a->norm = (cudrop_norm_t){.epsilon = 1e-5f, .bias = &a->bias, .mask = &a->mask};
  a->forward = (cudrop_fused_forward_t){
      .fused = &a->fused, .x = &a->x, .residual = &a->residual, .y = &a->y};
  a->backward = (cudrop_fused_backward_t){.fused = &a->fused,
                                          .dy = &a->residual,
                                          .x = &a->x,
                                          .dx = &a->y,
                                          .dbias = &a->dbias,
                                          .workspace = memory[7]};
  a->norm_forward = (cudrop_norm_forward_t){.norm = &a->norm, .x = &a->x, .y = &a->y};
  a->norm_backward = (cudrop_norm_backward_t){.norm = &a->norm,
                                              .dy = &a->residual,
                                              .h = &a->x,
                                              .mean = &a->each,
                                              .rstd = &a->each,
                                              .dx = &a->y,
                                              .workspace = memory[7]};
  ck_assert_ok(cudrop_fused_backward_workspace(ROWS, COLS, &a->backward.workspace_bytes));
  ck_assert_ok(
      cudrop_norm_backward_workspace(ROWS, COLS, &a->norm_backward.workspace_bytes));
}

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  arguments_t a;
  make_arguments(&a);
  rules_expect(calls, &rules[_i], &a);
}
END_TEST

/* Of a call's own arguments, and of the value that it shares with others. */
START_TEST(what_is_reserved_must_be_0) {
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved,
                            a.norm_forward.reserved, a.norm_backward.reserved};
  const bool is_fused = _i == FORWARD || _i == BACKWARD;
  rules_expect_reserved(&calls[_i], &a, "args", args[_i]);
  rules_expect_reserved(&calls[_i], &a, is_fused ? "fused" : "norm",
                        is_fused ? a.fused.reserved : a.norm.reserved);
}
END_TEST

START_TEST(null_arguments_are_named) {
  arguments_t a;
  make_arguments(&a);
  a.norm_forward.norm = a.norm_backward.norm = NULL;
  rules_expect_refused(&calls[NORM_FORWARD], &a, CUDROP_ERROR_NULL_POINTER,
                       "norm is NULL");
  rules_expect_refused(&calls[NORM_BACKWARD], &a, CUDROP_ERROR_NULL_POINTER,
                       "norm is NULL");
  ck_assert_error(cudrop_fused_forward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_fused_forward: args is NULL");
  ck_assert_error(cudrop_fused_backward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_fused_backward: args is NULL");
  ck_assert_error(cudrop_norm_forward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_norm_forward: args is NULL");
  ck_assert_error(cudrop_norm_backward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_norm_backward: args is NULL");
}
END_TEST

static TCase *rules_case(void) {
  TCase *tests = suite_case("rules", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, a_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_test(tests, null_arguments_are_named);
  return tests;
}

SUITE_MAIN("bad_rows", rules_case())
