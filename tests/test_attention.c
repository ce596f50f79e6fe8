/* test_attention.c - attention weights, beside formulas, the host, and other ways to the same. */
#include <math.h>
#include <string.h>

#include "attention_trial.h"
#include "suite_context.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

/* All calls beside the formulas; and to the bit the host's, whatever the mask comes from. */
static void expect_right(const attention_trial_t *trial) {
  const char *wrong = attention_trial_run(context, trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  for (int source = 0; source < (trial->no_mask ? 1 : TRIAL_SOURCES); ++source) {
    attention_trial_t other = *trial;
    other.source = (trial_source_t)source;
    wrong = attention_trial_compare(host, trial, context, &other);
    ck_assert_msg(wrong[0] == '\0', "beside the host, %s", wrong);
    wrong = attention_trial_compare(host, trial, host, &other);
    ck_assert_msg(wrong[0] == '\0', "both on the host, %s", wrong);
  }
}

#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

static const attention_layout_t layouts[] = {
    {"no rows", 3, {0, 4, 16}, NULL, 0},
    {"no queries", 3, {2, 0, 16}, NULL, 0},
    {"no keys", 3, {2, 3, 0}, NULL, 0},
    {"one key", 3, {6, 3, 1}, NULL, 0},
    {"7 keys", 3, {6, 7, 7}, NULL, 0},
    {"8 keys", 2, {9, 8}, NULL, 0},
    {"33 keys", 4, {2, 2, 5, 33}, NULL, 0},
    {"64 keys", 4, {3, 2, 9, 64}, NULL, 0},
    {"257 keys", 3, {2, 6, 257}, NULL, 0},
    {"264 keys", 3, {6, 5, 264}, NULL, 0},
    {"1000 keys", 3, {3, 2, 1000}, NULL, 0},
    {"2056 keys", 3, {2, 2, 2056}, NULL, 0},
    {"5000 keys", 3, {2, 2, 5000}, NULL, 0},
    {"misaligned", 3, {3, 5, 40}, NULL, 3},
    {"padded rows", 3, {2, 5, 24}, STRIDES(160, 32, 1), 0},
    {"heads inside", 4, {2, 3, 4, 16}, STRIDES(192, 16, 48, 1), 0},
    {"rows upside down", 2, {9, 24}, STRIDES(-24, 1), 0},
    {"half a sector on", 3, {3, 5, 40}, NULL, 4},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Layouts times options; types, scales and rates take turns. */
START_TEST(every_option_is_right_in_every_layout) {
  static const double rates[] = {0.1, 0.5, 0.0, 1.0, 0.9};
  static const float scales[] = {0.125f, 0.0f, 1.0f, -0.7f};
  const attention_layout_t *layout = &layouts[_i];
  const int64_t keys = layout->shape[layout->rank - 1];
  const int64_t offsets[] = {0, keys / 2, INT64_MAX};
  const int64_t windows[] = {0, keys / 3 + 1, 1, INT64_MAX};
  if (layout->stride != NULL && layout->stride[0] == 0)
    return; /* of inputs alone: below */
  for (int turn = 0; turn < 12 + DTYPES; ++turn) {
    const cudrop_causal_t causal = turn >= 12      ? CUDROP_CAUSAL_LAST
                                   : turn % 4 != 1 ? CUDROP_CAUSAL
                                                   : CUDROP_NOT_CAUSAL;
    expect_right(&(attention_trial_t){
        .layout = layout,
        .dtype = dtypes[turn % DTYPES],
        .scale = scales[turn % 4],
        .causal = causal,
        .query_offset = offsets[turn / 4 % 3],
        .window = windows[turn % 7 % 4],
        .has_lengths = turn % 3 == 1,
        .mask = cudrop_mask(42, (uint64_t)turn, rates[turn % 5]),
        .no_mask = turn == 7,
        .scores = turn % 5 == 3 ? TRIAL_LARGE : TRIAL_ORDINARY,
    });
  }
}
END_TEST

/* Rows with infinities and NaN; every seen element of such a row is what the formula says. */
static const attention_layout_t specials[] = {{"11 keys", 2, {20, 11}, NULL, 0},
                                              {"48 keys", 3, {2, 13, 48}, NULL, 0},
                                              {"264 keys", 2, {10, 264}, NULL, 0},
                                              {"4200 keys", 2, {5, 4200}, NULL, 0}};
enum { SPECIALS = sizeof specials / sizeof specials[0] };

START_TEST(special_scores_are_what_the_formula_says) {
  for (int turn = 0; turn < 2 * DTYPES; ++turn)
    expect_right(
        &(attention_trial_t){.layout = &specials[_i],
                             .dtype = dtypes[turn % DTYPES],
                             .scale = 0.5f,
                             .causal = turn >= DTYPES ? CUDROP_CAUSAL : CUDROP_NOT_CAUSAL,
                             .query_offset = 2,
                             .window = turn % 2 ? 4 : 0,
                             .mask = cudrop_mask(1, 2, 0.25),
                             .scores = TRIAL_SPECIAL});
}
END_TEST

static const attention_layout_t shapes[] = {{"dense", 3, {2, 9, 56}, NULL, 0},
                                            {"odd", 3, {2, 9, 53}, NULL, 1},
                                            {"long", 2, {3, 4200}, NULL, 0}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

enum { SMALL = 3 };

/* Each option on and off, beside each other, with zeros and subnormals of both signs. */
START_TEST(every_combination_of_options_is_right) {
  enum { OPTIONS = 5, CAUSALS = 3 };
  static const attention_layout_t small[SMALL] = {{"dense", 3, {3, 4, 16}, NULL, 0},
                                                  {"odd", 3, {3, 4, 13}, NULL, 1},
                                                  {"few keys", 3, {3, 11, 8}, NULL, 0}};
  for (int options = 0; options < CAUSALS << OPTIONS; ++options)
    expect_right(&(attention_trial_t){
        .layout = &small[_i],
        .dtype = dtypes[options % DTYPES],
        .scale = options & 1 ? -0.7f : 0.0f,
        .causal = (cudrop_causal_t)(options >> OPTIONS),
        .query_offset = options & 1 ? 3 : 0,
        .window = options & 4 ? 5 : 0,
        .has_lengths = options & 2,
        .mask = cudrop_mask(42, (uint64_t)options, options & 4 ? 0.0 : 0.4),
        .no_mask = options & 8,
        .without_y = options & 16,
        .scores = TRIAL_TINY});
}
END_TEST

START_TEST(in_place_gives_the_same) {
  for (int turn = 0; turn < DTYPES; ++turn)
    expect_right(&(attention_trial_t){.layout = &shapes[_i],
                                      .dtype = dtypes[turn],
                                      .scale = 0.3f,
                                      .causal = CUDROP_CAUSAL,
                                      .query_offset = 30,
                                      .mask = cudrop_mask(8, 1, 0.4),
                                      .in_place = true});
}
END_TEST

/* y alone, over the scores too: the y that comes with weights. */
START_TEST(weights_need_not_be_kept) {
  for (int turn = 0; turn < 4 * DTYPES; ++turn) {
    const attention_trial_t with = {
        .layout = &shapes[_i],
        .dtype = dtypes[turn % DTYPES],
        .causal = turn % 2 == 1 ? CUDROP_CAUSAL : CUDROP_NOT_CAUSAL,
        .has_lengths = true,
        .mask = cudrop_mask(8, 1, 0.4),
        .no_mask = turn < 3};
    attention_trial_t without = with;
    without.without_weights = true;
    without.in_place = turn >= 6;
    const char *wrong = attention_trial_compare(host, &with, context, &without);
    ck_assert_msg(wrong[0] == '\0', "%s", wrong);
    wrong = attention_trial_compare(host, &with, host, &without);
    ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  }
}
END_TEST

/* To the last key: what the offset gives that the shape has, to the bit. */
START_TEST(aligned_to_the_last_key_is_an_offset) {
  const attention_layout_t *layout = &layouts[_i];
  const int64_t keys = layout->shape[layout->rank - 1];
  const int64_t queries = layout->shape[layout->rank - 2];
  if (keys < queries) return; /* no offset is negative */
  for (int turn = 0; turn < 2 * DTYPES; ++turn) {
    const attention_trial_t first = {.layout = layout,
                                     .dtype = dtypes[turn % DTYPES],
                                     .scale = 0.3f,
                                     .causal = CUDROP_CAUSAL,
                                     .query_offset = keys - queries,
                                     .has_lengths = turn >= DTYPES,
                                     .mask = cudrop_mask(8, 1, 0.4)};
    attention_trial_t last = first;
    last.causal = CUDROP_CAUSAL_LAST;
    const char *wrong = attention_trial_compare(host, &first, context, &last);
    ck_assert_msg(wrong[0] == '\0', "%s", wrong);
    wrong = attention_trial_compare(host, &first, host, &last);
    ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  }
}
END_TEST

/* Index maps of whole rows, heads and batches, and of shards. */
static const struct {
  attention_layout_t layout;
  uint64_t base;
  int rank;
  int64_t stride[CUDROP_MAX_RANK];
} maps[] = {
    {{"a shard", 3, {2, 5, 24}, NULL, 0}, 3 * 104 + 16, 3, {1040, 104, 1}},
    {{"an odd shard", 3, {2, 5, 24}, NULL, 0}, 3 * 101 + 13, 3, {1010, 101, 1}},
    {{"one mask for all heads", 4, {2, 3, 5, 32}, NULL, 0}, 0, 4, {160, 0, 32, 1}},
    {{"whole keys", 3, {2, 7, 40}, NULL, 0}, 0, 3, {40, 0, 1}},
    {{"whole queries", 3, {2, 7, 40}, NULL, 0}, 0, 3, {7, 1, 0}},
    {{"literal strides", 3, {4, 5, 16}, NULL, 0}, 11, 3, {700, 3, 5}},
    {{"a base of its own", 2, {9, 32}, NULL, 0}, 5, 0, {0}},
    {{"groups around 2^32", 2, {9, 32}, NULL, 0}, 0x800000000 - 96, 0, {0}},
};
enum { MAPS = sizeof maps / sizeof maps[0] };

START_TEST(every_index_map_is_that_of_the_mask) {
  for (int turn = 0; turn < DTYPES; ++turn) {
    attention_trial_t trial = {.layout = &maps[_i].layout,
                               .dtype = dtypes[turn],
                               .causal = turn > 0 ? CUDROP_CAUSAL : CUDROP_NOT_CAUSAL,
                               .query_offset = 7,
                               .mask = cudrop_mask(7, 9, 0.4)};
    trial.mask.index_base = maps[_i].base;
    trial.mask.index_rank = maps[_i].rank;
    memcpy(trial.mask.index_stride, maps[_i].stride, sizeof maps[_i].stride);
    expect_right(&trial);
  }
}
END_TEST

/* ---- The host alone --------------------------------------------------------------- */

enum { HEADS = 3, T = 21, N = HEADS * T * T };

/* With equal scores y is 0 where the mask drops, and the same number where it keeps. */
START_TEST(the_mask_inside_is_the_one_outside) {
  static const int64_t shape[] = {HEADS, T, T};
  static float scores[N], y[N];
  static uint8_t keep[N];
  const cudrop_mask_t mask = cudrop_mask(5, 6, 0.3);
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL, .mask = &mask};
  const cudrop_tensor_t s = cudrop_tensor(scores, CUDROP_F32, 3, shape);
  const cudrop_tensor_t dropped = cudrop_tensor(y, CUDROP_F32, 3, shape);
  const cudrop_tensor_t bytes = cudrop_tensor(keep, CUDROP_U8, 3, shape);
  ck_assert_ok(cudrop_export_bytes(host, &mask, &bytes));
  ck_assert_ok(cudrop_attention_forward(
      host, &(cudrop_attention_forward_t){
                .attention = &attention, .scores = &s, .y = &dropped}));
  for (int e = 0; e < N; ++e) {
    const int query = e / T % T, key = e % T;
    const double want = 1.0 / 0.7 / (query + 1);
    if (key <= query && keep[e]) {
      ck_assert_double_eq_tol((double)y[e], want, want * 1e-6);
    } else {
      ck_assert(y[e] == 0.0f && !signbit(y[e]));
    }
  }
}
END_TEST

/* One query after the other, as with a cache of keys, has the rows of all at once. */
START_TEST(a_cache_of_keys_changes_nothing) {
  static const int64_t whole[] = {HEADS, T, T}, one[] = {HEADS, 1, T};
  static float scores[N], weights[N], y[N], weights_one[HEADS * T], y_one[HEADS * T];
  const cudrop_mask_t mask = cudrop_mask(5, 6, 0.3);
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL, .mask = &mask};
  const cudrop_tensor_t s = cudrop_tensor(scores, CUDROP_F32, 3, whole);
  const cudrop_tensor_t p = cudrop_tensor(weights, CUDROP_F32, 3, whole);
  const cudrop_tensor_t dropped = cudrop_tensor(y, CUDROP_F32, 3, whole);
  const cudrop_tensor_t p_one = cudrop_tensor(weights_one, CUDROP_F32, 3, one);
  const cudrop_tensor_t dropped_one = cudrop_tensor(y_one, CUDROP_F32, 3, one);
  for (int e = 0; e < N; ++e) scores[e] = sinf((float)e) * 3.0f;
  ck_assert_ok(cudrop_attention_forward(
      host, &(cudrop_attention_forward_t){
                .attention = &attention, .scores = &s, .weights = &p, .y = &dropped}));
  for (int64_t query = 0; query < T; ++query) {
    const int64_t start[] = {0, query, 0};
    cudrop_mask_t part = mask;
    const cudrop_attention_t cached = {
        .causal = CUDROP_CAUSAL, .query_offset = query, .mask = &part};
    cudrop_tensor_t row = s;
    ck_assert_ok(cudrop_mask_shard(&part, 3, whole, start));
    row.data = scores + query * T;
    row.shape[1] = 1;
    ck_assert_ok(cudrop_attention_forward(
        host,
        &(cudrop_attention_forward_t){
            .attention = &cached, .scores = &row, .weights = &p_one, .y = &dropped_one}));
    for (int h = 0; h < HEADS; ++h) {
      const size_t seen = (size_t)(query + 1) * sizeof(float);
      const int64_t first = (h * T + query) * T;
      ck_assert_mem_eq(weights_one + h * T, weights + first, seen);
      ck_assert_mem_eq(y_one + h * T, y + first, T * sizeof(float));
    }
  }
}
END_TEST

START_TEST(lengths_of_no_batch_may_have_any_strides) {
  const int64_t shape[] = {0, 4, 8};
  cudrop_tensor_t lengths = cudrop_matrix(NULL, CUDROP_I32, 0, 4);
  lengths.stride[0] = 7;
  lengths.stride[1] = INT64_MAX;
  const cudrop_attention_t attention = {.lengths = &lengths};
  const cudrop_tensor_t s = cudrop_tensor(NULL, CUDROP_F32, 3, shape);
  ck_assert_ok(cudrop_attention_forward(
      host, &(cudrop_attention_forward_t){
                .attention = &attention, .scores = &s, .weights = &s, .y = NULL}));
}
END_TEST

/* With more queries than keys the first ones see none; equal scores have equal weights. */
START_TEST(the_last_query_sees_all_keys) {
  enum { QUERIES = 5, KEYS = 3, ELEMENTS = HEADS * QUERIES * KEYS };
  static const int64_t shape[] = {HEADS, QUERIES, KEYS};
  static const int seen[QUERIES] = {0, 0, 1, 2, 3};
  float scores[ELEMENTS] = {0.0f}, y[ELEMENTS];
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL_LAST};
  const cudrop_tensor_t s = cudrop_tensor(scores, CUDROP_F32, 3, shape);
  const cudrop_tensor_t to = cudrop_tensor(y, CUDROP_F32, 3, shape);
  for (int e = 0; e < ELEMENTS; ++e) {
    scores[e] = e % KEYS < seen[e / KEYS % QUERIES] ? 1.0f : NAN;
    y[e] = NAN;
  }
  ck_assert_ok(cudrop_attention_forward(
      host,
      &(cudrop_attention_forward_t){.attention = &attention, .scores = &s, .y = &to}));
  for (int e = 0; e < ELEMENTS; ++e) {
    const int of_row = seen[e / KEYS % QUERIES];
    if (e % KEYS < of_row) {
      ck_assert_double_eq_tol((double)y[e], 1.0 / of_row, 1e-6);
    } else {
      ck_assert(y[e] == 0.0f && !signbit(y[e]));
    }
  }
}
END_TEST

/* What the oracle calls a gradient is the derivative of what it calls a softmax. */
START_TEST(gradients_are_those_of_the_formula) {
  enum { KEYS = 9 };
  const double scale = 0.4, step = 1e-6;
  double s[KEYS], p[KEYS], dp[KEYS], ds[KEYS];
  for (int k = 0; k < KEYS; ++k) {
    s[k] = sin(3.0 * k + _i) * 4.0;
    dp[k] = k % 3 == _i % 3 ? 0.0 : cos(2.0 * k + _i) / 0.7;
  }
  attention_trial_softmax(KEYS, s, scale, p);
  attention_trial_gradient(KEYS, p, dp, scale, ds);
  for (int k = 0; k < KEYS; ++k) {
    double loss[2] = {0.0, 0.0};
    const double here = s[k];
    for (int side = 0; side < 2; ++side) {
      s[k] = side == 0 ? here - step : here + step;
      attention_trial_softmax(KEYS, s, scale, p);
      for (int j = 0; j < KEYS; ++j) loss[side] += p[j] * dp[j];
    }
    s[k] = here;
    ck_assert_double_eq_tol(ds[k], (loss[1] - loss[0]) / (2.0 * step), 1e-9);
  }
}
END_TEST

START_TEST(threads_change_nothing) {
  static const attention_layout_t large = {"many rows", 4, {3, 4, 70, 70}, NULL, 0};
  const attention_trial_t trial = {.layout = &large,
                                   .dtype = CUDROP_BF16,
                                   .scale = 0.125f,
                                   .causal = CUDROP_CAUSAL,
                                   .has_lengths = true,
                                   .mask = cudrop_mask(1, 1, 0.1)};
  cudrop_context_t *threaded = NULL;
  ck_assert_ok(cudrop_create(&threaded, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(threaded, 3));
  const char *wrong = attention_trial_compare(host, &trial, threaded, &trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  ck_assert_ok(cudrop_destroy(&threaded));
}
END_TEST

/* The bounds of the oracle are not so wide that anything would do. */
START_TEST(the_bounds_are_tight) {
  static const attention_layout_t square = {"a square", 3, {4, 64, 64}, NULL, 0};
  const attention_trial_t trial = {.layout = &square,
                                   .dtype = CUDROP_F32,
                                   .scale = 0.125f,
                                   .causal = CUDROP_CAUSAL,
                                   .mask = cudrop_mask(1, 1, 0.1)};
  const char *wrong = attention_trial_run(context, &trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  ck_assert_double_gt(attention_trial_worst(false), 0.1);
  ck_assert_double_gt(attention_trial_worst(true), 0.1);
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("attention",
           loop_case("layouts", every_option_is_right_in_every_layout, LAYOUTS),
           loop_case("special", special_scores_are_what_the_formula_says, SPECIALS),
           loop_case("options", every_combination_of_options_is_right, SMALL),
           loop_case("in_place", in_place_gives_the_same, SHAPES),
           loop_case("y_alone", weights_need_not_be_kept, SHAPES),
           loop_case("last", aligned_to_the_last_key_is_an_offset, LAYOUTS),
           loop_case("maps", every_index_map_is_that_of_the_mask, MAPS),
           loop_case("mask", the_mask_inside_is_the_one_outside, 1),
           loop_case("cache", a_cache_of_keys_changes_nothing, 1),
           loop_case("last_query", the_last_query_sees_all_keys, 1),
           loop_case("no_batch", lengths_of_no_batch_may_have_any_strides, 1),
           loop_case("gradients", gradients_are_those_of_the_formula, 6),
           loop_case("bounds", the_bounds_are_tight, 1),
           loop_case("threads", threads_change_nothing, 1))
