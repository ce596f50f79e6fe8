/* test_workspace.c - how large a workspace is, up to the largest that there is and one beyond. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "view.h"

typedef enum { FUSED, NORM, EMBEDDING, ATTEND } operator_t;

static const struct {
  const char *function;
  cudrop_status_t (*query)(int64_t rows, int64_t cols, size_t *bytes);
} operators[] = {
    [FUSED] = {"cudrop_fused_backward", cudrop_fused_backward_workspace},
    [NORM] = {"cudrop_norm_backward", cudrop_norm_backward_workspace},
    [EMBEDDING] = {"cudrop_embedding_backward", cudrop_embedding_backward_workspace},
    [ATTEND] = {"cudrop_attend_backward", cudrop_attend_backward_workspace},
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

#define POWER(n) ((int64_t)1 << (n))
#define TOO_LARGE "has more bytes than 63 bits count"

/* ---- Answers ---------------------------------------------------------------------- */

/* The largest sizes that have an answer, and the smallest beyond, which have a text. */
static const struct {
  operator_t op;
  int64_t rows, cols;
  int64_t bytes;
  const char *text;
} answers[] = {
    {FUSED, 0, INT64_MAX, 0, NULL},
    {FUSED, INT64_MAX, 0, 0, NULL},
    {FUSED, 1, POWER(61) - 1, INT64_MAX - 3, NULL},
    {FUSED, 1, POWER(61), 0,
     "the workspace for 1 rows of 2305843009213693952 columns " TOO_LARGE},
    {FUSED, 1, POWER(62), 0, /* 2^64 bytes */
     "the workspace for 1 rows of 4611686018427387904 columns " TOO_LARGE},
    {FUSED, 1, INT64_MAX, 0,
     "the workspace for 1 rows of 9223372036854775807 columns " TOO_LARGE},
    {FUSED, 3, POWER(61) - 1, INT64_MAX - 3, NULL},
    {FUSED, 3, POWER(61), 0,
     "the workspace for 3 rows of 2305843009213693952 columns " TOO_LARGE},
    {FUSED, 33, POWER(57), POWER(60), NULL}, /* two slabs */
    {FUSED, INT64_MAX, 1, POWER(57), NULL},
    {FUSED, INT64_MAX, INT64_MAX, 0,
     "the workspace for 9223372036854775807 rows of 9223372036854775807 "
     "columns " TOO_LARGE},
    {NORM, 0, INT64_MAX, 0, NULL},
    {NORM, INT64_MAX, 0, 0, NULL},
    {NORM, 1, 768614336404564649, INT64_MAX - 11, NULL},
    {NORM, 1, 768614336404564650, 0,
     "the workspace for 1 rows of 768614336404564650 columns " TOO_LARGE},
    {NORM, 1, POWER(61), 0,
     "the workspace for 1 rows of 2305843009213693952 columns " TOO_LARGE},
    {NORM, 1146205457007195438, 1, INT64_MAX - 7, NULL},
    {NORM, 1146205457007195439, 1, 0,
     "the workspace for 1146205457007195439 rows of 1 columns " TOO_LARGE},
    {NORM, POWER(61), 1, 0, /* more than 2^64 bytes */
     "the workspace for 2305843009213693952 rows of 1 columns " TOO_LARGE},
    {NORM, INT64_MAX, INT64_MAX, 0,
     "the workspace for 9223372036854775807 rows of 9223372036854775807 "
     "columns " TOO_LARGE},
    {EMBEDDING, 0, INT64_MAX, 0, NULL},
    {EMBEDDING, POWER(31) - 1, 0, 0, NULL},
    {EMBEDDING, POWER(31) - 1, 1, 35970352112, NULL},
    {EMBEDDING, POWER(31), 1, 0, "there are 2147483648 rows, and the most is 2147483647"},
    {EMBEDDING, POWER(32), 0, 0, "there are 4294967296 rows, and the most is 2147483647"},
    {EMBEDDING, INT64_MAX, 1, 0,
     "there are 9223372036854775807 rows, and the most is 2147483647"},
    {EMBEDDING, POWER(31) - 1, POWER(32), 2305843044647175152, NULL},
    {EMBEDDING, POWER(31) - 1, INT64_MAX, 0,
     "the workspace for 2147483647 rows of 9223372036854775807 columns " TOO_LARGE},
    {EMBEDDING, 1, POWER(60) - 259, INT64_MAX - 7, NULL},
    {EMBEDDING, 1, POWER(60) - 258, 0,
     "the workspace for 1 rows of 1152921504606846718 columns " TOO_LARGE},
    {ATTEND, 0, INT64_MAX, 0, NULL},
    {ATTEND, 1, 8, 132, NULL}, /* a row of 32 columns on the host, and a sum */
    {ATTEND, 3, 256, 3084, NULL},
    {ATTEND, 1, POWER(62), 0,
     "the workspace for 1 rows of 4611686018427387904 columns " TOO_LARGE},
    {ATTEND, POWER(60), 256, 0,
     "the workspace for 1152921504606846976 rows of 256 columns " TOO_LARGE},
    {EMBEDDING, 1, POWER(61), 0, /* more than 2^64 bytes */
     "the workspace for 1 rows of 2305843009213693952 columns " TOO_LARGE},
};
enum { ANSWERS = sizeof answers / sizeof answers[0] };

static void expect_no_answer(operator_t op, int64_t rows, int64_t cols,
                             cudrop_status_t status, const char *rule) {
  char text[200];
  size_t bytes = 12345;
  snprintf(text, sizeof text, "%s_workspace: %s", operators[op].function, rule);
  ck_assert_error(operators[op].query(rows, cols, &bytes), status, text);
  ck_assert_uint_eq(bytes, 12345);
}

START_TEST(a_query_answers_exactly_or_refuses_and_writes_nothing) {
  const operator_t op = answers[_i].op;
  size_t bytes = 12345;
  if (answers[_i].text != NULL) {
    expect_no_answer(op, answers[_i].rows, answers[_i].cols, CUDROP_ERROR_OVERFLOW,
                     answers[_i].text);
    return;
  }
  ck_assert_ok(operators[op].query(answers[_i].rows, answers[_i].cols, &bytes));
  ck_assert_uint_eq(bytes, (uint64_t)answers[_i].bytes);
}
END_TEST

START_TEST(a_query_refuses_what_is_no_size) {
  const operator_t op = (operator_t)_i;
  char text[200];
  expect_no_answer(op, -1, 8, CUDROP_ERROR_INVALID_ARGUMENT,
                   "rows = -1 and cols = 8, of which one is negative");
  expect_no_answer(op, 0, -1, CUDROP_ERROR_INVALID_ARGUMENT,
                   "rows = 0 and cols = -1, of which one is negative");
  expect_no_answer(op, INT64_MIN, INT64_MAX, CUDROP_ERROR_INVALID_ARGUMENT,
                   "rows = -9223372036854775808 and cols = 9223372036854775807, of which "
                   "one is negative");
  snprintf(text, sizeof text, "%s_workspace: bytes is NULL", operators[op].function);
  ck_assert_error(operators[op].query(8, 8, NULL), CUDROP_ERROR_NULL_POINTER, text);
}
END_TEST

/* Wider than any size. */
__extension__ typedef unsigned __int128 wide_t;

/* Around all powers of 2: an answer lies between the least and the most that the operator can need,
 * and a shape is refused only if that most is 2^63 bytes or more. */
START_TEST(no_product_wraps_around) {
  static const int64_t beside[] = {-3, -1, 0, 1};
  static const struct {
    wide_t least_a_row, most_a_row, least_a_col, most_a_col, more;
  } floats[OPERATORS] = {[FUSED] = {0, 0, 1, 1, 0},
                         [NORM] = {2, 2, 3, 3, 0},
                         [EMBEDDING] = {4, 5, 2, 2, 1024},
                         [ATTEND] = {1, 33, 1, 4, 0}};
  int answered = 0, refused = 0;
  for (int high = 0; high < 63; ++high) {
    for (int low = 0; low < 63; ++low) {
      for (int k = 0; k < 16; ++k) {
        const int64_t rows = POWER(high) + beside[k / 4],
                      cols = POWER(low) + beside[k % 4];
        size_t bytes = 0;
        if (rows < 1 || cols < 1) continue;
        const wide_t r = (wide_t)rows, c = (wide_t)cols;
        const wide_t least =
            4 * (floats[_i].least_a_row * r + floats[_i].least_a_col * c);
        const wide_t most =
            4 * (floats[_i].most_a_row * r + floats[_i].most_a_col * c * (r / 4 + 1) +
                 floats[_i].more);
        const bool is_answered = operators[_i].query(rows, cols, &bytes) == CUDROP_OK;
        ck_assert_msg(
            !is_answered || (bytes >= least && bytes <= most && bytes <= INT64_MAX),
            "%s: %lld rows of %lld columns need %llu bytes", operators[_i].function,
            (long long)rows, (long long)cols, (unsigned long long)bytes);
        ck_assert(is_answered || most > INT64_MAX ||
                  (_i == EMBEDDING && rows > INT32_MAX));
        ++*(is_answered ? &answered : &refused);
      }
    }
  }
  ck_assert_int_gt(answered, 1000);
  ck_assert_int_gt(refused, 1000);
}
END_TEST

/* So the answer for the largest batch is enough for every batch. */
START_TEST(a_query_answers_no_less_for_more_rows) {
  for (int64_t cols = 0; cols < 5000; cols += cols / 4 + 1) {
    size_t before = 0;
    for (int64_t rows = 0; rows < 200000; rows += rows / 64 + 1) {
      size_t bytes = 0;
      ck_assert_ok(operators[_i].query(rows, cols, &bytes));
      ck_assert_uint_ge(bytes, before);
      before = bytes;
    }
  }
}
END_TEST

START_TEST(a_workspace_is_little_beside_the_data) {
  size_t bytes = 0;
  ck_assert_ok(cudrop_fused_backward_workspace(100000, 768, &bytes));
  ck_assert_uint_gt(bytes, 0);
  ck_assert_uint_lt(bytes, (size_t)100000 * 768 * 2 / 10);
}
END_TEST

/* ---- Calls ------------------------------------------------------------------------ */

/* Gradients that a call can be asked for. */
enum {
  DX = 1 << 0,
  DRESIDUAL = 1 << 1,
  DBIAS = 1 << 2,
  DGAMMA = 1 << 3,
  DBETA = 1 << 4,
  DTOKENS = 1 << 5,
  DPOSITIONS = 1 << 6,
  GRADIENTS = 7
};

static const unsigned all_gradients[OPERATORS] = {
    [FUSED] = DX | DBIAS,
    [NORM] = DX | DRESIDUAL | DBIAS | DGAMMA | DBETA,
    [EMBEDDING] = DTOKENS | DPOSITIONS,
};

typedef struct {
  operator_t op;
  unsigned wanted; /* of the gradients above */
  int64_t rows, cols;
} call_t;

/* The memory of a call: one row, which is every row of every input, and the first output. */
typedef struct {
  float *input, *output;
  int64_t apart; /* from one output to the next */
  void *workspace;
  size_t bytes;
} memory_t;

/* Rows that are all the same one, so that an input has any number of them. */
static cudrop_tensor_t repeat(void *data, cudrop_dtype_t dtype, int rank, int64_t rows,
                              int64_t cols) {
  cudrop_tensor_t tensor =
      cudrop_tensor(data, dtype, rank, (const int64_t[]){rows, cols});
  tensor.stride[0] = 0;
  return tensor;
}

static cudrop_status_t make_call(cudrop_context_t *context, const call_t *call,
                                 const memory_t *memory) {
  const bool has_ids = call->op == EMBEDDING;
  const cudrop_tensor_t dy = repeat(memory->input, CUDROP_F32, 2, call->rows, call->cols);
  const cudrop_tensor_t each =
      repeat(memory->input, has_ids ? CUDROP_I32 : CUDROP_F32, 1, call->rows, 0);
  const cudrop_fused_t fused = {.mask = NULL};
  const cudrop_norm_t norm = {.mask = NULL};
  cudrop_tensor_t made[GRADIENTS];
  const cudrop_tensor_t *gradient[GRADIENTS];
  for (int k = 0; k < GRADIENTS; ++k) {
    const unsigned bit = 1u << k;
    float *data = memory->output + k * memory->apart;
    made[k] = (bit & (DX | DRESIDUAL | DPOSITIONS)) != 0
                  ? cudrop_matrix(data, CUDROP_F32, call->rows, call->cols)
              : bit == DTOKENS ? cudrop_matrix(data, CUDROP_F32, 1, call->cols)
                               : cudrop_vector(data, CUDROP_F32, call->cols);
    gradient[k] = (call->wanted & bit) != 0 ? &made[k] : NULL;
  }
  switch (call->op) {
    case FUSED:
      return cudrop_fused_backward(
          context, &(cudrop_fused_backward_t){.fused = &fused,
                                              .dy = &dy,
                                              .dx = gradient[0],
                                              .dbias = gradient[2],
                                              .workspace = memory->workspace,
                                              .workspace_bytes = memory->bytes});
    case NORM:
      return cudrop_norm_backward(
          context, &(cudrop_norm_backward_t){.norm = &norm,
                                             .dy = &dy,
                                             .h = &dy,
                                             .mean = &each,
                                             .rstd = &each,
                                             .dx = gradient[0],
                                             .dresidual = gradient[1],
                                             .dbias = gradient[2],
                                             .dgamma = gradient[3],
                                             .dbeta = gradient[4],
                                             .workspace = memory->workspace,
                                             .workspace_bytes = memory->bytes});
    default:
      return cudrop_embedding_backward(
          context, &(cudrop_embedding_backward_t){.ids = &each,
                                                  .dy = &dy,
                                                  .dtokens = gradient[5],
                                                  .dpositions = gradient[6],
                                                  .vocabulary = 1,
                                                  .workspace = memory->workspace,
                                                  .workspace_bytes = memory->bytes});
  }
}

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

/* Expect that the call works with `bytes`, and, if `is_needed`, that it refuses one byte less. */
static void expect_enough(const call_t *call, size_t bytes, bool is_needed) {
  const size_t size = (size_t)(call->rows * call->cols);
  void *buffer = NULL;
  memory_t memory = {.input = calloc(size, sizeof(float)),
                     .output = calloc(GRADIENTS * size, sizeof(float)),
                     .apart = (int64_t)size,
                     .workspace = view_make_workspace(context, bytes, &buffer),
                     .bytes = bytes};
  ck_assert_ok(make_call(context, call, &memory));
  if (is_needed && bytes > 0) {
    char text[200];
    snprintf(text, sizeof text,
             "%s: workspace_bytes = %zu, and %zu are needed; see %s_workspace()",
             operators[call->op].function, bytes - 1, bytes,
             operators[call->op].function);
    --memory.bytes;
    ck_assert_error(make_call(context, call, &memory), CUDROP_ERROR_WORKSPACE, text);
  }
  free(memory.input);
  free(memory.output);
  ck_assert_ok(cudrop_free(context, &buffer));
}

START_TEST(a_query_is_enough_for_any_gradients_and_needed_for_all) {
  static const int64_t sizes[][2] = {{1, 1}, {1, 300}, {33, 8}, {300, 31}, {2049, 40}};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; ++k) {
    call_t call = {.op = (operator_t)_i, .rows = sizes[k][0], .cols = sizes[k][1]};
    const unsigned all = all_gradients[call.op];
    size_t bytes = 0;
    ck_assert_ok(operators[call.op].query(call.rows, call.cols, &bytes));
    for (call.wanted = 1; call.wanted <= all; ++call.wanted)
      if ((call.wanted & ~all) == 0) expect_enough(&call, bytes, call.wanted == all);
  }
}
END_TEST

START_TEST(a_call_needs_what_its_own_gradients_need) {
  static const struct {
    call_t call;
    size_t bytes;
  } needs[] = {
      {{FUSED, DX, 33, 8}, 0},
      {{FUSED, DBIAS, 33, 8}, 32},
      {{NORM, DX, 33, 8}, 264},
      {{NORM, DX | DBIAS, 33, 8}, 296},
      {{NORM, DGAMMA | DBETA, 33, 8}, 328},
      {{EMBEDDING, DPOSITIONS, 33, 8}, 128},
      {{EMBEDDING, DTOKENS, 33, 8}, 2704},
  };
  for (size_t k = 0; k < sizeof needs / sizeof needs[0]; ++k)
    expect_enough(&needs[k].call, needs[k].bytes, true);
}
END_TEST

/* Rows without columns have no elements, however many there are. */
START_TEST(rows_past_63_bits_need_no_workspace) {
  const int64_t shape[] = {POWER(40), POWER(40), 0};
  const cudrop_tensor_t dy = cudrop_tensor(NULL, CUDROP_F32, 3, shape);
  const cudrop_tensor_t dbias = cudrop_vector(NULL, CUDROP_F32, 0);
  const cudrop_fused_t fused = {.mask = NULL};
  ck_assert_ok(cudrop_fused_backward(
      context, &(cudrop_fused_backward_t){.fused = &fused, .dy = &dy, .dbias = &dbias}));
}
END_TEST

/* ---- Calls that are refused ------------------------------------------------------- */

/* The arguments of a caller who claims a workspace that he does not have. */
typedef struct {
  _Alignas(64) float data[32];
  void *workspace;
  size_t bytes;
} lie_t;

static void expect_refusal(call_t call, lie_t *lie, cudrop_status_t status,
                           const char *rule) {
  const lie_t before = *lie;
  const memory_t memory = {.input = lie->data,
                           .output = lie->data + 16,
                           .workspace = lie->workspace,
                           .bytes = lie->bytes};
  char text[200];
  snprintf(text, sizeof text, "%s: %s", operators[call.op].function, rule);
  ck_assert_error(make_call(context, &call, &memory), status, text);
  ck_assert_mem_eq(lie->data, before.data, sizeof before.data);
}

/* The shape alone decides, not the size that the caller claims. */
START_TEST(a_call_that_no_workspace_is_enough_for_is_refused) {
  static const size_t sizes[] = {0, INT64_MAX, SIZE_MAX};
  static lie_t lie;
  lie.workspace = (void *)0x10000;
  lie.bytes = sizes[_i];
  expect_refusal((call_t){NORM, DGAMMA, POWER(60), 1}, &lie, CUDROP_ERROR_OVERFLOW,
                 "the workspace for 1152921504606846976 rows of 1 columns " TOO_LARGE);
  expect_refusal((call_t){NORM, DGAMMA, POWER(61), 1}, &lie, CUDROP_ERROR_OVERFLOW,
                 "the workspace for 2305843009213693952 rows of 1 columns " TOO_LARGE);
  expect_refusal((call_t){NORM, DBIAS, POWER(61) - 1, 1}, &lie, CUDROP_ERROR_OVERFLOW,
                 "the workspace for 2305843009213693951 rows of 1 columns " TOO_LARGE);
  expect_refusal((call_t){EMBEDDING, DTOKENS, POWER(32), 1}, &lie, CUDROP_ERROR_OVERFLOW,
                 "there are 4294967296 rows, and the most is 2147483647");
  expect_refusal((call_t){EMBEDDING, DTOKENS, POWER(32), 0}, &lie, CUDROP_ERROR_OVERFLOW,
                 "there are 4294967296 rows, and the most is 2147483647");
}
END_TEST

/* A workspace of enough bytes is refused if 63 bits cannot count its bits, or if it would end
 * behind the last address. */
START_TEST(a_workspace_does_not_wrap_around) {
  static const char rule[] = "workspace spans more memory than 63 bits address";
  static lie_t lie;
  lie.workspace = lie.data + 16;
  lie.bytes = SIZE_MAX;
  expect_refusal((call_t){NORM, DGAMMA, POWER(57), 1}, &lie, CUDROP_ERROR_OVERFLOW, rule);
  lie.workspace = (void *)(UINTPTR_MAX - 63); /* NOLINT(performance-no-int-to-ptr) */
  expect_refusal((call_t){FUSED, DBIAS, 256, 16}, &lie, CUDROP_ERROR_OVERFLOW, rule);
  expect_refusal((call_t){NORM, DGAMMA, POWER(56), 1}, &lie, CUDROP_ERROR_OVERFLOW, rule);
  expect_refusal((call_t){EMBEDDING, DTOKENS, 2, 16}, &lie, CUDROP_ERROR_OVERFLOW, rule);
}
END_TEST

/* The arithmetic of overlaps has room for the largest workspace and for a tensor before it. */
START_TEST(a_vast_workspace_is_apart_from_tensors) {
  static lie_t lie;
  lie.workspace = lie.data + 16;
  lie.bytes = SIZE_MAX;
  expect_refusal((call_t){NORM, DGAMMA, POWER(56), 32}, &lie, CUDROP_ERROR_OVERLAP,
                 "dy overlaps workspace");
  expect_refusal((call_t){NORM, DGAMMA, POWER(57) - POWER(52), 1}, &lie,
                 CUDROP_ERROR_OVERLAP, "dgamma overlaps workspace");
}
END_TEST

static TCase *answers_case(void) {
  TCase *tests = suite_case("answers", 60);
  tcase_add_loop_test(tests, a_query_answers_exactly_or_refuses_and_writes_nothing, 0,
                      ANSWERS);
  tcase_add_loop_test(tests, a_query_refuses_what_is_no_size, 0, OPERATORS);
  tcase_add_loop_test(tests, no_product_wraps_around, 0, OPERATORS);
  tcase_add_loop_test(tests, a_query_answers_no_less_for_more_rows, 0, OPERATORS);
  tcase_add_test(tests, a_workspace_is_little_beside_the_data);
  return tests;
}

static TCase *calls_case(void) {
  TCase *tests = suite_case("calls", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, a_query_is_enough_for_any_gradients_and_needed_for_all, 0,
                      OPERATORS);
  tcase_add_test(tests, a_call_needs_what_its_own_gradients_need);
  tcase_add_test(tests, rows_past_63_bits_need_no_workspace);
  tcase_add_loop_test(tests, a_call_that_no_workspace_is_enough_for_is_refused, 0, 3);
  tcase_add_test(tests, a_workspace_does_not_wrap_around);
  tcase_add_test(tests, a_vast_workspace_is_apart_from_tensors);
  return tests;
}

SUITE_MAIN("workspace", answers_case(), calls_case())
