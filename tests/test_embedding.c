/* test_embedding.c - tokens, positions and dropout, and the gradients of tables. */
#include <stdlib.h>
#include <string.h>

#include "embedding_trial.h"
#include "suite_context.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

static void expect_right(const embedding_trial_t *trial) {
  const char *wrong = embedding_trial_run(context, trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
}

#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

static const embedding_layout_t layouts[] = {
    {"no ids", 2, {0, 4}, NULL, NULL, 9, 16, 0, 0},
    {"no places", 2, {3, 0}, NULL, NULL, 9, 16, 0, 0},
    {"no columns", 2, {2, 3}, NULL, NULL, 9, 0, 0, 0},
    {"no tokens", 1, {5}, NULL, NULL, 0, 16, 0, 0},
    {"one id", 1, {1}, NULL, NULL, 1, 24, 0, 0},
    {"one column", 2, {5, 20}, NULL, NULL, 30, 1, 0, 0},
    {"a sentence", 1, {100}, NULL, NULL, 40, 16, 0, 0},
    {"a batch", 2, {6, 17}, NULL, NULL, 50, 32, 0, 0},
    {"a batch of odd rows", 2, {5, 13}, NULL, NULL, 50, 21, 0, 3},
    {"a batch of batches", 3, {2, 3, 11}, NULL, NULL, 20, 24, 0, 0},
    {"wide rows", 2, {3, 12}, NULL, NULL, 300, 264, 0, 0},
    {"tables with gaps", 2, {4, 9}, NULL, NULL, 25, 16, 8, 0},
    {"tables with odd gaps", 2, {4, 9}, NULL, NULL, 25, 16, 3, 1},
    {"ids column by column", 2, {7, 9}, STRIDES(1, 7), NULL, 33, 16, 0, 0},
    {"ids upside down", 1, {40}, STRIDES(-1), NULL, 33, 16, 0, 0},
    {"the same sentence twice", 2, {2, 30}, STRIDES(0, 1), NULL, 33, 16, 0, 0},
    {"rows with gaps", 2, {4, 10}, NULL, STRIDES(400, 40, 1), 33, 24, 0, 0},
    {"places before batches", 2, {4, 10}, NULL, STRIDES(16, 64, 1), 33, 16, 0, 0},
    {"many of few", 2, {70, 3}, NULL, NULL, 6, 8, 0, 0},
    {"half a sector on", 2, {40, 3}, NULL, NULL, 6, 24, 0, 4},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Layouts times kinds of ids; types, parts and rates take turns. */
START_TEST(every_part_is_right_in_every_layout) {
  static const double rates[] = {0.1, 0.5, 0.0, 1.0};
  const embedding_layout_t *layout = &layouts[_i];
  for (int turn = 0; turn < 24; ++turn) {
    const cudrop_dtype_t dtype = dtypes[turn % DTYPES];
    expect_right(&(embedding_trial_t){
        .layout = layout,
        .dtype = dtype,
        .table_dtype = turn / 3 % 2 == 0 ? dtype : CUDROP_F32,
        .ids = (embedding_ids_t)(turn % 4),
        .mask = cudrop_mask(42, (uint64_t)turn, rates[turn / 2 % 4]),
        .no_mask = turn % 11 == 7,
        .prepared = turn % 5 == 2,
        .no_tokens = turn % 6 == 4 && layout->vocabulary > 0,
        .no_positions = turn % 6 == 3 || layout->rank == 0,
        .no_counter = turn % 7 == 1,
        .is_wild = turn % 9 == 5,
        .accumulate = turn % 4 >= 2 ? CUDROP_ACCUMULATE_PARAMETERS : 0,
    });
  }
}
END_TEST

/* Each part there and left out, beside each other, and values of every kind. */
START_TEST(every_combination_of_parts_is_right) {
  enum { PARTS = 6 };
  static const embedding_layout_t shapes[] = {
      {"dense", 2, {3, 7}, NULL, NULL, 9, 16, 0, 0},
      {"odd", 2, {3, 7}, NULL, NULL, 9, 13, 0, 1}};
  static const double rates[] = {0.0, 0.5};
  for (int parts = 0; parts < 1 << PARTS; ++parts)
    for (int turn = 0; turn < 2 * DTYPES; ++turn)
      expect_right(&(embedding_trial_t){
          .layout = &shapes[_i % 2],
          .dtype = dtypes[turn % DTYPES],
          .table_dtype = turn < DTYPES ? dtypes[turn % DTYPES] : CUDROP_F32,
          .ids = IDS_WILD,
          .mask = cudrop_mask(42, (uint64_t)parts, rates[_i / 2]),
          .no_mask = parts & 1,
          .no_positions = parts & 2,
          .no_tokens = (parts & 6) == 4,
          .no_counter = parts & 8,
          .accumulate = parts & 16 ? CUDROP_ACCUMULATE_PARAMETERS : 0,
          .is_wild = parts & 32,
          .prepared = _i >= 2 && turn % 2 == 1});
}
END_TEST

START_TEST(an_id_alone_has_no_place) {
  static const embedding_layout_t layout = {"a scalar", 0, {0}, NULL, NULL, 5, 16, 0, 0};
  for (int kind = 0; kind < IDS_KINDS; ++kind)
    expect_right(&(embedding_trial_t){.layout = &layout,
                                      .dtype = CUDROP_BF16,
                                      .table_dtype = CUDROP_F32,
                                      .ids = (embedding_ids_t)kind,
                                      .mask = cudrop_mask(1, 2, 0.3),
                                      .no_positions = true});
}
END_TEST

/* More tiles than one, and keys of one, two and three digits. */
START_TEST(long_lists_are_sorted) {
  static const int64_t vocabularies[] = {7, 255, 256, 257, 5000, 70000};
  enum { SIZES = sizeof vocabularies / sizeof vocabularies[0] };
  const embedding_layout_t layout = {
      "a long list", 2, {3, 700}, NULL, NULL, vocabularies[_i % SIZES], 8, 0, 0};
  for (int kind = _i % 2; kind < IDS_KINDS; kind += 2)
    expect_right(&(embedding_trial_t){.layout = &layout,
                                      .dtype = dtypes[kind % DTYPES],
                                      .table_dtype = CUDROP_F32,
                                      .ids = (embedding_ids_t)kind,
                                      .mask = cudrop_mask(3, 4, 0.2)});
}
END_TEST

/* More tiles than a warp adds at a time. */
START_TEST(very_long_lists_are_sorted) {
  static const embedding_layout_t layout = {
      "a very long list", 2, {2, 35000}, NULL, NULL, 300, 1, 0, 0};
  expect_right(&(embedding_trial_t){.layout = &layout,
                                    .dtype = CUDROP_F32,
                                    .table_dtype = CUDROP_F32,
                                    .ids = (embedding_ids_t)_i,
                                    .mask = cudrop_mask(3, 4, 0.2)});
}
END_TEST

/* Keys that begin and end with a segment of 32, of 1,024 or of 32,768 entries, or beside. */
static const struct {
  int64_t batches, places, vocabulary;
} levels[] = {{32, 1, 2},    {33, 1, 2},    {31, 34, 5},   {32, 33, 5},   {33, 32, 5},
              {1024, 1, 2},  {1025, 1, 2},  {1023, 3, 2},  {1024, 3, 2},  {1025, 3, 2},
              {32768, 1, 3}, {32769, 1, 3}, {1, 33800, 9}, {2, 20000, 40}};
enum { LEVELS = sizeof levels / sizeof levels[0] };

START_TEST(sums_are_trees_of_segments) {
  const embedding_layout_t layout = {
      "levels", 2,    {levels[_i].batches, levels[_i].places},
      NULL,     NULL, levels[_i].vocabulary,
      3,        0,    0};
  for (int kind = 0; kind < IDS_KINDS; ++kind)
    expect_right(&(embedding_trial_t){
        .layout = &layout,
        .dtype = dtypes[(_i + kind) % DTYPES],
        .table_dtype = CUDROP_F32,
        .ids = (embedding_ids_t)kind,
        .mask = cudrop_mask(3, 4, 0.2),
        .accumulate = kind % 2 == 1 ? CUDROP_ACCUMULATE_PARAMETERS : 0});
}
END_TEST

/* Index maps of shards, of whole tokens, and of columns. */
static const struct {
  uint64_t base;
  int64_t stride[CUDROP_MAX_RANK];
} maps[] = {{3 * 17 * 96 + 32, {17 * 96, 96, 1}},
            {5, {1000, 33, 1}},
            {0, {17, 1, 0}},
            {0, {0, 0, 1}},
            {2, {7, 300, 5}}};
enum { MAPS = sizeof maps / sizeof maps[0] };

START_TEST(every_index_map_is_that_of_the_mask) {
  for (int turn = 0; turn < DTYPES; ++turn) {
    static const embedding_layout_t layout = {"a map", 2,  {4, 17}, NULL, NULL,
                                              50,      32, 0,       0};
    embedding_trial_t trial = {.layout = &layout,
                               .dtype = dtypes[turn],
                               .table_dtype = dtypes[turn],
                               .mask = cudrop_mask(7, 9, 0.4),
                               .prepared = turn == 1};
    trial.mask.index_base = maps[_i].base;
    trial.mask.index_rank = 3;
    memcpy(trial.mask.index_stride, maps[_i].stride, sizeof maps[_i].stride);
    expect_right(&trial);
  }
}
END_TEST

/* As many threads as they like: sums have the same bits. */
START_TEST(results_do_not_depend_on_threads) {
  static const embedding_layout_t layout = {"threads", 2,  {40, 100}, NULL, NULL,
                                            300,       40, 0,         0};
  cudrop_context_t *threaded = NULL;
  ck_assert_ok(cudrop_create(&threaded, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(threaded, 3));
  for (int kind = 0; kind < IDS_KINDS; ++kind) {
    const embedding_trial_t trial = {.layout = &layout,
                                     .dtype = CUDROP_F32,
                                     .table_dtype = CUDROP_F32,
                                     .ids = (embedding_ids_t)kind,
                                     .mask = cudrop_mask(1, 1, 0.1)};
    const char *wrong = embedding_trial_run(threaded, &trial);
    ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  }
  ck_assert_ok(cudrop_destroy(&threaded));
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("embedding",
           loop_case("layouts", every_part_is_right_in_every_layout, LAYOUTS),
           loop_case("parts", every_combination_of_parts_is_right, 4),
           loop_case("alone", an_id_alone_has_no_place, 1),
           loop_case("sort", long_lists_are_sorted, 6),
           loop_case("long", very_long_lists_are_sorted, 2),
           loop_case("levels", sums_are_trees_of_segments, LEVELS),
           loop_case("maps", every_index_map_is_that_of_the_mask, MAPS),
           loop_case("threads", results_do_not_depend_on_threads, 1))
