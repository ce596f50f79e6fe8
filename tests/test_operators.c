/* test_operators.c - every operator beside the oracle, over layouts, types, rates, maps. */
#include <math.h>
#include <string.h>

#include "oracle.h"
#include "suite_context.h"
#include "trial.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                        CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

static const double rates[] = {0.0, 1e-6, 0.1, 0.5, 0.9, 1.0};
enum { RATES = sizeof rates / sizeof rates[0] };

/* A trial as it is, with a prepared mask, and at p = 0 with none, if there is such a call. */
static void expect_right(const trial_t *trial) {
  if (!trial_takes(trial->op, trial->dtype)) return;
  const char *wrong = trial_run(context, trial);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  if (!trial_has_mask(trial->op)) return;
  trial_t prepared = *trial;
  prepared.prepared = true;
  wrong = trial_run(context, &prepared);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
  if (trial->mask.p != 0.0) return;
  trial_t without = *trial;
  without.no_mask = true;
  wrong = trial_run(context, &without);
  ck_assert_msg(wrong[0] == '\0', "%s", wrong);
}

/* Every operator, type and rate for one layout and one index map. */
static void expect_all_right(const layout_t *layout, cudrop_mask_t mask) {
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    for (int d = 0; d < DTYPES; ++d) {
      for (int r = 0; r < RATES; ++r) {
        mask.p = rates[r];
        const trial_t trial = {.op = op,
                               .dtype = dtypes[d],
                               .layout = layout,
                               .mask = mask,
                               .x_shift = d % 2};
        expect_right(&trial);
      }
    }
  }
}

#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

static const layout_t layouts[] = {
    {"one element of rank 0", 0, {0}, NULL, NULL},
    {"no rows", 2, {0, 5}, NULL, NULL},
    {"no columns", 2, {5, 0}, NULL, NULL},
    {"a dense matrix", 2, {7, 33}, NULL, NULL},
    {"a row slice of each", 2, {7, 33}, STRIDES(40, 1), STRIDES(35, 1)},
    {"x transposed", 2, {7, 33}, STRIDES(1, 7), NULL},
    {"y transposed", 2, {7, 33}, NULL, STRIDES(1, 7)},
    {"both transposed", 2, {16, 24}, STRIDES(1, 16), STRIDES(1, 16)},
    {"every third element", 1, {77}, STRIDES(3), STRIDES(2)},
    {"x backwards", 1, {77}, STRIDES(-1), NULL},
    {"y upside down", 2, {5, 20}, NULL, STRIDES(-20, 1)},
    {"one row for all", 2, {6, 50}, STRIDES(0, 1), NULL},
    {"one column for all", 2, {6, 50}, STRIDES(1, 0), NULL},
    {"one element for all", 2, {6, 50}, STRIDES(0, 0), NULL},
    {"sizes of one in between", 5, {1, 3, 1, 40, 1}, STRIDES(9, 80, -7, 2, 0), NULL},
    {"channels last", 4, {2, 5, 4, 6}, STRIDES(120, 1, 30, 5), STRIDES(120, 1, 30, 5)},
    {"channels last to channels first", 4, {2, 5, 4, 6}, STRIDES(120, 1, 30, 5), NULL},
    {"strides that interlock", 2, {4, 5}, NULL, STRIDES(5, 4)},
    {"rank 8", 8, {2, 1, 2, 3, 2, 2, 3, 2}, STRIDES(2, 1, 4, 0, 8, 16, 32, 96), NULL},
    {"longer than a tile", 2, {3, 700}, STRIDES(1000, 1), STRIDES(701, 1)},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

START_TEST(every_operator_matches_the_oracle_in_every_layout) {
  cudrop_mask_t mask = cudrop_mask(42, (uint64_t)_i, 0.0);
  expect_all_right(&layouts[_i], mask);
  mask.index_base = 5;
  expect_all_right(&layouts[_i], mask);
}
END_TEST

static const int64_t lengths[] = {0,   1,   2,   3,   5,   7,   8,    9,   15,
                                  16,  17,  31,  33,  63,  64,  65,   127, 128,
                                  129, 255, 256, 257, 511, 513, 1000, 4099};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

START_TEST(tails_and_alignments_change_nothing) {
  const layout_t layout = {"a vector", 1, {lengths[_i]}, NULL, NULL};
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    for (int shift = 0; shift < 9; ++shift) {
      cudrop_mask_t mask = cudrop_mask(7, 3, 0.3);
      mask.index_base = (uint64_t)shift;
      const trial_t trial = {.op = op,
                             .dtype = dtypes[shift % DTYPES],
                             .layout = &layout,
                             .mask = mask,
                             .x_shift = shift,
                             .y_shift = op == TRIAL_COUNT_KEPT ? 0 : (shift * 5) % 9};
      expect_right(&trial);
    }
  }
}
END_TEST

/* x, y, or both, 16 bytes behind a boundary of 32, with no other obstacle to vectors. */
START_TEST(half_a_sector_changes_nothing) {
  const layout_t layout = {"a vector", 1, {1003}, NULL, NULL};
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    for (int d = 0; d < DTYPES; ++d) {
      const int half = 16 / (int)cudrop_dtype_bytes(dtypes[d]);
      const trial_t trial = {.op = op,
                             .dtype = dtypes[d],
                             .layout = &layout,
                             .mask = cudrop_mask(7, 3, 0.3),
                             .x_shift = _i % 2 * half,
                             .y_shift = op == TRIAL_COUNT_KEPT ? 0 : _i / 2 * half};
      expect_right(&trial);
    }
  }
}
END_TEST

START_TEST(in_place_gives_the_same_bytes) {
  const layout_t same[] = {{"a vector", 1, {300}, NULL, NULL},
                           {"a slice", 2, {9, 31}, STRIDES(50, 1), NULL},
                           {"transposed", 2, {9, 31}, STRIDES(1, 9), NULL},
                           {"backwards", 2, {9, 31}, STRIDES(-31, -1), NULL}};
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    if (!trial_has_input(op)) continue;
    for (int d = 0; d < DTYPES; ++d) {
      const trial_t trial = {.op = op,
                             .dtype = dtypes[d],
                             .layout = &same[_i],
                             .mask = cudrop_mask(1, 2, 0.25),
                             .in_place = true};
      expect_right(&trial);
    }
  }
}
END_TEST

/* Index maps: the mask's strides, for a shape that they fit. */
static const struct {
  layout_t layout;
  uint64_t seed, offset, base;
  int rank;
  int64_t stride[CUDROP_MAX_RANK];
} maps[] = {
    {{"a shard", 2, {5, 24}, NULL, NULL}, 1, 2, 3 * 100 + 16, 2, {100, 1}},
    {{"an odd shard", 2, {5, 23}, NULL, NULL}, 1, 2, 3 * 101 + 13, 2, {101, 1}},
    {{"Dropout2d", 4, {3, 4, 5, 6}, NULL, NULL}, 1, 2, 0, 4, {4, 1, 0, 0}},
    {{"DropPath", 3, {20, 3, 5}, NULL, NULL}, 1, 2, 0, 3, {1, 0, 0}},
    {{"shared rows", 2, {8, 40}, NULL, NULL}, 1, 2, 0, 2, {0, 1}},
    {{"one fate for all", 2, {8, 40}, NULL, NULL}, 1, 2, 99, 2, {0, 0}},
    {{"literal strides", 3, {4, 5, 6}, NULL, NULL}, 1, 2, 11, 3, {7, 3, 5}},
    {{"shared and transposed", 2, {8, 40}, STRIDES(1, 8), STRIDES(1, 8)},
     1,
     2,
     0,
     2,
     {1, 0}},
    {{"rank 0 with a map", 0, {0}, NULL, NULL}, 1, 2, 12345, 0, {0}},
    {{"groups around 2^32", 1, {100}, NULL, NULL}, 1, 2, 0x800000000 - 50, 0, {0}},
    {{"groups around 2^32, strided", 1, {100}, NULL, NULL},
     1,
     2,
     0x800000000 - 150,
     1,
     {3}},
    {{"the last indices", 1, {100}, NULL, NULL}, 1, 2, 0x800000000000000 - 100, 0, {0}},
    {{"the last index, by stride", 1, {3}, NULL, NULL}, 1, 2, 1, 1, {0x3ffffffffffffff}},
    {{"offset 2^32 - 1", 1, {100}, NULL, NULL}, 1, 0xffffffff, 0, 0, {0}},
    {{"offset 2^32", 1, {100}, NULL, NULL}, 1, 0x100000000, 0, 0, {0}},
    {{"offset 2^64 - 1", 1, {100}, NULL, NULL}, 1, UINT64_MAX, 0, 0, {0}},
    {{"seed 0", 1, {100}, NULL, NULL}, 0, 0, 0, 0, {0}},
    {{"seed 2^64 - 1", 1, {100}, NULL, NULL}, UINT64_MAX, 5, 0, 0, {0}},
};
enum { MAPS = sizeof maps / sizeof maps[0] };

START_TEST(every_index_map_matches_the_oracle) {
  cudrop_mask_t mask = cudrop_mask(maps[_i].seed, maps[_i].offset, 0.0);
  mask.index_base = maps[_i].base;
  mask.index_rank = maps[_i].rank;
  memcpy(mask.index_stride, maps[_i].stride, sizeof mask.index_stride);
  expect_all_right(&maps[_i].layout, mask);
}
END_TEST

/* Rates whose thresholds are at the edges of the arithmetic. */
static const double edge_rates[] = {
    0x1p-1074,         0x1p-81,    0x1p-80, 0x1p-40, 0x1p-28, 0x1p-17, 0x1p-16,
    1.5 * 0x1p-16,     0.1f,       1.0 / 3, 0.25,    0.3,     0.7,     65535.0 / 65536,
    65535.5 / 65536.0, 1 - 0x1p-53};
enum { EDGE_RATES = sizeof edge_rates / sizeof edge_rates[0] };

START_TEST(every_rate_matches_the_oracle) {
  const layout_t layout = {"a vector", 1, {2000}, NULL, NULL};
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    for (int d = 0; d < DTYPES; ++d) {
      const trial_t trial = {.op = op,
                             .dtype = dtypes[d],
                             .layout = &layout,
                             .mask = cudrop_mask(42, 0, edge_rates[_i])};
      expect_right(&trial);
    }
  }
}
END_TEST

/* Elements whose 16-bit digit ties with 0.1, on both sides of the refinement. */
START_TEST(ties_are_resolved_in_every_operator) {
  static const uint64_t ties[] = {2583, 91084, 131137, 187372, 297804, 399516};
  const layout_t layout = {"a vector", 1, {16}, NULL, NULL};
  cudrop_mask_t mask = cudrop_mask(42, 0, 0.1);
  mask.index_base = ties[_i] - 8;
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    const trial_t trial = {
        .op = op, .dtype = dtypes[op % DTYPES], .layout = &layout, .mask = mask};
    expect_right(&trial);
  }
}
END_TEST

/*
 * Elements that drew the last digit, 0xffff, which no other can be put above: between rates that
 * keep them and rates that drop them. In a whole span and in a tail.
 */
START_TEST(ties_with_the_last_digit_are_resolved) {
  static const uint64_t ties[] = {308192, 466598, 504248};
  const double refinement = (double)oracle_refinement(42, 0, ties[_i]) * 0x1p-64;
  const layout_t layouts_of_ties[] = {{"a span", 1, {256}, NULL, NULL},
                                      {"a tail", 1, {20}, NULL, NULL}};
  for (unsigned k = 0; k < 4; ++k) {
    const double share = k / 2 == 0 ? refinement / 2 : (1.0 + refinement) / 2;
    cudrop_mask_t mask = cudrop_mask(42, 0, (65535.0 + share) / 65536.0);
    mask.index_base = ties[_i] / 8 * 8;
    ck_assert_uint_eq(oracle_digit(42, 0, ties[_i]), 0xffff);
    ck_assert_int_eq(oracle_keep(42, 0, ties[_i], mask.p), k / 2 == 0);
    for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_APPLY_BYTES; ++op) {
      const trial_t trial = {.op = op,
                             .dtype = dtypes[(op + k) % DTYPES],
                             .layout = &layouts_of_ties[k % 2],
                             .mask = mask};
      expect_right(&trial);
    }
  }
}
END_TEST

/* Where an element may stand: in a whole group, in a tail, alone, among strided indices. */
static const struct {
  layout_t layout;
  bool is_aligned;
  int64_t stride;
} stands[] = {{{"two groups", 1, {16}, NULL, NULL}, true, 0},
              {{"a tail", 1, {5}, NULL, NULL}, false, 0},
              {{"one element", 1, {1}, NULL, NULL}, false, 0},
              {{"every third index", 1, {6}, NULL, NULL}, false, 3}};

/*
 * Rates next to what an element drew, with 32 bits of its refinement: just not above it, which
 * keeps the element, and just above, which drops it. And its digit alone, as a rate without a
 * refinement, which keeps it.
 */
START_TEST(a_rate_next_to_what_was_drawn_decides_rightly) {
  const uint64_t index = 4000 + (uint64_t)_i;
  const double digit = oracle_digit(42, 9, index);
  const double below = digit + (double)(oracle_refinement(42, 9, index) >> 32) * 0x1p-32;
  const double numerators[] = {digit, below, below + 0x1p-32};
  for (unsigned k = 0; k < 12; ++k) {
    cudrop_mask_t mask = cudrop_mask(42, 9, numerators[k % 3] * 0x1p-16);
    mask.index_base = stands[k / 3].is_aligned ? index / 8 * 8 : index;
    mask.index_rank = stands[k / 3].stride > 0;
    mask.index_stride[0] = stands[k / 3].stride;
    ck_assert_int_eq(oracle_keep(42, 9, index, mask.p), k % 3 < 2);
    for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_APPLY_BYTES; ++op) {
      const trial_t trial = {.op = op,
                             .dtype = dtypes[(op + k) % DTYPES],
                             .layout = &stands[k / 3].layout,
                             .mask = mask};
      expect_right(&trial);
    }
  }
}
END_TEST

/* ---- Copies ----------------------------------------------------------------------- */

enum { PATTERNS = 65536 };

/* Every element of 8 or 16 bits there is; of wider types a sample, with every upper half. */
static view_t make_patterns(cudrop_dtype_t dtype, int shift) {
  const int64_t n = PATTERNS;
  const size_t size = cudrop_dtype_bytes(dtype);
  view_t view = view_make(dtype, 1, &n, NULL, shift);
  for (uint64_t e = 0; e < PATTERNS; ++e) {
    const uint64_t bits = size <= 2 ? e : e << (8 * size - 16) | (e * 40503 & 0xffff);
    memcpy(view_element(&view, (int64_t)e), &bits, size);
  }
  return view;
}

/* x is given to each operator that copies at p = 0, by every source of a mask. */
static cudrop_status_t copy(int way, const cudrop_tensor_t *x, const cudrop_mask_t *mask,
                            const void *keep, const cudrop_tensor_t *y) {
  const cudrop_tensor_t bytes = cudrop_vector(keep, CUDROP_U8, PATTERNS);
  switch (way) {
    case 0:
      return cudrop_forward(context, x, mask, y);
    case 1:
      return cudrop_backward(context, x, mask, y);
    case 2:
      return cudrop_apply_bytes(context, x, &bytes, 0.0, y);
    case 3:
      return cudrop_apply_bits(context, x, keep, 0.0, y);
    case 4:
      return cudrop_alpha_forward(context, x, mask, y);
    default:
      return cudrop_alpha_backward(context, x, mask, y);
  }
}

/* Every NaN keeps its payload and its sign, in whole chunks and out of step. */
START_TEST(rate_zero_copies_every_bit_pattern) {
  const cudrop_dtype_t dtype = dtypes[_i / 2];
  const bool is_f8 = dtype == CUDROP_F8E4M3 || dtype == CUDROP_F8E5M2;
  const cudrop_mask_t mask = cudrop_mask(1, 5, 0.0);
  const view_t in = make_patterns(dtype, 0);
  static uint8_t ones[PATTERNS];
  cudrop_prepared_t *block = NULL;
  void *keep = NULL;
  const cudrop_mask_t prepared = trial_prepare(context, &mask, &block);
  const cudrop_mask_t *const masks[] = {&mask, &prepared, NULL};
  memset(ones, 0xff, sizeof ones);
  ck_assert_ok(cudrop_alloc(context, sizeof ones, &keep));
  ck_assert_ok(cudrop_upload(context, keep, ones, sizeof ones));
  for (int way = 0; way < (is_f8 ? 4 : 6); ++way) {
    for (int source = 0; source < 3; ++source) {
      const int64_t n = PATTERNS;
      view_t out = view_make(dtype, 1, &n, NULL, _i % 2);
      placed_t x = view_place(context, &in, false), y = view_place(context, &out, true);
      ck_assert_ok(copy(way, &x.tensor, masks[source], keep, &y.tensor));
      view_fetch(context, &y, &out);
      ck_assert_mem_eq(out.tensor.data, in.tensor.data,
                       PATTERNS * cudrop_dtype_bytes(dtype));
      view_displace(context, &x);
      view_displace(context, &y);
      view_free(&out);
    }
  }
  ck_assert_ok(cudrop_free(context, &keep));
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
  view_t view = in;
  view_free(&view);
}
END_TEST

/* A graph that is captured once takes shard after shard: a block's base is added to a map's. */
START_TEST(a_prepared_block_moves_the_index_map) {
  enum { N = 1000 };
  static const uint64_t bases[] = {0, 8, 4096, ((uint64_t)1 << 59) - 4096};
  for (size_t b = 0; b < sizeof bases / sizeof bases[0]; ++b) {
    for (int strided = 0; strided < 2; ++strided) {
      const int64_t n = N;
      cudrop_mask_t value = cudrop_mask(42, 7, rates[_i]), first = value;
      first.index_base = bases[b];
      cudrop_prepared_t *block = NULL;
      ck_assert_ok(cudrop_prepared_create(context, &first, &block));
      cudrop_mask_t given = cudrop_prepared_mask(block, 0);
      given.index_base = 3;
      given.index_rank = strided;
      given.index_stride[0] = 2;
      value.index_base = bases[b] + 3;
      value.index_rank = strided;
      value.index_stride[0] = 2;
      uint64_t kept[2] = {0, 1};
      uint8_t bits[2][(N + 7) / 8];
      void *total = NULL, *packed = NULL;
      ck_assert_ok(cudrop_alloc(context, sizeof *kept, &total));
      ck_assert_ok(cudrop_alloc(context, sizeof *bits, &packed));
      const cudrop_mask_t *const masks[] = {&value, &given};
      for (int k = 0; k < 2; ++k) {
        ck_assert_ok(cudrop_count_kept(context, masks[k], 1, &n, total));
        ck_assert_ok(cudrop_export_bits(context, masks[k], 1, &n, packed));
        ck_assert_ok(cudrop_download(context, &kept[k], total, sizeof *kept));
        ck_assert_ok(cudrop_download(context, bits[k], packed, sizeof *bits));
      }
      ck_assert_uint_eq(kept[0], kept[1]);
      ck_assert_mem_eq(bits[0], bits[1], sizeof *bits);
      ck_assert_ok(cudrop_free(context, &total));
      ck_assert_ok(cudrop_free(context, &packed));
      ck_assert_ok(cudrop_prepared_destroy(context, &block));
    }
  }
}
END_TEST

/* One test in a case of its own, so that CK_RUN_CASE can choose it. */
static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 300);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("operators",
           loop_case("layouts", every_operator_matches_the_oracle_in_every_layout,
                     LAYOUTS),
           loop_case("tails", tails_and_alignments_change_nothing, LENGTHS),
           loop_case("halves", half_a_sector_changes_nothing, 4),
           loop_case("in_place", in_place_gives_the_same_bytes, 4),
           loop_case("maps", every_index_map_matches_the_oracle, MAPS),
           loop_case("rates", every_rate_matches_the_oracle, EDGE_RATES),
           loop_case("ties", ties_are_resolved_in_every_operator, 6),
           loop_case("last_digit", ties_with_the_last_digit_are_resolved, 3),
           loop_case("next_to_drawn", a_rate_next_to_what_was_drawn_decides_rightly, 16),
           loop_case("copies", rate_zero_copies_every_bit_pattern, 2 * DTYPES),
           loop_case("moved", a_prepared_block_moves_the_index_map, RATES))
