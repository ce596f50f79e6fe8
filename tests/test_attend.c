/* test_attend.c - attention with dropout and no matrix of weights, beside formulas. */
#include <math.h>
#include <string.h>

#include "attend_trial.h"
#include "oracle.h"
#include "suite.h"

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

static void expect_right(const attend_trial_t *trial) {
  const char *wrong = attend_trial_run(context, trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
}

/* Tiles of 96 queries and 128 keys, and what is beside their ends. */
static const attend_shape_t shapes[] = {
    {"one query and one key", 2, {1, 8}, 0, 1},
    {"7 queries and keys", 3, {3, 7, 24}, 0, 7},
    {"one query of many heads", 4, {2, 4, 1, 64}, 2, 129},
    {"95 queries", 3, {2, 95, 8}, 0, 96},
    {"96 queries of one shared head", 4, {1, 4, 96, 64}, 1, 128},
    {"97 queries", 3, {2, 97, 24}, 0, 129},
    {"128 queries", 3, {2, 128, 8}, 0, 95},
    {"129 queries of 2 shared heads", 4, {2, 4, 129, 24}, 2, 97},
    {"300 queries", 3, {1, 300, 64}, 0, 300},
    {"300 keys", 2, {7, 256}, 0, 300},
    {"256 columns", 3, {2, 97, 256}, 1, 129},
    {"128 columns", 4, {2, 2, 33, 128}, 2, 130},
    {"800 queries and keys", 2, {800, 8}, 0, 800},
    {"800 keys", 3, {2, 97, 64}, 1, 800},
    {"5 dimensions", 5, {2, 1, 4, 7, 8}, 2, 9},
    {"8 dimensions", 8, {1, 2, 1, 2, 1, 4, 5, 16}, 2, 9},
    {"no batch", 4, {0, 2, 3, 8}, 1, 5},
    {"no heads", 3, {0, 3, 8}, 0, 5},
    {"no keys", 3, {2, 3, 8}, 0, 0},
    {"no queries", 3, {2, 0, 8}, 0, 3},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Shapes times options; types, layouts, scales, rates and sources take turns. */
START_TEST(every_option_is_right_in_every_shape) {
  static const double rates[] = {0.1, 0.5, 0.0, 0.9, 1.0};
  static const float scales[] = {0.125f, 0.0f, -0.25f};
  const attend_shape_t *shape = &shapes[_i];
  const int64_t keys = shape->keys, cols = shape->q[shape->rank - 1];
  const int64_t offsets[] = {0, keys / 2, INT64_MAX};
  const int64_t windows[] = {0, keys / 3 + 1, 1, INT64_MAX};
  const int turns = keys * cols > 8000 || keys > 128 ? 3 : 15;
  for (int turn = 0; turn < turns; ++turn) {
    const int lengths = (turn + _i) % 4;
    expect_right(&(attend_trial_t){
        .shape = shape,
        .dtype = dtypes[turn % DTYPES],
        .layout = (attend_layout_t)((turn + _i) % ATTEND_LAYOUTS),
        .scale = cols > 24 ? scales[turn % 3] / 2.0f : scales[turn % 3],
        .causal = (cudrop_causal_t)((turn + _i / 2) % 3),
        .query_offset = offsets[turn / 3 % 3],
        .window = windows[(turn + _i) % 4],
        .lengths_rank = lengths < shape->rank ? lengths : 0,
        .has_wide_lengths = turn % 2,
        .mask = cudrop_mask(42, (uint64_t)turn, rates[(turn + _i) % 5]),
        .no_mask = turn == 7,
        .source = (attend_source_t)((turn + _i) % ATTEND_SOURCES),
    });
  }
}
END_TEST

/* What a GPU gives to tensor cores, but for F32. Bits drawn ahead take its kernels for any call,
 * whose sums have another order. */
START_TEST(tensor_cores_are_right) {
  static const attend_shape_t tiles[] = {
      {"8 keys", 3, {2, 5, 64}, 0, 8},
      {"two tiles of 64 columns", 4, {2, 4, 97, 64}, 2, 136},
      {"two tiles of 128 columns", 4, {2, 2, 70, 128}, 1, 200},
      {"many tiles", 3, {1, 300, 64}, 0, 304},
      {"more queries than keys", 3, {2, 150, 128}, 1, 72},
  };
  static const int64_t windows[] = {0, 17, 70, 11};
  const attend_shape_t *shape = &tiles[_i % 5];
  for (int turn = 0; turn < 6; ++turn) {
    attend_trial_t trial = {
        .shape = shape,
        .dtype = dtypes[turn % DTYPES],
        .layout = _i / 5 == 0 ? ATTEND_DENSE : ATTEND_HEADS_INSIDE,
        .scale = turn == 4 ? -0.1f : 0.1f,
        .causal = (cudrop_causal_t)((turn + _i) % 3),
        .query_offset = 9,
        .window = windows[(turn + _i / 2) % 4],
        .lengths_rank = turn % 2,
        .mask = cudrop_mask(9, (uint64_t)turn, 0.2),
        .source = turn < DTYPES ? ATTEND_BY_VALUE : ATTEND_PREPARED,
        .ways = {.accumulates = turn == 5,
                 .dq_is = turn == 4 ? ATTEND_OVER_DOUT : ATTEND_OVER_NOTHING}};
    expect_right(&trial);
    if (suite_backend() != CUDROP_CUDA || trial.dtype == CUDROP_F32) continue;
    attend_trial_t general = trial;
    general.source = ATTEND_BITS;
    ck_assert_str_ne(attend_trial_compare(context, &general, context, &trial), "");
  }
}
END_TEST

/* Nothing on the way is infinite where o is not. */
START_TEST(large_values_are_right) {
  const int64_t q_shape[] = {16, 64}, k_shape[] = {8, 64};
  const cudrop_attention_t attention = {.scale = 0.1f};
  const attend_ways_t plainly = {.without = {[ATTEND_DQ] = true}};
  const double values[DTYPES] = {0x1p124, 0x1p15, 0x1p124};
  attend_tensors_t t = attend_make(dtypes[_i], 2, q_shape, k_shape);
  for (int64_t e = 0; e < view_count(&t.input[ATTEND_V]); ++e)
    oracle_write(dtypes[_i], values[_i], view_element(&t.input[ATTEND_V], e));
  ck_assert_ok(attend_call(context, &attention, &t, &plainly));
  for (int64_t e = 0; e < view_count(&t.output[ATTEND_O]); ++e)
    ck_assert_double_eq_tol(view_get(&t.output[ATTEND_O], e) / values[_i], 1.0, 0.01);
  attend_free(&t);
}
END_TEST

static const attend_shape_t smalls[] = {
    {"a few keys", 4, {2, 4, 5, 8}, 2, 11},
    {"two tiles", 3, {2, 97, 16}, 1, 140},
    {"more queries than keys", 4, {2, 2, 21, 8}, 2, 13},
};
enum { SMALLS = sizeof smalls / sizeof smalls[0] };

START_TEST(every_layout_is_right_in_place_too) {
  for (int layout = 0; layout < ATTEND_LAYOUTS; ++layout)
    for (int turn = 0; turn < 4 * DTYPES; ++turn)
      expect_right(
          &(attend_trial_t){.shape = &smalls[_i],
                            .dtype = dtypes[turn % DTYPES],
                            .layout = (attend_layout_t)layout,
                            .scale = 0.3f,
                            .causal = turn < 6 ? CUDROP_CAUSAL_LAST : CUDROP_NOT_CAUSAL,
                            .mask = cudrop_mask(8, 1, 0.4),
                            .ways = {.o_is_q = turn % 2,
                                     .dq_is = (attend_over_t)(turn % 4),
                                     .accumulates = turn % 5 == 4}});
}
END_TEST

START_TEST(lengths_of_every_rank_are_right) {
  for (int turn = 0; turn < 12; ++turn)
    expect_right(&(attend_trial_t){.shape = &smalls[_i],
                                   .dtype = dtypes[turn % DTYPES],
                                   .scale = 0.5f,
                                   .causal = (cudrop_causal_t)(turn / 4),
                                   .query_offset = 4,
                                   .lengths_rank = turn % smalls[_i].rank,
                                   .has_wide_lengths = turn % 2,
                                   .mask = cudrop_mask(8, 1, 0.4)});
}
END_TEST

START_TEST(huge_scores_are_right) {
  for (int turn = 0; turn < 2 * DTYPES; ++turn)
    expect_right(&(attend_trial_t){.shape = &smalls[_i],
                                   .dtype = dtypes[turn % DTYPES],
                                   .causal = turn < 3 ? CUDROP_CAUSAL : CUDROP_NOT_CAUSAL,
                                   .query_offset = 2,
                                   .mask = cudrop_mask(8, 1, 0.2),
                                   .values = ATTEND_HUGE});
}
END_TEST

/* All queries of a head see all keys, because infinities spread in it. */
START_TEST(special_scores_are_what_the_formula_says) {
  static const attend_shape_t specials[] = {{"11 keys", 4, {4, 2, 5, 8}, 1, 11},
                                            {"300 keys", 3, {8, 3, 24}, 8, 300}};
  for (int turn = 0; turn < 2 * DTYPES; ++turn)
    expect_right(&(attend_trial_t){.shape = &specials[turn / DTYPES],
                                   .dtype = dtypes[turn % DTYPES],
                                   .scale = 0.5f,
                                   .mask = cudrop_mask(1, 2, 0.25),
                                   .no_mask = _i == 1,
                                   .values = ATTEND_SPECIAL});
}
END_TEST

START_TEST(gradients_are_added_to_what_is_there) {
  for (int turn = 0; turn < 3 * DTYPES; ++turn)
    expect_right(&(attend_trial_t){
        .shape = &smalls[_i],
        .dtype = dtypes[turn % DTYPES],
        .scale = -0.3f,
        .causal = CUDROP_CAUSAL,
        .lengths_rank = turn / DTYPES,
        .mask = cudrop_mask(8, 1, 0.4),
        .ways = {.accumulates = true,
                 .dq_is = turn / DTYPES == 1 ? ATTEND_OVER_DOUT : ATTEND_OVER_NOTHING}});
}
END_TEST

START_TEST(inference_needs_no_lse) {
  for (int turn = 0; turn < DTYPES; ++turn)
    expect_right(&(attend_trial_t){.shape = &smalls[_i],
                                   .dtype = dtypes[turn],
                                   .causal = CUDROP_CAUSAL_LAST,
                                   .no_mask = true,
                                   .ways = {.without = {[ATTEND_LSE] = true}}});
}
END_TEST

/* What the oracle calls a gradient is the derivative of what it calls an output. */
enum { KEYS = 5, COLS = 3, PARTS = (1 + 2 * KEYS) * COLS };

static double find_loss(const attend_query_t *query, double *weights, double *o) {
  double bound[COLS], size, loss = 0.0;
  (void)attend_weigh(query, weights, &size);
  attend_output(query, weights, (attend_sum_t){o, bound});
  for (int c = 0; c < COLS; ++c) loss += query->dout[c] * o[c];
  return loss;
}

START_TEST(gradients_are_those_of_the_formula) {
  static const uint8_t kept[KEYS] = {1, 0, 1, 1, 0};
  static const double dout[COLS] = {0.7, -1.1, 0.4};
  const double step = 1e-6;
  double at[PARTS], gradient[PARTS] = {0.0}, bound[PARTS] = {0.0};
  double weights[KEYS], o[COLS];
  const attend_query_t query = {.n = KEYS,
                                .cols = COLS,
                                .scale = 0.4,
                                .factor = 1.0 / 0.7,
                                .kept = kept,
                                .q = at,
                                .k = at + COLS,
                                .v = at + COLS + KEYS * COLS,
                                .dout = dout};
  for (int x = 0; x < PARTS; ++x) at[x] = sin(3.0 * x + _i) * 2.0;
  (void)find_loss(&query, weights, o);
  attend_differentiate(
      &query, weights, o, (attend_sum_t){gradient, bound},
      (attend_sum_t){gradient + COLS, bound + COLS},
      (attend_sum_t){gradient + COLS + KEYS * COLS, bound + COLS + KEYS * COLS});
  for (int x = 0; x < PARTS; ++x) {
    const double here = at[x];
    at[x] = here - step;
    const double below = find_loss(&query, weights, o);
    at[x] = here + step;
    const double above = find_loss(&query, weights, o);
    at[x] = here;
    ck_assert_double_eq_tol(gradient[x], (above - below) / (2.0 * step), 1e-8);
  }
}
END_TEST

/* Forward of one query with two keys in F32, against bounds from attend.h. */
enum { MOST_COLS = 256 };

static void expect_bound(int cols, float q, const float k[2], const float v[2]) {
  static const uint8_t kept[2] = {1, 1};
  const int64_t q_shape[] = {1, cols}, k_shape[] = {2, cols};
  const cudrop_attention_t attention = {.scale = 1.0f};
  double at[5 * MOST_COLS], o[MOST_COLS], sizes[MOST_COLS], weights[2], size;
  attend_tensors_t t = attend_make(CUDROP_F32, 2, q_shape, k_shape);
  for (int c = 0; c < cols; ++c) {
    const float values[5] = {q, k[0], k[1], v[0], v[1]};
    for (int x = 0; x < 5; ++x) {
      const attend_input_t input = x == 0 ? ATTEND_Q : x < 3 ? ATTEND_K : ATTEND_V;
      at[x * cols + c] = (double)values[x];
      memcpy(view_element(&t.input[input], x == 2 || x == 4 ? cols + c : c), &values[x],
             sizeof values[x]);
    }
  }
  const attend_query_t query = {.n = 2,
                                .cols = cols,
                                .scale = 1.0,
                                .factor = 1.0,
                                .kept = kept,
                                .q = at,
                                .k = at + cols,
                                .v = at + (ptrdiff_t)3 * cols};
  (void)attend_weigh(&query, weights, &size);
  attend_output(&query, weights, (attend_sum_t){o, sizes});
  ck_assert_ok(attend_call(
      context, &attention, &t,
      &(attend_ways_t){
          .without = {[ATTEND_DQ] = true, [ATTEND_DK] = true, [ATTEND_DV] = true}}));
  for (int c = 0; c < cols; ++c) {
    const double bound = (2.0 * (cols + 3) * size + 154.0) * 0x1p-24 * sizes[c];
    ck_assert_msg(view_is_near(&t.output[ATTEND_O], c, o[c], bound),
                  "o = %.9g, not %.9g within %g", view_get(&t.output[ATTEND_O], c), o[c],
                  bound);
  }
  attend_free(&t);
}

/* Equal products, whose roundings add up instead of cancelling. */
START_TEST(long_sums_are_within_the_bound) {
  expect_bound(MOST_COLS, 0.399139f, (const float[]){0.55582f, 0.564881f},
               (const float[]){1.0f, 0.0f});
}
END_TEST

/* The bounds of the oracle are not so wide that anything would do: errors come as near to them as
 * they do on the host. Those of dq and dk add up what cancels in a sum. */
START_TEST(the_bounds_are_tight) {
  static const double most[ATTEND_OUTPUTS] = {[ATTEND_O] = 0.086,
                                              [ATTEND_LSE] = 0.117,
                                              [ATTEND_DQ] = 0.0084,
                                              [ATTEND_DK] = 0.0098,
                                              [ATTEND_DV] = 0.0327};
  static const attend_shape_t square = {"a square", 3, {2, 64, 32}, 2, 64};
  expect_right(&(attend_trial_t){.shape = &square,
                                 .scale = 0.2f,
                                 .dtype = CUDROP_F32,
                                 .causal = CUDROP_CAUSAL,
                                 .mask = cudrop_mask(1, 1, 0.1)});
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    ck_assert_double_gt(attend_trial_worst((attend_output_t)y), most[y] / 2.0);
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("attend", loop_case("shapes", every_option_is_right_in_every_shape, SHAPES),
           loop_case("tensor_cores", tensor_cores_are_right, 10),
           loop_case("large", large_values_are_right, DTYPES),
           loop_case("layouts", every_layout_is_right_in_place_too, SMALLS),
           loop_case("lengths", lengths_of_every_rank_are_right, SMALLS),
           loop_case("huge", huge_scores_are_right, SMALLS),
           loop_case("special", special_scores_are_what_the_formula_says, 2),
           loop_case("accumulate", gradients_are_added_to_what_is_there, SMALLS),
           loop_case("inference", inference_needs_no_lse, SMALLS),
           loop_case("gradients", gradients_are_those_of_the_formula, 6),
           loop_case("bounds", the_bounds_are_tight, 1),
           loop_case("long", long_sums_are_within_the_bound, 1))
