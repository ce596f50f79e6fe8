/* test_fused.c - bias, activation, dropout and residual, beside formulas and the host. */
#include <math.h>
#include <string.h>

#include "rows_trial.h"
#include "suite_context.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3, ACTIVATIONS = 5 };

/* Both directions beside the formulas, and beside the host. */
static void expect_right(const rows_trial_t *trial) {
  rows_trial_t variants[] = {*trial, *trial};
  variants[1].prepared = true;
  for (int v = 0; v < (trial->no_mask ? 1 : 2); ++v) {
    const char *wrong = rows_trial_forward(context, &variants[v]);
    ck_assert_msg(wrong[0] == '\0', "forward, %s", wrong);
    wrong = rows_trial_backward(context, &variants[v]);
    ck_assert_msg(wrong[0] == '\0', "backward, %s", wrong);
    wrong = rows_trial_compare_forward(host, context, &variants[v]);
    ck_assert_msg(wrong[0] == '\0', "forward beside the host, %s", wrong);
    wrong = rows_trial_compare_backward(host, context, &variants[v]);
    ck_assert_msg(wrong[0] == '\0', "backward beside the host, %s", wrong);
  }
}

#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

static const rows_layout_t layouts[] = {
    {"no rows", 2, {0, 16}, NULL, 0, false},
    {"sentences of no rows", 3, {3, 0, 16}, NULL, 0, false},
    {"no columns", 2, {5, 0}, NULL, 0, false},
    {"a vector", 1, {40}, NULL, 0, false},
    {"one column", 2, {50, 1}, NULL, 0, false},
    {"short rows", 2, {70, 5}, NULL, 0, false},
    {"one chunk", 2, {33, 8}, NULL, 0, false},
    {"a matrix", 2, {75, 64}, NULL, 0, false},
    {"an odd matrix", 2, {41, 67}, NULL, 3, false},
    {"two tiles", 2, {37, 264}, NULL, 0, false},
    {"a batch", 3, {3, 5, 48}, NULL, 0, false},
    {"padded rows", 2, {20, 24}, STRIDES(32, 1), 0, false},
    {"oddly padded rows", 2, {20, 21}, STRIDES(29, 1), 1, false},
    {"a batch in another order", 3, {4, 6, 16}, STRIDES(16, 64, 1), 0, false},
    {"rows upside down", 2, {9, 24}, STRIDES(-24, 1), 0, false},
    {"one residual row", 2, {9, 40}, NULL, 0, true},
    {"half a sector on", 2, {21, 40}, NULL, 4, false},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Layouts times activations; types, parts and rates take turns. */
START_TEST(every_part_is_right_in_every_layout) {
  static const double rates[] = {0.1, 0.5, 0.0, 1.0, 0.9};
  const rows_layout_t *layout = &layouts[_i];
  for (int turn = 0; turn < ACTIVATIONS * 6; ++turn) {
    const cudrop_dtype_t dtype = dtypes[turn % DTYPES];
    const cudrop_dtype_t vectors[] = {(cudrop_dtype_t)0, dtype, CUDROP_F32};
    expect_right(&(rows_trial_t){
        .layout = layout,
        .dtype = dtype,
        .vector_dtype = vectors[(turn / 2) % 3],
        .activation = (cudrop_activation_t)(turn % ACTIVATIONS),
        .mask = cudrop_mask(42, (uint64_t)turn, rates[(turn / 3) % 5]),
        .no_mask = turn % 11 == 7,
        .has_residual = turn % 4 != 1,
        .accumulate = (uint32_t)turn / 5 % 4,
        .is_wild = turn % 7 == 3,
    });
  }
}
END_TEST

/* Each part there and left out, beside each other, and values of every kind. */
START_TEST(every_combination_of_parts_is_right) {
  enum { PARTS = 7 };
  static const rows_layout_t shapes[] = {{"no rows", 2, {0, 200}, NULL, 0, false},
                                         {"dense", 2, {5, 16}, NULL, 0, false},
                                         {"odd", 2, {5, 13}, NULL, 1, false}};
  const cudrop_activation_t activation = (cudrop_activation_t)(_i % ACTIVATIONS);
  const uint32_t adds = CUDROP_ACCUMULATE_DATA | CUDROP_ACCUMULATE_PARAMETERS;
  for (uint32_t parts = 0; parts < 1 << PARTS; ++parts) {
    const cudrop_dtype_t dtype = dtypes[(parts + parts / 8) % DTYPES];
    const uint32_t left_out = parts & 15, no_output = ROWS_NO_DX | ROWS_NO_DBIAS;
    if ((left_out & no_output) == no_output) continue;
    expect_right(
        &(rows_trial_t){.layout = &shapes[_i / ACTIVATIONS],
                        .dtype = dtype,
                        .vector_dtype = parts % 7 < 3 ? dtype : CUDROP_F32,
                        .activation = activation,
                        .mask = cudrop_mask(42, parts, parts % 5 < 2 ? 0.0 : 0.5),
                        .no_mask = parts % 3 == 0,
                        .has_residual = parts & 16,
                        .left_out = left_out,
                        .accumulate = parts & 32 ? adds : 0,
                        .is_wild = parts & 64});
  }
}
END_TEST

START_TEST(in_place_gives_the_same) {
  for (int turn = 0; turn < ACTIVATIONS * DTYPES; ++turn) {
    static const rows_layout_t dense = {"in place", 2, {30, 56}, NULL, 0, false};
    expect_right(&(rows_trial_t){.layout = &dense,
                                 .dtype = dtypes[turn % DTYPES],
                                 .vector_dtype = CUDROP_F32,
                                 .activation = (cudrop_activation_t)(turn / DTYPES),
                                 .mask = cudrop_mask(1, 2, 0.25),
                                 .has_residual = turn % 2 == 0,
                                 .in_place = true});
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
    {{"Dropout2d", 4, {3, 4, 5, 8}, NULL, 0, false}, 0, 4, {4, 1, 0, 0}},
    {{"channels last", 4, {3, 4, 5, 8}, NULL, 0, false}, 0, 4, {8, 0, 0, 1}},
    {{"shared rows", 2, {30, 40}, NULL, 0, false}, 0, 2, {0, 1}},
    {{"literal strides", 3, {4, 5, 16}, NULL, 0, false}, 11, 3, {700, 3, 5}},
    {{"a base of its own", 2, {9, 32}, NULL, 0, false}, 5, 0, {0}},
    {{"groups around 2^32", 2, {9, 32}, NULL, 0, false}, 0x800000000 - 96, 0, {0}},
};
enum { MAPS = sizeof maps / sizeof maps[0] };

START_TEST(every_index_map_is_that_of_the_mask) {
  for (int turn = 0; turn < DTYPES; ++turn) {
    rows_trial_t trial = {.layout = &maps[_i].layout,
                          .dtype = dtypes[turn],
                          .vector_dtype = dtypes[turn],
                          .activation = turn == 1 ? CUDROP_GELU : CUDROP_IDENTITY,
                          .mask = cudrop_mask(7, 9, 0.4),
                          .has_residual = turn != 2};
    trial.mask.index_base = maps[_i].base;
    trial.mask.index_rank = maps[_i].rank;
    memcpy(trial.mask.index_stride, maps[_i].stride, sizeof maps[_i].stride);
    expect_right(&trial);
  }
}
END_TEST

/* Fused and not: the same bits, in a type that rounds nowhere in between. */
START_TEST(fused_equals_the_calls_it_stands_for) {
  enum { ROWS = 19, COLS = 40, N = ROWS * COLS };
  float data[4][N], bias[COLS], composed[N];
  for (int e = 0; e < N; ++e) {
    data[0][e] = sinf((float)e) * 3.0f;
    data[1][e] = cosf((float)e * 0.7f);
  }
  for (int c = 0; c < COLS; ++c) bias[c] = sinf((float)c * 1.3f);
  const cudrop_tensor_t x = cudrop_matrix(data[0], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t residual = cudrop_matrix(data[1], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t y = cudrop_matrix(data[2], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dropped = cudrop_matrix(data[3], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t vector = cudrop_vector(bias, CUDROP_F32, COLS);
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.2);
  const cudrop_fused_t fused = {
      .activation = CUDROP_RELU, .bias = &vector, .mask = &mask};
  ck_assert_ok(cudrop_fused_forward(
      host, &(cudrop_fused_forward_t){
                .fused = &fused, .x = &x, .residual = &residual, .y = &y}));
  for (int e = 0; e < N; ++e) {
    const float z = data[0][e] + bias[e % COLS];
    composed[e] = z < 0.0f ? 0.0f : z;
  }
  const cudrop_tensor_t activated = cudrop_matrix(composed, CUDROP_F32, ROWS, COLS);
  ck_assert_ok(cudrop_forward(host, &activated, &mask, &dropped));
  for (int e = 0; e < N; ++e) data[3][e] = data[1][e] + data[3][e];
  ck_assert_mem_eq(data[2], data[3], sizeof data[2]);
}
END_TEST

/* What the formulas of the oracle say is itself a derivative. */
START_TEST(slopes_are_those_of_the_activations) {
  const cudrop_activation_t activation = (cudrop_activation_t)_i;
  for (double z = -8.03; z < 8.0; z += 0.1) {
    const double step = 1e-5;
    const double difference = (rows_trial_activation(activation, z + step) -
                               rows_trial_activation(activation, z - step)) /
                              (2.0 * step);
    ck_assert_double_eq_tol(rows_trial_slope(activation, z), difference, 1e-8);
  }
}
END_TEST

/* Two sites in a row keep (1 - p)^2 of the elements, each at twice the scale. */
START_TEST(two_sites_in_a_row_are_independent) {
  enum { N = 1 << 16 };
  static float data[N];
  int64_t kept = 0;
  const cudrop_tensor_t x = cudrop_matrix(data, CUDROP_F32, 64, N / 64);
  for (int e = 0; e < N; ++e) data[e] = 1.0f;
  for (uint64_t site = 0; site < 2; ++site) {
    const cudrop_mask_t mask = cudrop_mask(5, site, 0.3);
    const cudrop_fused_t fused = {.mask = &mask};
    ck_assert_ok(cudrop_fused_forward(
        host, &(cudrop_fused_forward_t){.fused = &fused, .x = &x, .y = &x}));
  }
  for (int e = 0; e < N; ++e) {
    const float scale = 1.0f / 0.7f;
    ck_assert(data[e] == 0.0f || fabsf(data[e] - scale * scale) < 1e-6f);
    kept += data[e] != 0.0f;
  }
  ck_assert_double_lt(fabs((double)kept - 0.49 * N), 5.0 * sqrt(0.49 * 0.51 * N));
}
END_TEST

/* Many slabs, and as many threads as they like: sums have the same bits. */
START_TEST(sums_do_not_depend_on_threads) {
  static const rows_layout_t tall = {"many rows", 2, {9000, 24}, NULL, 0, false};
  const rows_trial_t trial = {.layout = &tall,
                              .dtype = CUDROP_BF16,
                              .vector_dtype = CUDROP_F32,
                              .activation = CUDROP_SILU,
                              .mask = cudrop_mask(1, 1, 0.1)};
  cudrop_context_t *threaded = NULL;
  ck_assert_ok(cudrop_create(&threaded, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(threaded, 3));
  const char *wrong = rows_trial_backward(context, &trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  wrong = rows_trial_compare_backward(host, context, &trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  wrong = rows_trial_compare_backward(host, threaded, &trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  wrong = rows_trial_compare_forward(host, threaded, &trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  ck_assert_ok(cudrop_destroy(&threaded));
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("fused", loop_case("layouts", every_part_is_right_in_every_layout, LAYOUTS),
           loop_case("parts", every_combination_of_parts_is_right, 3 * ACTIVATIONS),
           loop_case("in_place", in_place_gives_the_same, 1),
           loop_case("maps", every_index_map_is_that_of_the_mask, MAPS),
           loop_case("composition", fused_equals_the_calls_it_stands_for, 1),
           loop_case("slopes", slopes_are_those_of_the_activations, ACTIVATIONS),
           loop_case("sites", two_sites_in_a_row_are_independent, 1),
           loop_case("threads", sums_do_not_depend_on_threads, 1))
