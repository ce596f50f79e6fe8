/* test_workspace.c - how large a workspace is, up to the largest that there is and one beyond. */
#include <stdio.h>
#include <string.h>

#include "suite.h"

/* Some of the outputs that decide how much is needed. */
typedef enum {
  FUSED,
  FUSED_DBIAS,
  NORM,
  NORM_DBIAS,
  NORM_ALL,
  DTOKENS,
  DPOSITIONS
} call_t;
enum { CALLS = DPOSITIONS + 1 };

static const char *const functions[CALLS] = {
    [FUSED] = "cudrop_fused_backward",
    [FUSED_DBIAS] = "cudrop_fused_backward",
    [NORM] = "cudrop_norm_backward",
    [NORM_DBIAS] = "cudrop_norm_backward",
    [NORM_ALL] = "cudrop_norm_backward",
    [DTOKENS] = "cudrop_embedding_backward",
    [DPOSITIONS] = "cudrop_embedding_backward",
};

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})
#define POWER(n) ((int64_t)1 << (n))

/* An input whose rows are all the same one, so that it has any number of them. */
static cudrop_tensor_t repeat(const void *data, cudrop_dtype_t dtype, int rank,
                              const int64_t *shape) {
  cudrop_tensor_t tensor = cudrop_tensor(data, dtype, rank, shape);
  for (int d = 0; d < rank; ++d) tensor.stride[d] = 0;
  return tensor;
}

typedef struct {
  cudrop_tensor_t dy, each, vector, table;
  cudrop_fused_backward_t fused;
  cudrop_norm_backward_t norm;
  cudrop_embedding_backward_t embedding;
} arguments_t;

static void make_arguments(arguments_t *a, call_t call, int rank, const int64_t *shape,
                           void *data) {
  const int64_t cols = shape[rank - 1];
  a->dy = repeat(data, CUDROP_F32, rank, shape);
  a->dy.stride[rank - 1] = 1;
  a->each = repeat(data, call < DTOKENS ? CUDROP_F32 : CUDROP_I32, rank - 1, shape);
  a->vector = cudrop_vector((char *)data + 64, CUDROP_F32, cols);
  a->table = cudrop_matrix((char *)data + 64, CUDROP_F32,
                           call == DPOSITIONS && rank > 1 ? shape[rank - 2] : 1, cols);
  a->fused = (cudrop_fused_backward_t){.dy = &a->dy, .dx = &a->dy};
  if (call == FUSED_DBIAS) a->fused.dbias = &a->vector;
  a->norm = (cudrop_norm_backward_t){
      .dy = &a->dy, .h = &a->dy, .mean = &a->each, .rstd = &a->each};
  if (call == NORM_DBIAS || call == NORM_ALL) a->norm.dbias = &a->vector;
  if (call == NORM_ALL) a->norm.dgamma = a->norm.dbeta = &a->vector;
  a->embedding = (cudrop_embedding_backward_t){.ids = &a->each, .dy = &a->dy};
  if (call == DTOKENS) a->embedding.dtokens = &a->table;
  if (call == DPOSITIONS) a->embedding.dpositions = &a->table;
}

static cudrop_status_t ask(const arguments_t *a, call_t call, size_t *bytes) {
  return call < NORM      ? cudrop_fused_backward_workspace(&a->fused, bytes)
         : call < DTOKENS ? cudrop_norm_backward_workspace(&a->norm, bytes)
                          : cudrop_embedding_backward_workspace(&a->embedding, bytes);
}

/* ---- Answers ---------------------------------------------------------------------- */

#define TOO_LARGE "whose workspace has more bytes than 63 bits count"

/* The largest shapes that have an answer, and the smallest beyond, which have a text. */
static const struct {
  call_t call;
  int rank;
  const int64_t *shape;
  int64_t bytes;
  const char *text;
} answers[] = {
    {FUSED, 2, SHAPE(1, INT64_MAX), 0, NULL},
    {FUSED, 3, SHAPE(POWER(40), POWER(40), 0), 0, NULL},
    {FUSED_DBIAS, 1, SHAPE(POWER(61) - 1), INT64_MAX - 3, NULL},
    {FUSED_DBIAS, 1, SHAPE(POWER(61)), 0,
     "dy has 1 rows of 2305843009213693952 columns, " TOO_LARGE},
    {FUSED_DBIAS, 2, SHAPE(1, POWER(61) - 1), INT64_MAX - 3, NULL},
    {FUSED_DBIAS, 2, SHAPE(1, POWER(61)), 0,
     "dy has 1 rows of 2305843009213693952 columns, " TOO_LARGE},
    {FUSED_DBIAS, 2, SHAPE(1, POWER(62)), 0,
     /* 2^64 bytes */ "dy has 1 rows of 4611686018427387904 columns, " TOO_LARGE},
    {FUSED_DBIAS, 2, SHAPE(1, INT64_MAX), 0,
     "dy has 1 rows of 9223372036854775807 columns, " TOO_LARGE},
    {FUSED_DBIAS, 2, SHAPE(3, POWER(61) - 1), INT64_MAX - 3, NULL},
    {FUSED_DBIAS, 2, SHAPE(3, POWER(61)), 0,
     "dy has 3 rows of 2305843009213693952 columns, " TOO_LARGE},
    {FUSED_DBIAS, 2, SHAPE(33, POWER(57)), POWER(60), NULL}, /* two slabs */
    {FUSED_DBIAS, 2, SHAPE(INT64_MAX, 1), POWER(57), NULL},
    {FUSED_DBIAS, 3, SHAPE(POWER(40), POWER(40), 0), 0, NULL},
    {NORM, 2, SHAPE(1, INT64_MAX), 8, NULL},
    {NORM, 2, SHAPE(POWER(60) - 1, 1), INT64_MAX - 7, NULL},
    {NORM, 2, SHAPE(POWER(60), 1), 0,
     "dy has 1152921504606846976 rows of 1 columns, " TOO_LARGE},
    {NORM, 2, SHAPE(POWER(61), 1), 0,
     /* 2^64 bytes */ "dy has 2305843009213693952 rows of 1 columns, " TOO_LARGE},
    {NORM, 3, SHAPE(POWER(31), POWER(30), 2), 0,
     "dy has 2305843009213693952 rows of 2 columns, " TOO_LARGE},
    {NORM, 2, SHAPE(INT64_MAX, 1), 0,
     "dy has 9223372036854775807 rows of 1 columns, " TOO_LARGE},
    {NORM_DBIAS, 2, SHAPE(1, POWER(61) - 3), INT64_MAX - 3, NULL},
    {NORM_DBIAS, 2, SHAPE(1, POWER(61) - 2), 0,
     "dy has 1 rows of 2305843009213693950 columns, " TOO_LARGE},
    {NORM_ALL, 2, SHAPE(1, 768614336404564649), INT64_MAX - 11, NULL},
    {NORM_ALL, 2, SHAPE(1, 768614336404564650), 0,
     "dy has 1 rows of 768614336404564650 columns, " TOO_LARGE},
    {NORM_ALL, 2, SHAPE(1, POWER(61)), 0,
     "dy has 1 rows of 2305843009213693952 columns, " TOO_LARGE},
    {NORM_ALL, 2, SHAPE(1146205457007195438, 1), INT64_MAX - 7, NULL},
    {NORM_ALL, 2, SHAPE(1146205457007195439, 1), 0,
     "dy has 1146205457007195439 rows of 1 columns, " TOO_LARGE},
    {DTOKENS, 2, SHAPE(POWER(31) - 1, 1), 35970352112, NULL},
    {DTOKENS, 2, SHAPE(POWER(31), 1), 0,
     "dy has 2147483648 rows, and the most is 2^31 - 1"},
    {DTOKENS, 2, SHAPE(POWER(32), 1), 0,
     "dy has 4294967296 rows, and the most is 2^31 - 1"},
    {DTOKENS, 2, SHAPE(POWER(32), 0), 0,
     "dy has 4294967296 rows, and the most is 2^31 - 1"},
    {DTOKENS, 2, SHAPE(INT64_MAX, 1), 0,
     "dy has 9223372036854775807 rows, and the most is 2^31 - 1"},
    {DTOKENS, 3, SHAPE(POWER(33), POWER(33), 0), 0,
     "dy has more rows than 63 bits count"},
    {DTOKENS, 3, SHAPE(POWER(33), 0, POWER(33)), 0, NULL},
    {DTOKENS, 2, SHAPE(POWER(31) - 1, POWER(32)), 2305843044647175152, NULL},
    {DTOKENS, 2, SHAPE(1, POWER(60) - 259), INT64_MAX - 7, NULL},
    {DTOKENS, 2, SHAPE(1, POWER(60) - 258), 0,
     "dy has 1 rows of 1152921504606846718 columns, " TOO_LARGE},
    {DTOKENS, 2, SHAPE(1, POWER(61)), 0, /* more than 2^64 bytes */
     "dy has 1 rows of 2305843009213693952 columns, " TOO_LARGE},
    {DPOSITIONS, 2, SHAPE(1, POWER(60) - 1), INT64_MAX - 7, NULL},
    {DPOSITIONS, 2, SHAPE(1, POWER(60)), 0,
     "dy has 1 rows of 1152921504606846976 columns, " TOO_LARGE},
    {DPOSITIONS, 2, SHAPE(POWER(31), 1), 0,
     "dy has 2147483648 rows, and the most is 2^31 - 1"},
};
enum { ANSWERS = sizeof answers / sizeof answers[0] };

START_TEST(a_query_answers_exactly_or_refuses_and_writes_nothing) {
  static char data[128];
  char text[200];
  size_t bytes = 12345;
  arguments_t a;
  make_arguments(&a, answers[_i].call, answers[_i].rank, answers[_i].shape, data);
  if (answers[_i].text == NULL) {
    ck_assert_ok(ask(&a, answers[_i].call, &bytes));
    ck_assert_uint_eq(bytes, (uint64_t)answers[_i].bytes);
    return;
  }
  snprintf(text, sizeof text, "%s_workspace: %s", functions[answers[_i].call],
           answers[_i].text);
  ck_assert_error(ask(&a, answers[_i].call, &bytes), CUDROP_ERROR_OVERFLOW, text);
  ck_assert_uint_eq(bytes, 12345);
}
END_TEST

/* Wider than any size. */
__extension__ typedef __int128 wide_t;

/* 2^63 - 1 shared out in every way: no answer is less than what is needed at the least. */
START_TEST(no_product_wraps_around) {
  static const int64_t beside[] = {-3, -1, 0, 1};
  static const wide_t a_row[CALLS] = {[NORM] = 8, [NORM_DBIAS] = 8, [NORM_ALL] = 8};
  static const wide_t a_col[CALLS] = {[FUSED_DBIAS] = 4,
                                      [NORM_DBIAS] = 4,
                                      [NORM_ALL] = 12,
                                      [DTOKENS] = 8,
                                      [DPOSITIONS] = 8};
  int answered = 0, refused = 0;
  for (int high = 0; high < 63; ++high) {
    for (int low = 0; low < 63; ++low) {
      for (int k = 0; k < 16; ++k) {
        const int64_t rows = POWER(high) + beside[k / 4],
                      cols = POWER(low) + beside[k % 4];
        size_t bytes = 0;
        arguments_t a;
        if (rows < 1 || cols < 1 || rows > INT64_MAX / cols) continue;
        make_arguments(&a, (call_t)_i, 2, SHAPE(rows, cols), NULL);
        const wide_t least = a_row[_i] * rows + a_col[_i] * cols;
        const bool is_answered = ask(&a, (call_t)_i, &bytes) == CUDROP_OK;
        ck_assert_msg(!is_answered || ((wide_t)bytes >= least && bytes <= INT64_MAX),
                      "%s: %lld rows of %lld columns need %llu bytes", functions[_i],
                      (long long)rows, (long long)cols, (unsigned long long)bytes);
        ck_assert(is_answered || least > POWER(62) || _i >= DTOKENS);
        ++*(is_answered ? &answered : &refused);
      }
    }
  }
  ck_assert_int_gt(answered, 1000);
  ck_assert_int_eq(refused > 0, _i != FUSED);
}
END_TEST

/* ---- Calls ------------------------------------------------------------------------ */

/* As much memory as there can be, the caller says, of which nothing is his. */
typedef struct {
  _Alignas(64) char data[128];
  void *workspace;
  size_t bytes;
} lie_t;

static cudrop_status_t make_call(cudrop_context_t *context, arguments_t *a, call_t call,
                                 const lie_t *lie) {
  a->fused.dx = NULL;
  a->fused.workspace = a->norm.workspace = a->embedding.workspace = lie->workspace;
  a->fused.workspace_bytes = a->norm.workspace_bytes = a->embedding.workspace_bytes =
      lie->bytes;
  if (call == NORM) a->norm.dgamma = &a->vector;
  return call < NORM      ? cudrop_fused_backward(context, &a->fused)
         : call < DTOKENS ? cudrop_norm_backward(context, &a->norm)
                          : cudrop_embedding_backward(context, &a->embedding);
}

static void expect_refusal(call_t call, const int64_t *shape, const lie_t *lie,
                           cudrop_status_t status, const char *rule) {
  lie_t before = *lie;
  char text[200];
  cudrop_context_t *context = NULL;
  arguments_t a;
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  make_arguments(&a, call, 2, shape, (void *)lie->data);
  snprintf(text, sizeof text, "%s: %s", functions[call], rule);
  ck_assert_error(make_call(context, &a, call, lie), status, text);
  ck_assert_mem_eq(lie->data, before.data, sizeof before.data);
  ck_assert_ok(cudrop_destroy(&context));
}

/* Whatever the caller says that he lends. */
START_TEST(a_call_that_no_workspace_is_enough_for_is_refused) {
  static const size_t sizes[] = {0, INT64_MAX, SIZE_MAX};
  static lie_t lie;
  lie.workspace = (void *)0x10000;
  lie.bytes = sizes[_i];
  expect_refusal(NORM, SHAPE(POWER(60), 1), &lie, CUDROP_ERROR_OVERFLOW,
                 "dy has 1152921504606846976 rows of 1 columns, " TOO_LARGE);
  expect_refusal(NORM, SHAPE(POWER(61), 1), &lie, CUDROP_ERROR_OVERFLOW,
                 "dy has 2305843009213693952 rows of 1 columns, " TOO_LARGE);
  expect_refusal(NORM_DBIAS, SHAPE(POWER(61) - 1, 1), &lie, CUDROP_ERROR_OVERFLOW,
                 "dy has 2305843009213693951 rows of 1 columns, " TOO_LARGE);
  expect_refusal(DTOKENS, SHAPE(POWER(32), 1), &lie, CUDROP_ERROR_OVERFLOW,
                 "dy has 4294967296 rows, and the most is 2^31 - 1");
  expect_refusal(DTOKENS, SHAPE(POWER(32), 0), &lie, CUDROP_ERROR_OVERFLOW,
                 "dy has 4294967296 rows, and the most is 2^31 - 1");
}
END_TEST

/* It may be large enough, and it is not there where it would have more bits than 63 bits count,
 * or end behind the last address. */
START_TEST(a_workspace_does_not_wrap_around) {
  static lie_t lie;
  lie.workspace = lie.data + 64;
  lie.bytes = SIZE_MAX;
  expect_refusal(NORM, SHAPE(POWER(57), 1), &lie, CUDROP_ERROR_OVERFLOW,
                 "workspace spans more memory than 63 bits address");
  lie.workspace = (void *)(UINTPTR_MAX - 63); /* NOLINT(performance-no-int-to-ptr) */
  expect_refusal(FUSED_DBIAS, SHAPE(256, 16), &lie, CUDROP_ERROR_OVERFLOW,
                 "workspace spans more memory than 63 bits address");
  expect_refusal(NORM, SHAPE(POWER(56), 1), &lie, CUDROP_ERROR_OVERFLOW,
                 "workspace spans more memory than 63 bits address");
  expect_refusal(DTOKENS, SHAPE(2, 16), &lie, CUDROP_ERROR_OVERFLOW,
                 "workspace spans more memory than 63 bits address");
}
END_TEST

/* The arithmetic of overlaps has room for the largest workspace, and a tensor before it. */
START_TEST(a_vast_workspace_is_apart_from_tensors) {
  static lie_t lie;
  lie.workspace = lie.data + 64;
  lie.bytes = SIZE_MAX;
  expect_refusal(NORM, SHAPE(POWER(56), 32), &lie, CUDROP_ERROR_OVERLAP,
                 "dy overlaps workspace");
  expect_refusal(NORM, SHAPE(POWER(57) - POWER(52), 1), &lie, CUDROP_ERROR_OVERLAP,
                 "dgamma overlaps workspace");
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 60);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("workspace",
           loop_case("answers", a_query_answers_exactly_or_refuses_and_writes_nothing,
                     ANSWERS),
           loop_case("products", no_product_wraps_around, CALLS),
           loop_case("calls", a_call_that_no_workspace_is_enough_for_is_refused, 3),
           loop_case("wrap", a_workspace_does_not_wrap_around, 1),
           loop_case("apart", a_vast_workspace_is_apart_from_tensors, 1))
