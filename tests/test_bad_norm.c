/* test_bad_norm.c - what a norm refuses, and how much workspace its gradient needs. */
#include <string.h>

#include "suite.h"

static cudrop_context_t *host;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&host));
}

enum { ROWS = 5, COLS = 24, N = ROWS * COLS };

static float memory[16][N];
static cudrop_tensor_t full[6], vectors[3], each[2], sums[3];
static cudrop_norm_t norm_value; /* which all calls take */

static void make_arguments(void) {
  norm_value = (cudrop_norm_t){
      .epsilon = 1e-5f, .bias = &vectors[0], .gamma = &vectors[1], .beta = &vectors[2]};
  for (int k = 0; k < 6; ++k) full[k] = cudrop_matrix(memory[k], CUDROP_F32, ROWS, COLS);
  for (int k = 0; k < 3; ++k) vectors[k] = cudrop_vector(memory[6 + k], CUDROP_F32, COLS);
  for (int k = 0; k < 3; ++k) sums[k] = cudrop_vector(memory[11 + k], CUDROP_F32, COLS);
  for (int k = 0; k < 2; ++k) each[k] = cudrop_vector(memory[9 + k], CUDROP_F32, ROWS);
  memset(memory, 0x55, sizeof memory);
}

#define EXPECT_REFUSAL(function, right, status, text, ...)               \
  do {                                                                   \
    float before[16][N];                                                 \
    make_arguments();                                                    \
    args = (right);                                                      \
    __VA_ARGS__;                                                         \
    memcpy(before, memory, sizeof memory);                               \
    ck_assert_error(function(host, &args), status, #function ": " text); \
    ck_assert_mem_eq(before, memory, sizeof memory);                     \
  } while (0)
#define REFUSES(status, text, ...) \
  EXPECT_REFUSAL(cudrop_norm_forward, right, CUDROP_ERROR_##status, text, __VA_ARGS__)

START_TEST(forward_refuses_what_makes_no_sense) {
  const cudrop_norm_forward_t right = {.norm = &norm_value,
                                       .x = &full[0],
                                       .residual = &full[1],
                                       .h = &full[2],
                                       .y = &full[3],
                                       .mean = &each[0],
                                       .rstd = &each[1]};
  cudrop_norm_forward_t args = right;
  make_arguments();
  ck_assert_ok(cudrop_norm_forward(host, &args));
  REFUSES(NULL_POINTER, "x is NULL", args.x = args.residual = NULL);
  REFUSES(NULL_POINTER, "y is NULL", args.y = NULL);
  REFUSES(NULL_POINTER, "norm is NULL", args.norm = NULL);
  REFUSES(INVALID_ARGUMENT, "kind = 2 does not exist",
          norm_value.kind = (cudrop_norm_kind_t)2);
  REFUSES(INVALID_ARGUMENT, "there is a mean, and CUDROP_RMS_NORM has none",
          norm_value.kind = CUDROP_RMS_NORM);
  REFUSES(INVALID_ARGUMENT, "norm has reserved[3] = 0x10, which must be 0",
          norm_value.reserved[3] = 16);
  REFUSES(INVALID_ARGUMENT, "args has reserved[0] = 0x1, which must be 0",
          args.reserved[0] = 1);
  REFUSES(INVALID_ARGUMENT, "epsilon = 0 must be finite and above 0",
          norm_value.epsilon = 0.0f);
  REFUSES(INVALID_ARGUMENT, "epsilon = -1 must be finite and above 0",
          norm_value.epsilon = -1.0f);
  REFUSES(INVALID_ARGUMENT, "epsilon = inf must be finite and above 0",
          norm_value.epsilon = INFINITY);
  REFUSES(INVALID_ARGUMENT, "epsilon = nan must be finite and above 0",
          norm_value.epsilon = NAN);
  REFUSES(DTYPE, "mean has dtype = 3 (BF16), which is not F32",
          each[0].dtype = CUDROP_BF16);
  REFUSES(DTYPE, "gamma is F16 and x is F32", vectors[1].dtype = CUDROP_F16);
  REFUSES(SHAPE, "rstd has shape[0] = 4 and x has shape[0] = 5", each[1].shape[0] = 4);
  REFUSES(SHAPE, "mean has rank = 2, and with x of rank = 2 it must be 1",
          args.mean = &full[4]);
  REFUSES(OVERLAP, "y overlaps h", args.y = &full[2]);
  REFUSES(OVERLAP, "mean overlaps rstd", args.mean = &each[1]);
  REFUSES(OVERLAP, "mean overlaps bias", each[0].data = memory[6]);
}
END_TEST
#undef REFUSES

#define REFUSES(status, text, ...) \
  EXPECT_REFUSAL(cudrop_norm_backward, right, CUDROP_ERROR_##status, text, __VA_ARGS__)

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

START_TEST(backward_refuses_what_makes_no_sense) {
  static _Alignas(16) float workspace[4096];
  cudrop_norm_backward_t right = {.norm = &norm_value,
                                  .dy = &full[0],
                                  .dh = &full[1],
                                  .h = &full[2],
                                  .mean = &each[0],
                                  .rstd = &each[1],
                                  .dx = &full[3],
                                  .dresidual = &full[4],
                                  .dbias = &sums[0],
                                  .dgamma = &sums[1],
                                  .dbeta = &sums[2],
                                  .workspace = workspace};
  make_arguments();
  ck_assert_ok(cudrop_norm_backward_workspace(ROWS, COLS, &right.workspace_bytes));
  ck_assert_uint_le(right.workspace_bytes, sizeof workspace);
  cudrop_norm_backward_t args = right;
  ck_assert_ok(cudrop_norm_backward(host, &args));
  REFUSES(NULL_POINTER, "h is NULL", args.h = NULL);
  REFUSES(NULL_POINTER, "rstd is NULL", args.rstd = NULL);
  REFUSES(NULL_POINTER, "mean is NULL", args.mean = NULL);
  REFUSES(NULL_POINTER, "workspace is NULL", args.workspace = NULL);
  REFUSES(INVALID_ARGUMENT,
          "dresidual is dh, which CUDROP_ACCUMULATE_DATA would add once more",
          args.dh = args.dresidual, args.accumulate = CUDROP_ACCUMULATE_DATA);
  REFUSES(NULL_POINTER, "dx, dresidual, dbias, dgamma and dbeta are all NULL",
          args.dx = args.dresidual = args.dbias = args.dgamma = args.dbeta = NULL);
  REFUSES(INVALID_ARGUMENT, "there is a mean, and CUDROP_RMS_NORM has none",
          norm_value.kind = CUDROP_RMS_NORM);
  REFUSES(NULL_POINTER, "norm is NULL", args.norm = NULL);
  REFUSES(INVALID_ARGUMENT, "norm has reserved[1] = 0x2, which must be 0",
          norm_value.reserved[1] = 2);
  REFUSES(INVALID_ARGUMENT, "args has reserved[2] = 0x3, which must be 0",
          args.reserved[2] = 3);
  REFUSES(INVALID_ARGUMENT,
          "accumulate = 0x4 has bits beside those of cudrop_accumulate_t",
          args.accumulate = 4);
  REFUSES(OVERLAP, "dx overlaps dresidual", args.dx = &full[4]);
  --right.workspace_bytes;
  ck_assert_int_eq(cudrop_norm_backward(host, &right), CUDROP_ERROR_WORKSPACE);
}
END_TEST

/* 3 vectors of one slab, and two floats a row; a call needs those vectors that it has. */
START_TEST(the_workspace_is_as_large_as_its_parts) {
  static _Alignas(16) float workspace[4096];
  const size_t needed = (COLS + 2 * ROWS) * sizeof(float);
  size_t bytes = 0;
  cudrop_norm_backward_t args = {.norm = &norm_value,
                                 .dy = &full[0],
                                 .h = &full[1],
                                 .mean = &each[0],
                                 .rstd = &each[1],
                                 .dbeta = &sums[0],
                                 .workspace = workspace,
                                 .workspace_bytes = needed};
  make_arguments();
  ck_assert_ok(cudrop_norm_backward_workspace(ROWS, COLS, &bytes));
  ck_assert_uint_eq(bytes, needed + 2 * COLS * sizeof(float));
  ck_assert_ok(cudrop_norm_backward(host, &args));
  --args.workspace_bytes;
  ck_assert_error(cudrop_norm_backward(host, &args), CUDROP_ERROR_WORKSPACE,
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

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("bad_norm", loop_case("forward", forward_refuses_what_makes_no_sense, 1),
           loop_case("backward", backward_refuses_what_makes_no_sense, 1),
           loop_case("nothing", gradients_of_nothing_may_be_added, 1),
           loop_case("workspace", the_workspace_is_as_large_as_its_parts, 1),
           loop_case("sizes", sizes_of_a_workspace_are_checked, 1))
