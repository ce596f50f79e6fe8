/* test_embedding_sums.c - sums of very many rows: how far they are from sums in double, and that
 * every backend and number of threads has the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

enum { COLS = 8, MOST_VOCABULARY = 50257 };

/* Ids [batches, places], and a row of numbers for each. */
typedef struct {
  int64_t batches, places, vocabulary;
  int32_t *ids;
  float *dy;
} text_t;

/* What backward makes of it. */
typedef struct {
  float *dtokens, *dpositions;
} gradients_t;

static int64_t count_rows(const text_t *text) {
  return text->batches * text->places;
}

/* A number in [0, 1) for each k. */
static double draw(uint64_t k) {
  k = (k + 1) * 0x9e3779b97f4a7c15u;
  k = (k ^ k >> 31) * 0xbf58476d1ce4e5b9u;
  return (double)(k >> 11) * 0x1p-53;
}

/* Ids as in a text: id k is there 1 / (k + 1) times as often as id 0, and some are padding. */
static text_t make_zipf(int64_t batches, int64_t places) {
  text_t text = {.batches = batches, .places = places, .vocabulary = MOST_VOCABULARY};
  const int64_t n = count_rows(&text);
  text.ids = calloc((size_t)n, sizeof *text.ids);
  text.dy = calloc((size_t)n * COLS, sizeof *text.dy);
  for (int64_t k = 0; k < n; ++k)
    text.ids[k] =
        k % 10 == 3 ? -1 : (int32_t)exp(draw((uint64_t)k) * log(MOST_VOCABULARY - 1)) - 1;
  for (int64_t e = 0; e < n * COLS; ++e)
    text.dy[e] = (float)(0.5 + draw((uint64_t)(e + n)));
  return text;
}

/* One id alone, and the same number in every place. */
static text_t make_equal(int64_t batches, float number) {
  text_t text = {.batches = batches, .places = 1, .vocabulary = 1};
  text.ids = calloc((size_t)batches, sizeof *text.ids);
  text.dy = calloc((size_t)batches * COLS, sizeof *text.dy);
  for (int64_t e = 0; e < batches * COLS; ++e) text.dy[e] = number;
  return text;
}

static void free_text(text_t *text) {
  free(text->ids);
  free(text->dy);
}

static void free_gradients(gradients_t *gradients) {
  free(gradients->dtokens);
  free(gradients->dpositions);
}

static void *place(cudrop_context_t *context, const void *host, size_t bytes) {
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(context, bytes, &buffer));
  if (host != NULL) ck_assert_ok(cudrop_upload(context, buffer, host, bytes));
  return buffer;
}

static float *fetch(cudrop_context_t *context, void **buffer, int64_t rows) {
  const size_t bytes = (size_t)rows * COLS * sizeof(float);
  float *host = malloc(bytes);
  ck_assert_ok(cudrop_download(context, host, *buffer, bytes));
  ck_assert_ok(cudrop_free(context, buffer));
  return host;
}

static gradients_t run(cudrop_context_t *context, const text_t *text) {
  const int64_t n = count_rows(text);
  const int64_t shape[] = {text->batches, text->places, COLS};
  void *ids = place(context, text->ids, (size_t)n * sizeof *text->ids);
  void *dy = place(context, text->dy, (size_t)n * COLS * sizeof *text->dy);
  void *dtokens = place(context, NULL, (size_t)text->vocabulary * COLS * sizeof(float));
  void *dpositions = place(context, NULL, (size_t)text->places * COLS * sizeof(float));
  const cudrop_tensor_t of_ids = cudrop_tensor(ids, CUDROP_I32, 2, shape);
  const cudrop_tensor_t of_dy = cudrop_tensor(dy, CUDROP_F32, 3, shape);
  const cudrop_tensor_t tokens =
      cudrop_matrix(dtokens, CUDROP_F32, text->vocabulary, COLS);
  const cudrop_tensor_t positions =
      cudrop_matrix(dpositions, CUDROP_F32, text->places, COLS);
  cudrop_embedding_backward_t args = {
      .ids = &of_ids, .dy = &of_dy, .dtokens = &tokens, .dpositions = &positions};
  ck_assert_ok(cudrop_embedding_backward_workspace(n, COLS, &args.workspace_bytes));
  args.workspace = place(context, NULL, args.workspace_bytes);
  ck_assert_ok(cudrop_embedding_backward(context, &args));
  const gradients_t gradients = {fetch(context, &dtokens, text->vocabulary),
                                 fetch(context, &dpositions, text->places)};
  ck_assert_ok(cudrop_free(context, &args.workspace));
  ck_assert_ok(cudrop_free(context, &dy));
  ck_assert_ok(cudrop_free(context, &ids));
  return gradients;
}

/* ---- How far from the truth ------------------------------------------------------- */

/* The header's bound of a sum of `n` numbers whose magnitudes sum to `magnitude`. */
static double find_bound(int64_t n, double magnitude) {
  int64_t width = 1;
  double roundings = 1.0;
  for (; width < n; width *= 32) roundings += 31.0;
  const double each = roundings * 0x1p-24;
  return each / (1.0 - each) * magnitude;
}

/* Row `key` of a table is the sum of the rows of dy whose key that is; all are positive. */
static void expect_near(const float *table, int64_t keys, const double *sums,
                        const int64_t *counts) {
  for (int64_t key = 0; key < keys; ++key) {
    for (int col = 0; col < COLS; ++col) {
      const double want = sums[key * COLS + col], found = (double)table[key * COLS + col];
      ck_assert_msg(fabs(found - want) <= find_bound(counts[key], want),
                    "row %lld of %lld entries: %.9g, not %.9g: %.3g off, allowed %.3g",
                    (long long)key, (long long)counts[key], found, want,
                    (found - want) / want, find_bound(counts[key], 1.0));
    }
  }
}

/* Sum in double by ids, or by places. */
static void expect_sums(const text_t *text, bool is_by_id, const float *table) {
  const int64_t keys = is_by_id ? text->vocabulary : text->places;
  double *sums = calloc((size_t)keys * COLS, sizeof *sums);
  int64_t *counts = calloc((size_t)keys, sizeof *counts);
  for (int64_t row = 0; row < count_rows(text); ++row) {
    const int64_t key = is_by_id ? text->ids[row] : row % text->places;
    if (text->ids[row] < 0) continue;
    ++counts[key];
    for (int col = 0; col < COLS; ++col)
      sums[key * COLS + col] += (double)text->dy[row * COLS + col];
  }
  expect_near(table, keys, sums, counts);
  free(sums);
  free(counts);
}

/* On the suite's backend, and on the host with one thread and with three; the bits are equal. */
static void expect_right(text_t text) {
  cudrop_context_t *context = NULL;
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  gradients_t gradients = run(context, &text);
  ck_assert_ok(cudrop_destroy(&context));
  expect_sums(&text, true, gradients.dtokens);
  expect_sums(&text, false, gradients.dpositions);
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  for (int threads = 1; threads <= 3; threads += 2) {
    ck_assert_ok(cudrop_set_threads(context, threads));
    gradients_t again = run(context, &text);
    ck_assert_mem_eq(again.dtokens, gradients.dtokens,
                     (size_t)text.vocabulary * COLS * sizeof(float));
    ck_assert_mem_eq(again.dpositions, gradients.dpositions,
                     (size_t)text.places * COLS * sizeof(float));
    free_gradients(&again);
  }
  ck_assert_ok(cudrop_destroy(&context));
  free_gradients(&gradients);
  free_text(&text);
}

START_TEST(sums_of_equal_rows_do_not_drift) {
  static const int64_t sizes[] = {1 << 20, 1000000};
  expect_right(make_equal(sizes[_i], 0.1f));
}
END_TEST

START_TEST(the_rows_of_a_text_are_summed_as_in_double) {
  static const int64_t places[] = {4096, 8};
  expect_right(make_zipf((1 << 20) / places[_i], places[_i]));
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test) {
  TCase *tests = suite_case(name, 600);
  tcase_add_loop_test(tests, test, 0, 2);
  return tests;
}

SUITE_MAIN("embedding_sums", loop_case("equal", sums_of_equal_rows_do_not_drift),
           loop_case("text", the_rows_of_a_text_are_summed_as_in_double))
