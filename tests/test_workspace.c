/* test_workspace.c - calls need what their query says, and refuse less. */
#include <stdio.h>
#include <stdlib.h>

#include "suite_context.h"
#include "view.h"

typedef enum { FUSED, NORM, EMBEDDING } operator_t;

static const struct {
  const char *function;
  cudrop_status_t (*query)(int64_t rows, int64_t cols, size_t *bytes);
} operators[] = {
    [FUSED] = {"cudrop_fused_backward", cudrop_fused_backward_workspace},
    [NORM] = {"cudrop_norm_backward", cudrop_norm_backward_workspace},
    [EMBEDDING] = {"cudrop_embedding_backward", cudrop_embedding_backward_workspace},
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

#define POWER(n) ((int64_t)1 << (n))
#define TOO_LARGE "has more bytes than 63 bits count"

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

static cudrop_status_t make_call(const call_t *call, const memory_t *memory) {
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
          host, &(cudrop_fused_backward_t){.fused = &fused,
                                           .dy = &dy,
                                           .dx = gradient[0],
                                           .dbias = gradient[2],
                                           .workspace = memory->workspace,
                                           .workspace_bytes = memory->bytes});
    case NORM:
      return cudrop_norm_backward(
          host, &(cudrop_norm_backward_t){.norm = &norm,
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
          host, &(cudrop_embedding_backward_t){.ids = &each,
                                               .dy = &dy,
                                               .dtokens = gradient[5],
                                               .dpositions = gradient[6],
                                               .vocabulary = 1,
                                               .workspace = memory->workspace,
                                               .workspace_bytes = memory->bytes});
  }
}

/* Expect that the call works with `bytes`, and, if `is_needed`, that it refuses one byte less. */
static void expect_enough(const call_t *call, size_t bytes, bool is_needed) {
  const size_t size = (size_t)(call->rows * call->cols);
  void *buffer = NULL;
  memory_t memory = {.input = calloc(size, sizeof(float)),
                     .output = calloc(GRADIENTS * size, sizeof(float)),
                     .apart = (int64_t)size,
                     .workspace = view_make_workspace(host, bytes, &buffer),
                     .bytes = bytes};
  ck_assert_ok(make_call(call, &memory));
  if (is_needed && bytes > 0) {
    char text[200];
    snprintf(text, sizeof text,
             "%s: workspace_bytes = %zu, and %zu are needed; see %s_workspace()",
             operators[call->op].function, bytes - 1, bytes,
             operators[call->op].function);
    --memory.bytes;
    ck_assert_error(make_call(call, &memory), CUDROP_ERROR_WORKSPACE, text);
  }
  free(memory.input);
  free(memory.output);
  ck_assert_ok(cudrop_free(host, &buffer));
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

/* The rows of attention are queries. The workspace is needed for each gradient alone. */
START_TEST(attention_needs_what_its_query_says) {
  static const int64_t sizes[][2] = {{1, 8}, {33, 8}, {5, 40}, {97, 256}};
  enum { MOST = 97 * 256 };
  static float input[MOST], output[MOST];
  const int64_t rows = sizes[_i][0], cols = sizes[_i][1];
  const cudrop_tensor_t in = cudrop_matrix(input, CUDROP_F32, rows, cols);
  const cudrop_tensor_t out = cudrop_matrix(output, CUDROP_F32, rows, cols);
  const cudrop_tensor_t lse = cudrop_vector(input, CUDROP_F32, rows);
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL};
  size_t bytes = 0;
  void *buffer = NULL;
  ck_assert_ok(cudrop_attend_backward_workspace(rows, cols, &bytes));
  void *workspace = view_make_workspace(host, bytes, &buffer);
  for (int gradient = 0; gradient < 3; ++gradient) {
    char text[200];
    cudrop_attend_backward_t args = {.attention = &attention,
                                     .q = &in,
                                     .k = &in,
                                     .v = &in,
                                     .o = &in,
                                     .lse = &lse,
                                     .dout = &in,
                                     .dq = gradient == 0 ? &out : NULL,
                                     .dk = gradient == 1 ? &out : NULL,
                                     .dv = gradient == 2 ? &out : NULL,
                                     .workspace = workspace,
                                     .workspace_bytes = bytes};
    ck_assert_ok(cudrop_attend_backward(host, &args));
    --args.workspace_bytes;
    snprintf(text, sizeof text,
             "cudrop_attend_backward: workspace_bytes = %zu, and %zu are needed; see "
             "cudrop_attend_backward_workspace()",
             bytes - 1, bytes);
    ck_assert_error(cudrop_attend_backward(host, &args), CUDROP_ERROR_WORKSPACE, text);
  }
  ck_assert_ok(cudrop_free(host, &buffer));
}
END_TEST

/* Rows without columns have no elements, however many there are. */
START_TEST(rows_past_63_bits_need_no_workspace) {
  const int64_t shape[] = {POWER(40), POWER(40), 0};
  const cudrop_tensor_t dy = cudrop_tensor(NULL, CUDROP_F32, 3, shape);
  const cudrop_tensor_t dbias = cudrop_vector(NULL, CUDROP_F32, 0);
  const cudrop_fused_t fused = {.mask = NULL};
  ck_assert_ok(cudrop_fused_backward(
      host, &(cudrop_fused_backward_t){.fused = &fused, .dy = &dy, .dbias = &dbias}));
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
  ck_assert_error(make_call(&call, &memory), status, text);
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

static TCase *calls_case(void) {
  TCase *tests = suite_case("calls", 60);
  tcase_add_checked_fixture(tests, open_host, close_host);
  tcase_add_loop_test(tests, a_query_is_enough_for_any_gradients_and_needed_for_all, 0,
                      OPERATORS);
  tcase_add_test(tests, a_call_needs_what_its_own_gradients_need);
  tcase_add_loop_test(tests, attention_needs_what_its_query_says, 0, 4);
  tcase_add_test(tests, rows_past_63_bits_need_no_workspace);
  tcase_add_loop_test(tests, a_call_that_no_workspace_is_enough_for_is_refused, 0, 3);
  tcase_add_test(tests, a_workspace_does_not_wrap_around);
  tcase_add_test(tests, a_vast_workspace_is_apart_from_tensors);
  return tests;
}

SUITE_MAIN("workspace", calls_case())
