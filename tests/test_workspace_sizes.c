/* test_workspace_sizes.c - what a query answers, up to the largest workspace and one beyond. */
#include <stdio.h>

#include "suite.h"

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
    {EMBEDDING, POWER(31) - 1, 1, 35970358256, NULL},
    {EMBEDDING, POWER(31), 1, 0, "there are 2147483648 rows, and the most is 2147483647"},
    {EMBEDDING, POWER(32), 0, 0, "there are 4294967296 rows, and the most is 2147483647"},
    {EMBEDDING, INT64_MAX, 1, 0,
     "there are 9223372036854775807 rows, and the most is 2147483647"},
    {EMBEDDING, POWER(31) - 1, POWER(32), 2305843044647181296, NULL},
    {EMBEDDING, POWER(31) - 1, INT64_MAX, 0,
     "the workspace for 2147483647 rows of 9223372036854775807 columns " TOO_LARGE},
    {EMBEDDING, 1, POWER(60) - 259, INT64_MAX - 7, NULL},
    {EMBEDDING, 1, POWER(60) - 258, 0,
     "the workspace for 1 rows of 1152921504606846718 columns " TOO_LARGE},
    {EMBEDDING, 1, POWER(61), 0, /* more than 2^64 bytes */
     "the workspace for 1 rows of 2305843009213693952 columns " TOO_LARGE},
    {ATTEND, 0, INT64_MAX, 0, NULL},
    {ATTEND, 1, 8, 132, NULL}, /* a row of 32 columns on the host, and a sum */
    {ATTEND, 3, 256, 3084, NULL},
    {ATTEND, 1, POWER(62), 0,
     "the workspace for 1 rows of 4611686018427387904 columns " TOO_LARGE},
    {ATTEND, POWER(60), 256, 0,
     "the workspace for 1152921504606846976 rows of 256 columns " TOO_LARGE},
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

SUITE_MAIN("workspace_sizes", answers_case())
