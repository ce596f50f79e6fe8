/* test_norm.c - bias, dropout, residual and a norm, beside formulas and the host. */
#include <math.h>
#include <string.h>

#include "norm_trial.h"
#include "oracle.h"
#include "suite.h"

static cudrop_context_t *context, *host;

static void open_contexts(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
}
static void close_contexts(void) {
  ck_assert_ok(cudrop_destroy(&context));
  ck_assert_ok(cudrop_destroy(&host));
}

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

#define EXPECT_NOTHING_WRONG(call)                           \
  do {                                                       \
    const char *wrong = (call);                              \
    ck_assert_msg(wrong[0] == '\0', "%s: %s", #call, wrong); \
  } while (0)

/* Both directions beside the formulas, and beside the host. */
static void expect_right(const norm_trial_t *trial) {
  norm_trial_t variant = *trial;
  for (int v = 0; v < (trial->no_mask ? 1 : 2); ++v) {
    variant.prepared = v == 1;
    EXPECT_NOTHING_WRONG(norm_trial_forward(context, &variant));
    EXPECT_NOTHING_WRONG(norm_trial_backward(context, &variant));
    EXPECT_NOTHING_WRONG(norm_trial_compare_forward(host, context, &variant));
    EXPECT_NOTHING_WRONG(norm_trial_compare_backward(host, context, &variant));
  }
}

#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

/* Rows of one warp and of several, with one chunk a thread, two, and more than it holds. */
static const rows_layout_t layouts[] = {
    {"no rows", 2, {0, 16}, NULL, 0, false},
    {"no columns", 2, {5, 0}, NULL, 0, false},
    {"a vector", 1, {40}, NULL, 0, false},
    {"one column", 2, {50, 1}, NULL, 0, false},
    {"short rows", 2, {70, 5}, NULL, 0, false},
    {"a matrix", 2, {75, 64}, NULL, 0, false},
    {"an odd matrix", 2, {41, 67}, NULL, 3, false},
    {"a warp and a half", 2, {19, 384}, NULL, 0, false},
    {"four warps", 2, {5, 776}, NULL, 0, false},
    {"two chunks", 2, {3, 2200}, NULL, 0, false},
    {"two chunks, odd", 2, {3, 2199}, NULL, 1, false},
    {"more than is held", 2, {2, 6152}, NULL, 0, false},
    {"more than is held, odd", 2, {2, 6153}, NULL, 1, false},
    {"a batch", 3, {3, 5, 48}, NULL, 0, false},
    {"padded rows", 2, {20, 24}, STRIDES(32, 1), 0, false},
    {"oddly padded rows", 2, {20, 21}, STRIDES(29, 1), 1, false},
    {"a batch in another order", 3, {4, 6, 16}, STRIDES(16, 64, 1), 0, false},
    {"rows upside down", 2, {9, 24}, STRIDES(-24, 1), 0, false},
    {"one residual row", 2, {9, 40}, NULL, 0, true},
    {"half a sector on", 2, {21, 40}, NULL, 4, false},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Types, norms, parts and rates take turns. */
START_TEST(every_part_is_right_in_every_layout) {
  static const double rates[] = {0.1, 0.5, 0.0, 1.0, 0.9};
  static const uint32_t parts[] = {NORM_EVERYTHING,
                                   NORM_DX,
                                   NORM_GAMMA | NORM_H,
                                   NORM_EVERYTHING & ~NORM_H,
                                   NORM_BIAS | NORM_SAVED,
                                   NORM_EVERYTHING & ~(NORM_GAMMA | NORM_DX),
                                   NORM_RESIDUAL | NORM_BETA | NORM_H};
  const rows_layout_t *layout = &layouts[_i];
  const int turns = layout->shape[layout->rank - 1] > 1000 ? 14 : 28;
  for (int turn = 0; turn < turns; ++turn) {
    const cudrop_dtype_t dtype = dtypes[turn % DTYPES];
    expect_right(&(norm_trial_t){
        .layout = layout,
        .dtype = dtype,
        .vector_dtype = turn / 3 % 2 ? dtype : CUDROP_F32,
        .kind = turn / 2 % 2 ? CUDROP_RMS_NORM : CUDROP_LAYER_NORM,
        .epsilon = turn % 5 == 4 ? 0.5f : 1e-5f,
        .shift = turn % 4 == 1 ? 10.0f : 0.0f,
        .parts = parts[turn % 7],
        .accumulate = (uint32_t)turn / 7 % 4,
        .mask = cudrop_mask(42, (uint64_t)turn, rates[turn / 3 % 5]),
        .no_mask = turn % 11 == 7,
        .is_wild = turn % 9 == 5,
        .upside_down = turn % 6 == 2,
    });
  }
}
END_TEST

/* Each part there and left out, beside each other, and values of every kind. */
START_TEST(every_combination_of_parts_is_right) {
  static const rows_layout_t shapes[] = {{"no rows", 2, {0, 200}, NULL, 0, false},
                                         {"dense", 2, {3, 16}, NULL, 0, false},
                                         {"odd", 2, {3, 13}, NULL, 1, false}};
  static const uint32_t others[] = {0, NORM_NO_INPUTS, NORM_NO_GRADIENTS};
  const uint32_t adds = CUDROP_ACCUMULATE_DATA | CUDROP_ACCUMULATE_PARAMETERS;
  for (uint32_t parts = 0; parts <= NORM_EVERYTHING; ++parts) {
    const uint32_t other = others[parts / 3 % 3];
    norm_trial_t trial = {.layout = &shapes[_i / 2],
                          .dtype = dtypes[parts % DTYPES],
                          .vector_dtype = dtypes[parts % 5 < 2 ? parts % DTYPES : 0],
                          .kind = parts % 7 < 3 ? CUDROP_RMS_NORM : CUDROP_LAYER_NORM,
                          .epsilon = 1e-5f,
                          .parts = parts | other,
                          .accumulate = parts % 11 < 5 ? adds : 0,
                          .mask = cudrop_mask(42, parts, parts % 13 < 4 ? 0.0 : 0.5),
                          .no_mask = parts % 5 == 0,
                          .is_wild = _i % 2};
    const uint32_t outputs =
        NORM_DX | NORM_BIAS | NORM_BETA |
        (other == NORM_NO_GRADIENTS ? 0 : NORM_RESIDUAL | NORM_GAMMA);
    if ((parts & outputs) == 0) trial.parts |= NORM_DX; /* one at least is needed */
    expect_right(&trial);
  }
}
END_TEST

/* Outputs in the place of inputs, in rows that are held and in rows that are not. */
START_TEST(outputs_may_be_inputs) {
  static const rows_layout_t dense[] = {{"in place", 2, {30, 56}, NULL, 0, false},
                                        {"long, in place", 2, {2, 6152}, NULL, 0, false}};
  for (int turn = 0; turn < 4 * 2 * 2; ++turn) {
    expect_right(&(norm_trial_t){
        .layout = &dense[turn / 8],
        .dtype = dtypes[turn % DTYPES],
        .vector_dtype = CUDROP_F32,
        .epsilon = 1e-5f,
        .parts = turn / 4 % 2 ? NORM_EVERYTHING : NORM_EVERYTHING & ~NORM_H,
        .sharing = (norm_sharing_t)(1 + turn % 4),
        .mask = cudrop_mask(1, 2, 0.25)});
  }
}
END_TEST

/* Index maps of whole rows, columns and channels, and of shards. */
static const struct {
  rows_layout_t layout;
  uint64_t base;
  int rank;
  int64_t stride[CUDROP_MAX_RANK];
} maps[] = {
    {{"a shard", 2, {15, 24}, NULL, 0, false}, 3 * 104 + 16, 2, {104, 1}},
    {{"an odd shard", 2, {15, 24}, NULL, 0, false}, 3 * 101 + 13, 2, {101, 1}},
    {{"DropPath", 3, {20, 3, 16}, NULL, 0, false}, 0, 3, {1, 0, 0}},
    {{"channels last", 4, {3, 4, 5, 8}, NULL, 0, false}, 0, 4, {8, 0, 0, 1}},
    {{"shared rows", 2, {30, 40}, NULL, 0, false}, 0, 2, {0, 1}},
    {{"literal strides", 3, {4, 5, 16}, NULL, 0, false}, 11, 3, {700, 3, 5}},
    {{"groups around 2^32", 2, {9, 32}, NULL, 0, false}, 0x800000000 - 96, 0, {0}},
};
enum { MAPS = sizeof maps / sizeof maps[0] };

START_TEST(every_index_map_is_that_of_the_mask) {
  for (int turn = 0; turn < DTYPES; ++turn) {
    norm_trial_t trial = {.layout = &maps[_i].layout,
                          .dtype = dtypes[turn],
                          .vector_dtype = dtypes[turn],
                          .epsilon = 1e-5f,
                          .parts = NORM_EVERYTHING,
                          .mask = cudrop_mask(7, 9, 0.4)};
    trial.mask.index_base = maps[_i].base;
    trial.mask.index_rank = maps[_i].rank;
    memcpy(trial.mask.index_stride, maps[_i].stride, sizeof maps[_i].stride);
    expect_right(&trial);
  }
}
END_TEST

/* Many slabs, and as many threads as they like: everything has the same bits. */
START_TEST(results_do_not_depend_on_threads) {
  static const rows_layout_t tall = {"many rows", 2, {5000, 24}, NULL, 0, false};
  const norm_trial_t trial = {.layout = &tall,
                              .dtype = CUDROP_BF16,
                              .vector_dtype = CUDROP_F32,
                              .epsilon = 1e-5f,
                              .parts = NORM_EVERYTHING,
                              .mask = cudrop_mask(1, 1, 0.1)};
  cudrop_context_t *threaded = NULL;
  ck_assert_ok(cudrop_create(&threaded, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(threaded, 3));
  EXPECT_NOTHING_WRONG(norm_trial_backward(context, &trial));
  EXPECT_NOTHING_WRONG(norm_trial_compare_backward(host, context, &trial));
  EXPECT_NOTHING_WRONG(norm_trial_compare_backward(host, threaded, &trial));
  EXPECT_NOTHING_WRONG(norm_trial_compare_forward(host, threaded, &trial));
  ck_assert_ok(cudrop_destroy(&threaded));
}
END_TEST

/* ---- Differences of a loss -------------------------------------------------------- */

enum { ROWS = 5, COLS = 24, N = ROWS * COLS };

/* All that the loss depends on, as parameters of one kind. */
typedef struct {
  double x[N], residual[N], bias[COLS], gamma[COLS], beta[COLS];
} parameters_t;
enum { PARAMETERS = sizeof(parameters_t) / sizeof(double) };

static double weigh(int e, double phase) {
  return sin(1.7 * e + phase);
}

/* The sum of y and h, each element with a weight of its own. */
static double find_loss(cudrop_norm_kind_t kind, const parameters_t *q) {
  double loss = 0.0, h[COLS];
  for (int row = 0; row < ROWS; ++row) {
    double mean = 0.0, variance = 0.0;
    for (int c = 0; c < COLS; ++c) {
      const int e = row * COLS + c;
      const bool kept = oracle_keep(8, 9, (uint64_t)e, 0.25);
      h[c] = q->residual[e] + (kept ? (q->x[e] + q->bias[c]) / 0.75 : 0.0);
      if (kind == CUDROP_LAYER_NORM) mean += h[c] / COLS;
    }
    for (int c = 0; c < COLS; ++c) variance += (h[c] - mean) * (h[c] - mean) / COLS;
    for (int c = 0; c < COLS; ++c) {
      const double y = (h[c] - mean) / sqrt(variance + 1e-3) * q->gamma[c] + q->beta[c];
      loss += weigh(row * COLS + c, 0.0) * y + weigh(row * COLS + c, 1.0) * h[c];
    }
  }
  return loss;
}

/* The parameters, or their gradients, as the library takes them. */
typedef struct {
  float x[N], residual[N], bias[COLS], gamma[COLS], beta[COLS];
} arrays_t;

static void find_gradients(cudrop_norm_kind_t kind, const arrays_t *q,
                           arrays_t *gradients) {
  static float data[4][N], saved[2][ROWS], workspace[4096];
  const bool centred = kind == CUDROP_LAYER_NORM;
  const cudrop_mask_t mask = cudrop_mask(8, 9, 0.25);
  const cudrop_tensor_t x = cudrop_matrix(q->x, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t residual = cudrop_matrix(q->residual, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t bias = cudrop_vector(q->bias, CUDROP_F32, COLS);
  const cudrop_tensor_t gamma = cudrop_vector(q->gamma, CUDROP_F32, COLS);
  const cudrop_tensor_t beta = cudrop_vector(q->beta, CUDROP_F32, COLS);
  const cudrop_tensor_t dx = cudrop_matrix(gradients->x, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dresidual =
      cudrop_matrix(gradients->residual, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dbias = cudrop_vector(gradients->bias, CUDROP_F32, COLS);
  const cudrop_tensor_t dgamma = cudrop_vector(gradients->gamma, CUDROP_F32, COLS);
  const cudrop_tensor_t dbeta = cudrop_vector(gradients->beta, CUDROP_F32, COLS);
  const cudrop_tensor_t h = cudrop_matrix(data[0], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t y = cudrop_matrix(data[1], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dy = cudrop_matrix(data[2], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dh = cudrop_matrix(data[3], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t mean = cudrop_vector(saved[0], CUDROP_F32, ROWS);
  const cudrop_tensor_t rstd = cudrop_vector(saved[1], CUDROP_F32, ROWS);
  for (int e = 0; e < N; ++e) {
    data[2][e] = (float)weigh(e, 0.0);
    data[3][e] = (float)weigh(e, 1.0);
  }
  const cudrop_norm_t norm = {.kind = kind,
                              .epsilon = 1e-3f,
                              .bias = &bias,
                              .gamma = &gamma,
                              .beta = &beta,
                              .mask = &mask};
  ck_assert_ok(
      cudrop_norm_forward(host, &(cudrop_norm_forward_t){.norm = &norm,
                                                         .x = &x,
                                                         .residual = &residual,
                                                         .h = &h,
                                                         .y = &y,
                                                         .mean = centred ? &mean : NULL,
                                                         .rstd = &rstd}));
  ck_assert_ok(cudrop_norm_backward(
      host, &(cudrop_norm_backward_t){.norm = &norm,
                                      .dy = &dy,
                                      .dh = &dh,
                                      .h = &h,
                                      .mean = centred ? &mean : NULL,
                                      .rstd = &rstd,
                                      .dx = &dx,
                                      .dresidual = &dresidual,
                                      .dbias = &dbias,
                                      .dgamma = &dgamma,
                                      .dbeta = &dbeta,
                                      .workspace = workspace,
                                      .workspace_bytes = sizeof workspace}));
}

START_TEST(gradients_are_differences_of_a_loss) {
  const cudrop_norm_kind_t kind = _i == 0 ? CUDROP_LAYER_NORM : CUDROP_RMS_NORM;
  arrays_t values, gradients;
  parameters_t q;
  float *value = (float *)&values;
  double *parameter = (double *)&q;
  for (int k = 0; k < PARAMETERS; ++k) {
    value[k] = (float)(0.5 + sin(3.1 * k));
    parameter[k] = (double)value[k];
  }
  find_gradients(kind, &values, &gradients);
  for (int k = 0; k < PARAMETERS; ++k) {
    const double step = 1e-5, at = parameter[k];
    parameter[k] = at + step;
    const double above = find_loss(kind, &q);
    parameter[k] = at - step;
    const double below = find_loss(kind, &q);
    parameter[k] = at;
    ck_assert_double_eq_tol((double)((const float *)&gradients)[k],
                            (above - below) / (2.0 * step), 2e-5);
  }
}
END_TEST

/* ---- Values that are none, and refusals ------------------------------------------- */

/* Dropped, it is +0; kept, it spoils its row and no other. */
START_TEST(a_nan_stays_in_its_row) {
  static float data[2][N];
  const cudrop_tensor_t x = cudrop_matrix(data[0], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t y = cudrop_matrix(data[1], CUDROP_F32, ROWS, COLS);
  const cudrop_mask_t mask = cudrop_mask(1, 1, 0.5);
  const cudrop_norm_t norm = {.epsilon = 1e-5f, .mask = &mask};
  const cudrop_norm_forward_t args = {.norm = &norm, .x = &x, .y = &y};
  for (int e = 0; e < N; ++e) {
    const bool kept = oracle_keep(1, 1, (uint64_t)e, 0.5);
    data[0][e] = kept && e / COLS != 2 ? (float)e : NAN;
  }
  ck_assert_ok(cudrop_norm_forward(host, &args));
  for (int e = 0; e < N; ++e) ck_assert_int_eq(isnan(data[1][e]) != 0, e / COLS == 2);
}
END_TEST

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
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("norm", loop_case("layouts", every_part_is_right_in_every_layout, LAYOUTS),
           loop_case("parts", every_combination_of_parts_is_right, 6),
           loop_case("in_place", outputs_may_be_inputs, 1),
           loop_case("maps", every_index_map_is_that_of_the_mask, MAPS),
           loop_case("threads", results_do_not_depend_on_threads, 1),
           loop_case("differences", gradients_are_differences_of_a_loss, 2),
           loop_case("nan", a_nan_stays_in_its_row, 1),
           loop_case("forward", forward_refuses_what_makes_no_sense, 1),
           loop_case("backward", backward_refuses_what_makes_no_sense, 1),
           loop_case("nothing", gradients_of_nothing_may_be_added, 1),
           loop_case("workspace", the_workspace_is_as_large_as_its_parts, 1),
           loop_case("sizes", sizes_of_a_workspace_are_checked, 1))
