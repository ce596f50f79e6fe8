/* test_norm.c - bias, dropout, residual and a norm, beside formulas and the host. */
#include <math.h>
#include <string.h>

#include "norm_trial.h"
#include "oracle.h"
#include "suite_context.h"

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

/* Dropped, it is +0; kept, it spoils its row and no other. */
START_TEST(a_nan_stays_in_its_row) {
  enum { ROWS = 5, COLS = 24, N = ROWS * COLS };
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
           loop_case("nan", a_nan_stays_in_its_row, 1))
