/* test_bad_rows.c - the rules of operators on rows: status, text, and that nothing is written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "view.h"

enum { ROWS = 40, COLS = 8 };

/* The arguments of all calls, right until a row of a table below spoils them. */
typedef struct {
  cudrop_context_t *context;
  cudrop_tensor_t x, bias, residual, y, dbias, each;
  cudrop_mask_t mask;
  cudrop_fused_t fused;
  cudrop_norm_t norm;
  cudrop_fused_forward_t forward;
  cudrop_fused_backward_t backward; /* dy is the residual's tensor, dx is y's */
  cudrop_norm_forward_t norm_forward;
  cudrop_norm_backward_t norm_backward; /* so here, and h is x's */
} arguments_t;

typedef enum { FORWARD, BACKWARD, NORM_FORWARD, NORM_BACKWARD } call_t;

static const char *const functions[] = {"cudrop_fused_forward", "cudrop_fused_backward",
                                        "cudrop_norm_forward", "cudrop_norm_backward"};
enum { CALLS = sizeof functions / sizeof functions[0] };

typedef struct {
  void (*spoil)(arguments_t *a);
  cudrop_status_t status;
  const char *text; /* NULL: it names an address */
} rule_t;

/* ---- Forward ---------------------------------------------------------------------- */

static void null_context(arguments_t *a) {
  a->context = NULL;
}
static void null_fused(arguments_t *a) {
  a->forward.fused = a->backward.fused = NULL;
}
static void null_x(arguments_t *a) {
  a->forward.x = NULL;
}
static void null_y(arguments_t *a) {
  a->forward.y = NULL;
}
static void null_data(arguments_t *a) {
  a->residual.data = NULL;
}
static void double_type(arguments_t *a) {
  a->x.dtype = CUDROP_F64;
}
static void byte_type(arguments_t *a) {
  a->bias.dtype = CUDROP_U8;
}
static void residual_type(arguments_t *a) {
  a->residual.dtype = CUDROP_BF16;
}
static void bias_type(arguments_t *a) {
  a->bias.dtype = CUDROP_F16;
}
static void no_dimension(arguments_t *a) {
  a->x.rank = a->y.rank = a->residual.rank = 0;
}
static void rank_negative(arguments_t *a) {
  a->x.rank = -1;
}
static void rows_differ(arguments_t *a) {
  a->y.shape[0] = ROWS - 1;
}
static void bias_is_a_matrix(arguments_t *a) {
  a->bias.rank = 2;
  a->bias.shape[1] = 1;
}
static void bias_is_short(arguments_t *a) {
  a->bias.shape[0] = COLS - 1;
}
static void row_in_pieces(arguments_t *a) {
  a->x.stride[1] = ROWS;
  a->x.stride[0] = 1;
}
static void bias_in_pieces(arguments_t *a) {
  a->bias.stride[0] = 2;
}
static void y_repeats(arguments_t *a) {
  a->y.stride[0] = 0;
}
static void y_in_x(arguments_t *a) {
  a->y.data = (float *)a->x.data + COLS;
}
static void y_is_bias(arguments_t *a) {
  a->bias.data = a->y.data;
}
static void p_nan(arguments_t *a) {
  a->mask.p = NAN;
}
static void index_rank_differs(arguments_t *a) {
  a->mask.index_rank = 1;
}
static void index_too_large(arguments_t *a) {
  a->mask.index_base = (uint64_t)1 << 59;
}
static void no_activation(arguments_t *a) {
  a->fused.activation = (cudrop_activation_t)5;
}
static void negative_activation(arguments_t *a) {
  a->fused.activation = (cudrop_activation_t)-1;
}
static void block_in_y(arguments_t *a) {
  a->mask = cudrop_prepared_mask((const cudrop_prepared_t *)a->y.data, 0);
}
static void misaligned(arguments_t *a) {
  a->x.data = (char *)a->x.data + 1;
}
static void size_overflows(arguments_t *a) {
  a->x.shape[0] = a->y.shape[0] = a->residual.shape[0] = INT64_MAX / 2;
}

static const rule_t forward_rules[] = {
    {null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {null_fused, CUDROP_ERROR_NULL_POINTER, "fused is NULL"},
    {null_x, CUDROP_ERROR_NULL_POINTER, "x is NULL"},
    {null_y, CUDROP_ERROR_NULL_POINTER, "y is NULL"},
    {null_data, CUDROP_ERROR_NULL_POINTER, "residual has data = NULL"},
    {double_type, CUDROP_ERROR_DTYPE,
     "x has dtype = 4 (F64), which is not F32, F16 or BF16"},
    {byte_type, CUDROP_ERROR_DTYPE,
     "bias has dtype = 5 (U8), which is not F32, F16 or BF16"},
    {residual_type, CUDROP_ERROR_DTYPE, "residual is BF16 and x is F32"},
    {bias_type, CUDROP_ERROR_DTYPE, "bias is F16 and x is F32"},
    {no_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "x has rank = 0, and rows need a dimension"},
    {rank_negative, CUDROP_ERROR_INVALID_ARGUMENT, "x has rank = -1, outside [0, 8]"},
    {rows_differ, CUDROP_ERROR_SHAPE, "y has shape[0] = 39 and x has 40"},
    {bias_is_a_matrix, CUDROP_ERROR_SHAPE,
     "bias has rank = 2, and with x of rank = 2 it must be 1"},
    {bias_is_short, CUDROP_ERROR_SHAPE, "bias has shape[0] = 7 and x has shape[1] = 8"},
    {row_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "x has stride[1] = 40, and rows have 1"},
    {bias_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "bias has stride[0] = 2, and rows have 1"},
    {y_repeats, CUDROP_ERROR_OVERLAP, "y has strides that put two elements in one place"},
    {y_in_x, CUDROP_ERROR_OVERLAP, "y overlaps x without being the same tensor"},
    {y_is_bias, CUDROP_ERROR_OVERLAP, "y overlaps bias"},
    {p_nan, CUDROP_ERROR_INVALID_ARGUMENT, "p = nan is outside [0, 1]"},
    {index_rank_differs, CUDROP_ERROR_SHAPE,
     "mask has index_rank = 1 and x has rank = 2"},
    {index_too_large, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 576460752303423488 reaches an index of 2^59 or more"},
    {no_activation, CUDROP_ERROR_INVALID_ARGUMENT, "activation = 5 does not exist"},
    {negative_activation, CUDROP_ERROR_INVALID_ARGUMENT,
     "activation = -1 does not exist"},
    {block_in_y, CUDROP_ERROR_OVERLAP, "y overlaps the block of the prepared mask"},
    {misaligned, CUDROP_ERROR_INVALID_ARGUMENT, NULL},
    {size_overflows, CUDROP_ERROR_OVERFLOW, "x has more elements than 63 bits count"},
};
enum { FORWARD_RULES = sizeof forward_rules / sizeof forward_rules[0] };

/* ---- Backward --------------------------------------------------------------------- */

static void null_dy(arguments_t *a) {
  a->backward.dy = NULL;
}
static void null_x_of_activation(arguments_t *a) {
  a->backward.x = NULL;
}
static void no_output(arguments_t *a) {
  a->backward.dx = NULL;
  a->backward.dbias = NULL;
}
static void unknown_bit(arguments_t *a) {
  a->backward.accumulate = 4;
}
static void workspace_short(arguments_t *a) {
  --a->backward.workspace_bytes;
}
static void workspace_null(arguments_t *a) {
  a->backward.workspace = NULL;
}
static void workspace_misaligned(arguments_t *a) {
  a->backward.workspace = (char *)a->backward.workspace + 4;
}
static void workspace_in_x(arguments_t *a) {
  a->backward.workspace = a->x.data;
}
static void block_in_workspace(arguments_t *a) {
  a->mask = cudrop_prepared_mask((const cudrop_prepared_t *)a->backward.workspace, 0);
}
static void dbias_short(arguments_t *a) {
  a->dbias.shape[0] = 3;
}
static void dx_is_x_shifted(arguments_t *a) {
  a->y.data = (float *)a->x.data + COLS;
}

static const rule_t backward_rules[] = {
    {null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {null_fused, CUDROP_ERROR_NULL_POINTER, "fused is NULL"},
    {null_dy, CUDROP_ERROR_NULL_POINTER, "dy is NULL"},
    {null_x_of_activation, CUDROP_ERROR_NULL_POINTER,
     "x is NULL, and activation = 2 needs it"},
    {no_output, CUDROP_ERROR_NULL_POINTER, "dx and dbias are both NULL"},
    {no_activation, CUDROP_ERROR_INVALID_ARGUMENT, "activation = 5 does not exist"},
    {unknown_bit, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x4 has bits beside those of cudrop_accumulate_t"},
    {workspace_short, CUDROP_ERROR_WORKSPACE,
     "workspace_bytes = 31, and 32 are needed; see cudrop_fused_backward_workspace()"},
    {workspace_null, CUDROP_ERROR_NULL_POINTER, "workspace is NULL"},
    {workspace_misaligned, CUDROP_ERROR_INVALID_ARGUMENT, NULL},
    {workspace_in_x, CUDROP_ERROR_OVERLAP, "x overlaps workspace"},
    {block_in_workspace, CUDROP_ERROR_OVERLAP,
     "workspace overlaps the block of the prepared mask"},
    {dbias_short, CUDROP_ERROR_SHAPE, "dbias has shape[0] = 3 and dy has shape[1] = 8"},
    {dx_is_x_shifted, CUDROP_ERROR_OVERLAP,
     "dx overlaps x without being the same tensor"},
};
enum { BACKWARD_RULES = sizeof backward_rules / sizeof backward_rules[0] };

/* ---- The tests -------------------------------------------------------------------- */

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

static _Alignas(16) float memory[9][ROWS * COLS];
static float before[9][ROWS * COLS];

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
  memset(memory, VIEW_POISON, sizeof memory);
  memcpy(before, memory, sizeof memory);
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

static cudrop_status_t make_call(const arguments_t *a, call_t call) {
  switch (call) {
    case FORWARD:
      return cudrop_fused_forward(a->context, &a->forward);
    case BACKWARD:
      return cudrop_fused_backward(a->context, &a->backward);
    case NORM_FORWARD:
      return cudrop_norm_forward(a->context, &a->norm_forward);
    default:
      return cudrop_norm_backward(a->context, &a->norm_backward);
  }
}

/* Call, and look at the answer and at every byte of every tensor. */
static void expect_refused(const arguments_t *a, call_t call, cudrop_status_t status,
                           const char *rule) {
  char text[200];
  ck_assert_str_eq(cudrop_status_name(make_call(a, call)), cudrop_status_name(status));
  snprintf(text, sizeof text, "%s: %s", functions[call], rule != NULL ? rule : "");
  if (rule != NULL) {
    ck_assert_str_eq(cudrop_last_error(), text);
  } else {
    ck_assert(strncmp(cudrop_last_error(), text, strlen(text)) == 0);
  }
  ck_assert_mem_eq(memory, before, sizeof memory);
}

static void expect_rule(const rule_t *rule, call_t call) {
  arguments_t a;
  make_arguments(&a);
  rule->spoil(&a);
  expect_refused(&a, call, rule->status, rule->text);
}

START_TEST(a_broken_rule_of_forward_is_named) {
  expect_rule(&forward_rules[_i], FORWARD);
}
END_TEST

START_TEST(a_broken_rule_of_backward_is_named) {
  expect_rule(&backward_rules[_i], BACKWARD);
}
END_TEST

/* Of a call's own arguments, and of the value that it shares with others. */
START_TEST(what_is_reserved_must_be_0) {
  const call_t call = (call_t)_i;
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved,
                            a.norm_forward.reserved, a.norm_backward.reserved};
  const bool is_fused = call == FORWARD || call == BACKWARD;
  uint64_t *const shared = is_fused ? a.fused.reserved : a.norm.reserved;
  for (int k = 0; k < CUDROP_RESERVED; ++k) {
    const uint64_t bit = (uint64_t)1 << (21 * k); /* the lowest and the highest, too */
    char rule[100];
    args[call][k] = bit;
    snprintf(rule, sizeof rule, "args has reserved[%d] = %#llx, which must be 0", k,
             (unsigned long long)bit);
    expect_refused(&a, call, CUDROP_ERROR_INVALID_ARGUMENT, rule);
    args[call][k] = 0;
    shared[k] = bit;
    snprintf(rule, sizeof rule, "%s has reserved[%d] = %#llx, which must be 0",
             is_fused ? "fused" : "norm", k, (unsigned long long)bit);
    expect_refused(&a, call, CUDROP_ERROR_INVALID_ARGUMENT, rule);
    shared[k] = 0;
  }
}
END_TEST

START_TEST(null_arguments_are_named) {
  arguments_t a;
  make_arguments(&a);
  a.norm_forward.norm = a.norm_backward.norm = NULL;
  expect_refused(&a, NORM_FORWARD, CUDROP_ERROR_NULL_POINTER, "norm is NULL");
  expect_refused(&a, NORM_BACKWARD, CUDROP_ERROR_NULL_POINTER, "norm is NULL");
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
  tcase_add_loop_test(tests, a_broken_rule_of_forward_is_named, 0, FORWARD_RULES);
  tcase_add_loop_test(tests, a_broken_rule_of_backward_is_named, 0, BACKWARD_RULES);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_test(tests, null_arguments_are_named);
  return tests;
}

SUITE_MAIN("bad_rows", rules_case())
