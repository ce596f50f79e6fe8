/*
 * test_attend_mask.c - which weights attention drops, seen from outside.
 *
 * With V a window of the identity, column c of O is the weight of key first + c, and 0 where the
 * mask drops that. With dO a window of the identity, column c of dV is the weights of query
 * first + c. With K such a window, column c of dQ is the gradient of a score, whose sign says
 * whether the mask drops there.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attend_tensors.h"
#include "oracle.h"
#include "suite_context.h"
#include "trial.h"

enum { HEADS = 2, RANK = 3 };

/* Index maps of the scores [heads, queries, keys]. */
typedef struct {
  const char *name;
  int64_t queries, keys, cols;
  uint64_t base;
  int rank;
  int64_t stride[CUDROP_MAX_RANK];
} map_t;

static const map_t maps[] = {
    {"plain", 20, 56, 8, 0, 0, {0}},
    {"odd keys", 11, 53, 24, 0, 0, {0}},
    {"one key in the last group", 5, 129, 64, 0, 0, {0}},
    {"many tiles", 130, 300, 256, 0, 0, {0}},
    {"a base of its own", 9, 32, 16, 5, 0, {0}},
    {"groups around 2^32", 9, 40, 16, 0x800000000 - 96, 0, {0}},
    {"the last index", 3, 21, 8, 0x800000000000000 - 2 * 3 * 21, 0, {0}},
    {"a shard", 7, 24, 8, 3 * 104 + 16, 3, {1040, 104, 1}},
    {"an odd shard", 7, 137, 64, 3 * 201 + 13, 3, {2010, 201, 1}},
    {"one mask for all heads", 7, 32, 8, 0, 3, {0, 32, 1}},
    {"whole keys", 7, 140, 32, 0, 3, {140, 0, 1}},
    {"whole queries", 25, 40, 8, 0, 3, {25, 1, 0}},
    {"groups in tiles", 21, 136, 64, 16, 0, {0}},
    {"groups in wide tiles", 70, 200, 128, 0, 3, {0, 208, 1}},
    {"strides of its own", 10, 131, 64, 11, 3, {7001, 3, 5}},
};
enum { MAPS = sizeof maps / sizeof maps[0] };

typedef struct {
  const map_t *map;
  cudrop_mask_t mask;
  trial_source_t source;
  attend_tensors_t t;
  uint8_t *kept; /* [heads, queries, keys]: what the oracle keeps */
} window_t;

static window_t begin(const map_t *map, cudrop_dtype_t dtype, double p,
                      trial_source_t source) {
  const int64_t q[] = {HEADS, map->queries, map->cols};
  const int64_t k[] = {HEADS, map->keys, map->cols};
  const int64_t shape[] = {HEADS, map->queries, map->keys};
  const view_t scores = {.tensor = cudrop_tensor(NULL, dtype, RANK, shape)};
  const int64_t n = view_count(&scores);
  window_t window = {.map = map,
                     .mask = cudrop_mask(7, 9, p),
                     .source = source,
                     .t = attend_make(dtype, RANK, q, k),
                     .kept = malloc((size_t)n)};
  window.mask.index_base = map->base;
  window.mask.index_rank = map->rank;
  memcpy(window.mask.index_stride, map->stride, sizeof map->stride);
  for (int64_t e = 0; e < n; ++e) window.kept[e] = trial_keeps(&window.mask, &scores, e);
  return window;
}

static void end(window_t *window) {
  attend_free(&window->t);
  free(window->kept);
}

/* Make element [head, first + c, c] of a tensor 1 for all c, and all else 0. */
static void show_window(view_t *view, int64_t first) {
  const int64_t rows = view->tensor.shape[1], cols = view->tensor.shape[2];
  for (int64_t e = 0; e < view_count(view); ++e) {
    const bool is_one = e / cols % rows == first + e % cols;
    oracle_write(view->tensor.dtype, is_one ? 1.0 : 0.0, view_element(view, e));
  }
}

/* Make all rows of a tensor [value, 0, 0, ...]. */
static void fill_first(view_t *view, double value) {
  const int64_t cols = view->tensor.shape[2];
  for (int64_t e = 0; e < view_count(view); ++e)
    oracle_write(view->tensor.dtype, e % cols == 0 ? value : 0.0, view_element(view, e));
}

static void call(window_t *window) {
  const map_t *map = window->map;
  const int64_t scores[] = {HEADS, map->queries, map->keys};
  trial_given_t given = trial_give(context, &window->mask, window->source, RANK, scores);
  const cudrop_attention_t attention = {
      .mask = given.has_mask ? &given.mask : NULL, .bits = given.bits, .p = given.p};
  ck_assert_ok(attend_call(context, &attention, &window->t, &(attend_ways_t){0}));
  trial_take_back(context, &given);
}

static bool keeps(const window_t *window, int64_t head, int64_t query, int64_t key) {
  const map_t *map = window->map;
  return window->kept[(head * map->queries + query) * map->keys + key];
}

/* Element [head, row, col] of an output. */
static double get(const window_t *window, attend_output_t output, int64_t head,
                  int64_t row, int64_t col) {
  const view_t *view = &window->t.output[output];
  return view_get(view, (head * view->tensor.shape[1] + row) * window->map->cols + col);
}

static void expect(const window_t *window, const char *output, bool is_kept, bool want,
                   int64_t head, int64_t query, int64_t key) {
  ck_assert_msg(is_kept == want, "%s, p = %g, source %d: %s has [%lld, %lld, %lld] %s",
                window->map->name, window->mask.p, (int)window->source, output,
                (long long)head, (long long)query, (long long)key,
                is_kept ? "kept" : "dropped");
}

/* Equal scores, so that no weight is lost; the keys of a window, of all queries. */
static void look_at_keys(window_t *window, int64_t first) {
  const map_t *map = window->map;
  show_window(&window->t.input[ATTEND_V], first);
  fill_first(&window->t.input[ATTEND_Q], 0.0);
  call(window);
  for (int64_t head = 0; head < HEADS; ++head)
    for (int64_t query = 0; query < map->queries; ++query)
      for (int64_t c = 0; c < map->cols; ++c) {
        const int64_t key = first + c;
        const double o = get(window, ATTEND_O, head, query, c);
        const bool want = key < map->keys && keeps(window, head, query, key);
        expect(window, "o", o != 0.0, want, head, query, key);
        if (!want) ck_assert(!signbit(o));
        if (want)
          ck_assert_double_eq_tol(o * (double)map->keys * (1.0 - window->mask.p), 1.0,
                                  0x1p-7);
      }
}

static void look_at_queries(window_t *window, int64_t first) {
  const map_t *map = window->map;
  show_window(&window->t.input[ATTEND_DOUT], first);
  call(window);
  for (int64_t head = 0; head < HEADS; ++head)
    for (int64_t key = 0; key < map->keys; ++key)
      for (int64_t c = 0; c < map->cols; ++c) {
        const int64_t query = first + c;
        const double dv = get(window, ATTEND_DV, head, key, c);
        const bool want = query < map->queries && keeps(window, head, query, key);
        expect(window, "dv", dv != 0.0, want, head, query, key);
        ck_assert(!signbit(dv));
      }
}

/*
 * V and dO of ones make dP the factor where a weight is kept, else 0; between the two lies the sum
 * of dO * O, unless all that a query sees is kept, or is dropped.
 */
static void look_at_gradients(window_t *window, int64_t first) {
  const map_t *map = window->map;
  fill_first(&window->t.input[ATTEND_V], 1.0);
  fill_first(&window->t.input[ATTEND_DOUT], 1.0);
  show_window(&window->t.input[ATTEND_K], first);
  fill_first(&window->t.input[ATTEND_Q], 0.0);
  call(window);
  for (int64_t head = 0; head < HEADS; ++head)
    for (int64_t query = 0; query < map->queries; ++query) {
      int64_t count = 0;
      for (int64_t key = 0; key < map->keys; ++key)
        count += keeps(window, head, query, key);
      for (int64_t c = 0; c < map->cols && first + c < map->keys; ++c)
        if (count > 0 && count < map->keys)
          expect(window, "dq", get(window, ATTEND_DQ, head, query, c) > 0.0,
                 keeps(window, head, query, first + c), head, query, first + c);
    }
}

/* A look at every element costs more than the calls: large maps in one type each, but those that a
 * GPU does with tensor cores. */
static bool is_chosen(const map_t *map, int turn) {
  return map->keys < 100 || map->keys == 136 || map->keys == 200 ||
         turn == (int)(map->keys % 3);
}

START_TEST(the_mask_is_that_of_the_scores) {
  static const double rates[] = {0.3, 0.5, 0x1.5p-5};
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
  const map_t *map = &maps[_i];
  for (int turn = 0; turn < 3; ++turn)
    for (int source = 0; source < TRIAL_SOURCES; ++source) {
      if (!is_chosen(map, turn)) continue;
      window_t window = begin(map, dtypes[turn], rates[turn], (trial_source_t)source);
      const int64_t step = map->keys > 250 ? 2 * map->cols : map->cols;
      for (int64_t first = 0; first < map->keys; first += step)
        look_at_keys(&window, first);
      for (int64_t first = 0; first < map->queries; first += step)
        look_at_queries(&window, first);
      for (int64_t first = 0; first < map->keys; first += step)
        look_at_gradients(&window, first);
      end(&window);
    }
}
END_TEST

/* The same elements as section 15 drops. */
START_TEST(both_sections_drop_the_same) {
  const map_t *map = &maps[_i];
  const int64_t shape[] = {HEADS, map->queries, map->keys};
  window_t window = begin(map, CUDROP_F32, 0.4, TRIAL_BY_VALUE);
  view_t scores = view_make(CUDROP_F32, RANK, shape, NULL, 0);
  memset(scores.tensor.data, 0, (size_t)view_count(&scores) * sizeof(float));
  placed_t placed = view_place(context, &scores, true);
  const cudrop_attention_t attention = {.mask = &window.mask};
  ck_assert_ok(cudrop_attention_forward(
      context,
      &(cudrop_attention_forward_t){
          .attention = &attention, .scores = &placed.tensor, .y = &placed.tensor}));
  view_fetch(context, &placed, &scores);
  show_window(&window.t.input[ATTEND_V], 0);
  fill_first(&window.t.input[ATTEND_Q], 0.0);
  call(&window);
  for (int64_t e = 0; e < view_count(&scores); ++e) {
    const int64_t key = e % map->keys, row = e / map->keys;
    if (key < map->cols)
      expect(&window, "o",
             view_get(&window.t.output[ATTEND_O], row * map->cols + key) != 0.0,
             view_get(&scores, e) != 0.0, row / map->queries, row % map->queries, key);
  }
  view_displace(context, &placed);
  view_free(&scores);
  end(&window);
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("attend_mask", loop_case("windows", the_mask_is_that_of_the_scores, MAPS),
           loop_case("sections", both_sections_drop_the_same, MAPS))
