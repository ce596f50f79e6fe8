/* test_attend_relations.c - attention with dropout, beside other ways to the same. */
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attend_trial.h"
#include "oracle.h"
#include "suite_context.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

/* ---- Trials beside trials --------------------------------------------------------- */

static const attend_shape_t shapes[] = {
    {"a few keys", 4, {2, 4, 5, 8}, 2, 11},
    {"two tiles", 3, {2, 97, 16}, 1, 140},
    {"many rows", 4, {3, 4, 200, 24}, 4, 150},
    /* Of tensor cores, in F16 and BF16 on a GPU. Its other kernels add in another order. */
    {"tiles", 4, {2, 4, 97, 64}, 2, 136},
};
enum { ALL_SHAPES = sizeof shapes / sizeof shapes[0], SHAPES = ALL_SHAPES - 1 };

static attend_trial_t make_trial(const attend_shape_t *shape, int turn) {
  return (attend_trial_t){.shape = shape,
                          .dtype = dtypes[turn % DTYPES],
                          .scale = 0.3f,
                          .causal = (cudrop_causal_t)(turn % 3),
                          .query_offset = 1,
                          .lengths_rank = turn % 2,
                          .mask = cudrop_mask(5, (uint64_t)turn, 0.3)};
}

static void expect_same(cudrop_context_t *reference, const attend_trial_t *other,
                        cudrop_context_t *with, const attend_trial_t *trial) {
  const char *wrong = attend_trial_compare(reference, other, with, trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
}

START_TEST(the_same_call_gives_the_same) {
  for (int turn = 0; turn < 2 * DTYPES; ++turn) {
    const attend_trial_t trial = make_trial(&shapes[_i], turn);
    expect_same(context, &trial, context, &trial);
    for (int source = 1; source < ATTEND_SOURCES; ++source) {
      if (_i == SHAPES && source == ATTEND_BITS) continue;
      attend_trial_t other = trial;
      other.source = (attend_source_t)source;
      expect_same(context, &trial, context, &other);
    }
  }
}
END_TEST

START_TEST(p_of_0_is_no_mask) {
  for (int turn = 0; turn < DTYPES; ++turn)
    for (int source = 0; source < ATTEND_SOURCES; ++source) {
      if (_i == SHAPES && source == ATTEND_BITS) continue;
      attend_trial_t trial = make_trial(&shapes[_i], turn), other;
      trial.mask.p = 0.0;
      trial.source = (attend_source_t)source;
      other = trial;
      other.no_mask = true;
      other.source = ATTEND_BY_VALUE;
      expect_same(context, &other, context, &trial);
    }
}
END_TEST

START_TEST(in_place_gives_the_same) {
  for (int turn = 0; turn < 4 * DTYPES; ++turn) {
    const attend_trial_t trial = make_trial(&shapes[_i], turn);
    attend_trial_t other = trial;
    other.ways.o_is_q = turn % 2 == 0;
    other.ways.dq_is = (attend_over_t)(turn % 4);
    expect_same(context, &trial, context, &other);
  }
}
END_TEST

START_TEST(outputs_do_not_depend_on_each_other) {
  for (int turn = 0; turn < 7; ++turn) {
    const attend_trial_t trial = make_trial(&shapes[_i], turn);
    attend_trial_t other = trial;
    other.ways.without[ATTEND_DQ] = turn & 1;
    other.ways.without[ATTEND_DK] = turn & 2;
    other.ways.without[ATTEND_DV] = turn & 4;
    expect_same(context, &trial, context, &other);
    other = trial;
    other.ways.without[ATTEND_LSE] = true;
    expect_same(context, &trial, context, &other);
  }
}
END_TEST

START_TEST(layouts_give_the_same) {
  for (int turn = 0; turn < DTYPES; ++turn)
    for (int layout = 1; layout < ATTEND_LAYOUTS; ++layout) {
      const attend_trial_t trial = make_trial(&shapes[_i], turn);
      attend_trial_t other = trial;
      other.layout = (attend_layout_t)layout;
      expect_same(context, &trial, context, &other);
    }
}
END_TEST

START_TEST(threads_change_nothing) {
  for (int threads = 2; threads <= 5; ++threads) {
    cudrop_context_t *one = NULL, *threaded = NULL;
    const attend_trial_t trial = make_trial(&shapes[_i], threads);
    ck_assert_ok(cudrop_create(&one, CUDROP_HOST, 0));
    ck_assert_ok(cudrop_create(&threaded, CUDROP_HOST, 0));
    ck_assert_ok(cudrop_set_threads(threaded, threads));
    expect_same(one, &trial, threaded, &trial);
    ck_assert_ok(cudrop_set_threads(threaded, 1));
    expect_same(one, &trial, threaded, &trial);
    ck_assert_ok(cudrop_destroy(&one));
    ck_assert_ok(cudrop_destroy(&threaded));
  }
}
END_TEST

/* What this processor lacks is passed over: test_operators_... say aloud which paths there are. The
 * scalar path is slow, and for small shapes. */
START_TEST(paths_change_nothing) {
  static const char *const paths[] = {"scalar", "sse2", "avx2", "avx512"};
  enum { PATHS = sizeof paths / sizeof paths[0] };
  cudrop_context_t *best = NULL;
  ck_assert_ok(cudrop_create(&best, CUDROP_HOST, 0));
  for (int k = 0; k < PATHS; ++k) {
    cudrop_context_t *other = NULL;
    ck_assert_int_eq(setenv("CUDROP_HOST_PATH", paths[k], 1), 0);
    const cudrop_status_t status = cudrop_create(&other, CUDROP_HOST, 0);
    ck_assert_int_eq(unsetenv("CUDROP_HOST_PATH"), 0);
    if (status != CUDROP_OK) continue;
    for (int turn = 0; turn < DTYPES; ++turn) {
      const attend_trial_t trial = make_trial(&shapes[_i], turn);
      expect_same(best, &trial, other, &trial);
    }
    ck_assert_ok(cudrop_destroy(&other));
  }
  ck_assert_ok(cudrop_destroy(&best));
}
END_TEST

/* ---- Values ----------------------------------------------------------------------- */

enum { BATCH = 3, HEADS = 4, SHARED = 2, QUERIES = 130, KEYS = 141, D = 16, RANK = 4 };

static const int64_t q_shape[] = {BATCH, HEADS, QUERIES, D};
static const int64_t k_shape[] = {BATCH, SHARED, KEYS, D};
static const int64_t scores[] = {BATCH, HEADS, QUERIES, KEYS};
static const attend_ways_t plainly = {0};

static attend_tensors_t make_whole(cudrop_dtype_t dtype,
                                   const cudrop_attention_t *attention) {
  return attend_make_whole(context, attention, dtype, RANK, q_shape, k_shape);
}

START_TEST(p_of_1_gives_zeros) {
  const cudrop_mask_t mask = cudrop_mask(3, 4, 1.0);
  const cudrop_attention_t attention = {.mask = &mask};
  attend_tensors_t t = make_whole(dtypes[_i], &attention);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    for (int64_t e = 0; y != ATTEND_LSE && e < view_count(&t.output[y]); ++e) {
      const double value = view_get(&t.output[y], e);
      ck_assert_msg(value == 0.0 && !signbit(value), "%s, element %lld: %g",
                    attend_output_names[y], (long long)e, value);
    }
  attend_free(&t);
}
END_TEST

/* With p = 1 all of O is +0, whatever the scores are. */
START_TEST(p_of_1_hides_what_is_no_number) {
  const double firsts[] = {NAN, INFINITY, -INFINITY};
  const cudrop_mask_t mask = cudrop_mask(3, 4, 1.0);
  const cudrop_attention_t attention = {.mask = &mask};
  attend_tensors_t t = attend_make(dtypes[_i], RANK, q_shape, k_shape);
  for (int64_t key = 0; key < BATCH * SHARED * KEYS; ++key) /* a batch of each */
    oracle_write(dtypes[_i], firsts[key / (SHARED * KEYS)],
                 view_element(&t.input[ATTEND_K], key * D));
  ck_assert_ok(attend_call(context, &attention, &t, &plainly));
  for (int64_t e = 0; e < view_count(&t.output[ATTEND_O]); ++e) {
    const double value = view_get(&t.output[ATTEND_O], e);
    ck_assert_msg(value == 0.0 && !signbit(value), "o, element %lld: %g", (long long)e,
                  value);
  }
  attend_free(&t);
}
END_TEST

/* In F32 what is added to is rounded once, as the gradient itself is. */
START_TEST(accumulating_adds_the_gradient) {
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.3);
  const cudrop_attention_t attention = {.mask = &mask};
  attend_tensors_t once = make_whole(CUDROP_F32, &attention);
  attend_tensors_t twice = attend_make(CUDROP_F32, RANK, q_shape, k_shape);
  for (int y = ATTEND_DQ; y < ATTEND_OUTPUTS; ++y)
    attend_fill(&twice.output[y], (uint64_t)y, 1.0);
  attend_tensors_t old = twice;
  for (int y = 0; y < ATTEND_OUTPUTS; ++y) old.output[y] = view_copy(&twice.output[y]);
  ck_assert_ok(
      attend_call(context, &attention, &twice, &(attend_ways_t){.accumulates = true}));
  for (int y = ATTEND_DQ; y < ATTEND_OUTPUTS; ++y)
    for (int64_t e = 0; e < view_count(&once.output[y]); ++e)
      ck_assert_double_eq(view_get(&twice.output[y], e),
                          (double)((float)view_get(&old.output[y], e) +
                                   (float)view_get(&once.output[y], e)));
  for (int y = 0; y < ATTEND_OUTPUTS; ++y) view_free(&old.output[y]);
  attend_free(&once);
  attend_free(&twice);
}
END_TEST

/* Scores by a product of the test's, weights of section 15, and another product. */
START_TEST(it_is_section_15_between_two_products) {
  enum { EACH = QUERIES * KEYS, ROWS = BATCH * HEADS * QUERIES };
  const float scale = 0.25f;
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.3);
  const cudrop_attention_t attention = {
      .scale = scale, .causal = CUDROP_CAUSAL_LAST, .mask = &mask};
  attend_tensors_t t = make_whole(CUDROP_F32, &attention);
  const view_t *q = &t.input[ATTEND_Q], *k = &t.input[ATTEND_K], *v = &t.input[ATTEND_V];
  view_t y = view_make(CUDROP_F32, RANK, scores, NULL, 0);
  for (int64_t e = 0; e < view_count(&y); ++e) {
    const int64_t row = e / KEYS, key = e / EACH / (HEADS / SHARED) * KEYS + e % KEYS;
    double sum = 0.0;
    for (int64_t c = 0; c < D; ++c)
      sum += view_get(q, row * D + c) * view_get(k, key * D + c);
    oracle_write(CUDROP_F32, sum, view_element(&y, e));
  }
  placed_t placed = view_place(context, &y, true);
  ck_assert_ok(cudrop_attention_forward(
      context,
      &(cudrop_attention_forward_t){
          .attention = &attention, .scores = &placed.tensor, .y = &placed.tensor}));
  view_fetch(context, &placed, &y);
  for (int64_t e = 0; e < (int64_t)ROWS * D; ++e) {
    const int64_t row = e / D, first = row / QUERIES / (HEADS / SHARED) * KEYS;
    double sum = 0.0, size = 0.0;
    for (int64_t key = 0; key < KEYS; ++key) {
      const double one =
          view_get(&y, row * KEYS + key) * view_get(v, (first + key) * D + e % D);
      sum += one;
      size += fabs(one);
    }
    /* Both ways are off, by what attend.h says for scores of up to D scale 4 = 16. */
    ck_assert_double_eq_tol(view_get(&t.output[ATTEND_O], e), sum,
                            2.0 * (4.0 * 16.0 + D + 40.0) * 0x1p-24 * size + 1e-30);
  }
  view_displace(context, &placed);
  view_free(&y);
  attend_free(&t);
}
END_TEST

/* Keys and values that no query sees may lie in pages that nobody may read. */
START_TEST(memory_of_unseen_keys_is_not_touched) {
  enum { SEEN = 130, UNSEEN = 200, COLS = 64, ROWS = 100 };
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = COLS * sizeof(float);
  const size_t open = (SEEN * size + page - 1) / page * page, shut = UNSEEN * size;
  const int32_t seen = SEEN;
  const int64_t shape[] = {1, ROWS, COLS}, unseen[] = {1, UNSEEN, COLS};
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  cudrop_tensor_t keys[2];
  void *block[2];
  attend_tensors_t t = attend_make(CUDROP_F32, 3, shape, unseen);
  const cudrop_tensor_t lengths = cudrop_vector(&seen, CUDROP_I32, 1);
  const cudrop_attention_t attention = {.lengths = &lengths, .mask = &mask};
  void *buffer = NULL;
  open_host();
  for (int x = 0; x < 2; ++x) { /* the seen end where the shut pages begin */
    block[x] = mmap(NULL, open + shut + page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(block[x] != MAP_FAILED);
    ck_assert_int_eq(mprotect((char *)block[x] + open, shut + page, PROT_NONE), 0);
    keys[x] = cudrop_tensor((char *)block[x] + open - SEEN * size, CUDROP_F32, 3, unseen);
  }
  cudrop_attend_backward_t backward = {.attention = &attention,
                                       .q = &t.input[ATTEND_Q].tensor,
                                       .k = &keys[0],
                                       .v = &keys[1],
                                       .o = &t.output[ATTEND_O].tensor,
                                       .lse = &t.output[ATTEND_LSE].tensor,
                                       .dout = &t.input[ATTEND_DOUT].tensor,
                                       .dq = &t.output[ATTEND_DQ].tensor,
                                       .dk = &t.output[ATTEND_DK].tensor,
                                       .dv = &t.output[ATTEND_DV].tensor};
  ck_assert_ok(
      cudrop_attend_forward(host, &(cudrop_attend_forward_t){.attention = &attention,
                                                             .q = backward.q,
                                                             .k = backward.k,
                                                             .v = backward.v,
                                                             .o = backward.o,
                                                             .lse = backward.lse}));
  ck_assert_ok(cudrop_attend_backward_workspace(ROWS, COLS, &backward.workspace_bytes));
  backward.workspace = view_make_workspace(host, backward.workspace_bytes, &buffer);
  ck_assert_ok(cudrop_attend_backward(host, &backward));
  for (int x = 0; x < 2; ++x) ck_assert_int_eq(munmap(block[x], open + shut + page), 0);
  ck_assert_ok(cudrop_free(host, &buffer));
  close_host();
  attend_free(&t);
}
END_TEST

/* No rule keeps the strides of tensors and masks without elements small. */
START_TEST(without_keys_strides_mean_nothing) {
  enum { ROWS = 3, COLS = 8 };
  static float q[HEADS * ROWS * COLS], o[HEADS * ROWS * COLS], lse[HEADS * ROWS];
  const int64_t shape[] = {HEADS, ROWS, COLS}, no_keys[] = {2, 0, COLS};
  const cudrop_tensor_t in = cudrop_tensor(q, CUDROP_F32, 3, shape);
  const cudrop_tensor_t out = cudrop_tensor(o, CUDROP_F32, 3, shape);
  const cudrop_tensor_t sums = cudrop_tensor(lse, CUDROP_F32, 2, shape);
  cudrop_tensor_t keys = cudrop_tensor(NULL, CUDROP_F32, 3, no_keys);
  cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_attention_t attention = {.mask = &mask};
  keys.stride[0] = INT64_MAX;
  mask.index_rank = 3;
  mask.index_stride[0] = mask.index_stride[1] = INT64_MAX;
  open_host();
  memset(o, 1, sizeof o);
  ck_assert_ok(
      cudrop_attend_forward(host, &(cudrop_attend_forward_t){.attention = &attention,
                                                             .q = &in,
                                                             .k = &keys,
                                                             .v = &keys,
                                                             .o = &out,
                                                             .lse = &sums}));
  for (int e = 0; e < HEADS * ROWS * COLS; ++e)
    ck_assert(o[e] == 0.0f && lse[e / COLS] == -INFINITY);
  close_host();
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("attend_relations",
           loop_case("again", the_same_call_gives_the_same, ALL_SHAPES),
           loop_case("p_0", p_of_0_is_no_mask, ALL_SHAPES),
           loop_case("p_1", p_of_1_gives_zeros, DTYPES),
           loop_case("no_number", p_of_1_hides_what_is_no_number, DTYPES),
           loop_case("in_place", in_place_gives_the_same, ALL_SHAPES),
           loop_case("outputs", outputs_do_not_depend_on_each_other, ALL_SHAPES),
           loop_case("layouts", layouts_give_the_same, SHAPES),
           loop_case("threads", threads_change_nothing, SHAPES),
           loop_case("paths", paths_change_nothing, 2),
           loop_case("accumulate", accumulating_adds_the_gradient, 1),
           loop_case("section_15", it_is_section_15_between_two_products, 1),
           loop_case("pages", memory_of_unseen_keys_is_not_touched, 1),
           loop_case("no_keys", without_keys_strides_mean_nothing, 1))
