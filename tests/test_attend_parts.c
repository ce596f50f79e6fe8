/* test_attend_parts.c - attention with dropout in parts, beside the whole. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attend_tensors.h"
#include "suite_context.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

/* ---- Parts of a whole ------------------------------------------------------------- */

enum { BATCH = 3, HEADS = 4, SHARED = 2, QUERIES = 130, RANK = 4 };

/* The second whole is of tensor cores, in F16 and BF16 on a GPU, and so are its parts. */
static const struct { int64_t keys, cols; } wholes[] = {{141, 16}, {144, 64}};
enum { WHOLES = sizeof wholes / sizeof wholes[0], LOOPS = WHOLES * DTYPES };

static int64_t keys, cols;
static int64_t q_shape[RANK], k_shape[RANK], scores[RANK];

/* Set the sizes of a loop; returns its type. */
static cudrop_dtype_t begin_loop(int loop) {
  keys = wholes[loop / DTYPES].keys;
  cols = wholes[loop / DTYPES].cols;
  memcpy(q_shape, (const int64_t[]){BATCH, HEADS, QUERIES, cols}, sizeof q_shape);
  memcpy(k_shape, (const int64_t[]){BATCH, SHARED, keys, cols}, sizeof k_shape);
  memcpy(scores, (const int64_t[]){BATCH, HEADS, QUERIES, keys}, sizeof scores);
  return dtypes[loop % DTYPES];
}

static const attend_ways_t plainly = {0};

/* Let no output hold what is expected before it is written. */
static void poison_outputs(attend_tensors_t *t) {
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    attend_fill(&t->output[y], 100 + (uint64_t)y, 1.0);
}

static void expect_part(const view_t *whole, const view_t *part, int d, int64_t start,
                        const char *name) {
  view_t cut = attend_cut(whole, d, start, part->tensor.shape[d]);
  ck_assert_msg(view_is_equal(&cut, part), "%s from %lld on", name, (long long)start);
  view_free(&cut);
}

/* A part of the inputs: the queries' tensors [start, start + size) along dimension d, and those of
 * keys, unless k_size is 0. */
static attend_tensors_t cut_inputs(const attend_tensors_t *whole, int d, int64_t start,
                                   int64_t size, int64_t k_start, int64_t k_size) {
  attend_tensors_t part = *whole;
  for (int x = 0; x < ATTEND_INPUTS; ++x) {
    const bool is_keys = x == ATTEND_K || x == ATTEND_V;
    part.input[x] = !is_keys     ? attend_cut(&whole->input[x], d, start, size)
                    : k_size > 0 ? attend_cut(&whole->input[x], d, k_start, k_size)
                                 : view_copy(&whole->input[x]);
  }
  part.output[ATTEND_O] = view_copy(&part.input[ATTEND_Q]);
  part.output[ATTEND_DQ] = view_copy(&part.input[ATTEND_Q]);
  part.output[ATTEND_DK] = view_copy(&part.input[ATTEND_K]);
  part.output[ATTEND_DV] = view_copy(&part.input[ATTEND_K]);
  part.output[ATTEND_LSE] = attend_cut(&whole->output[ATTEND_LSE], d, start, size);
  poison_outputs(&part);
  return part;
}

static attend_tensors_t make_whole(cudrop_dtype_t dtype,
                                   const cudrop_attention_t *attention) {
  return attend_make_whole(context, attention, dtype, RANK, q_shape, k_shape);
}

static cudrop_mask_t make_shard(cudrop_mask_t mask, int d, int64_t start) {
  int64_t starts[RANK] = {0};
  starts[d] = start;
  ck_assert_ok(cudrop_mask_shard(&mask, RANK, scores, starts));
  return mask;
}

START_TEST(batches_and_heads_may_be_shards) {
  const cudrop_dtype_t dtype = begin_loop(_i);
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.4);
  cudrop_mask_t shard;
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL_LAST, .mask = &mask},
                           of_part = {.causal = CUDROP_CAUSAL_LAST, .mask = &shard};
  attend_tensors_t whole = make_whole(dtype, &attention);
  for (int d = 0; d < 2; ++d)
    for (int64_t start = 0; start < q_shape[d]; start += 1 + d) {
      const int64_t group = d == 1 ? HEADS / SHARED : 1;
      attend_tensors_t part = cut_inputs(&whole, d, start, group, start / group, 1);
      shard = make_shard(mask, d, start);
      ck_assert_ok(attend_call(context, &of_part, &part, &plainly));
      for (int y = 0; y < ATTEND_OUTPUTS; ++y)
        expect_part(&whole.output[y], &part.output[y], d,
                    y < ATTEND_DK ? start : start / group, attend_output_names[y]);
      attend_free(&part);
    }
  attend_free(&whole);
}
END_TEST

/* The parts of dk and dv add up to the whole, but for the rounding of each. */
START_TEST(queries_may_be_shards) {
  const cudrop_dtype_t dtype = begin_loop(_i);
  const int64_t starts[] = {0, 1, 97, QUERIES};
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.4);
  cudrop_mask_t shard;
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL, .mask = &mask};
  attend_tensors_t whole = make_whole(dtype, &attention);
  const int64_t n = view_count(&whole.input[ATTEND_K]);
  double *sums = calloc((size_t)(2 * n), sizeof *sums),
         *sizes = calloc((size_t)(2 * n), sizeof *sizes);
  for (int k = 0; k < 3; ++k) {
    const cudrop_attention_t of_part = {
        .causal = CUDROP_CAUSAL, .query_offset = starts[k], .mask = &shard};
    attend_tensors_t part =
        cut_inputs(&whole, 2, starts[k], starts[k + 1] - starts[k], 0, 0);
    shard = make_shard(mask, 2, starts[k]);
    ck_assert_ok(attend_call(context, &of_part, &part, &plainly));
    for (int y = 0; y <= ATTEND_DQ; ++y)
      expect_part(&whole.output[y], &part.output[y], 2, starts[k],
                  attend_output_names[y]);
    for (int64_t e = 0; e < 2 * n; ++e) {
      const double x = view_get(&part.output[e < n ? ATTEND_DK : ATTEND_DV], e % n);
      sums[e] += x;
      sizes[e] += fabs(x);
    }
    attend_free(&part);
  }
  const double unit = dtype == CUDROP_F32   ? 0x1p-24
                      : dtype == CUDROP_F16 ? 0x1p-11
                                            : 0x1p-8;
  for (int64_t e = 0; e < 2 * n; ++e) {
    const double x = view_get(&whole.output[e < n ? ATTEND_DK : ATTEND_DV], e % n);
    ck_assert_double_eq_tol(sums[e], x, unit * (sizes[e] + fabs(x)) + 1e-4);
  }
  free(sums);
  free(sizes);
  attend_free(&whole);
}
END_TEST

/* With lengths of fewer keys, the other keys might not be there. */
START_TEST(keys_may_be_left_out) {
  const cudrop_dtype_t dtype = begin_loop(_i);
  const int64_t seen_keys = keys - 8;
  const int64_t no_batch = 0, one = BATCH;
  const int32_t seen[BATCH] = {(int32_t)seen_keys, (int32_t)seen_keys,
                               (int32_t)seen_keys};
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.4),
                      shard = make_shard(mask, 0, no_batch);
  view_t lengths = view_make(CUDROP_I32, 1, &one, NULL, 0);
  memcpy(lengths.tensor.data, seen, sizeof seen);
  placed_t placed = view_place(context, &lengths, false);
  const cudrop_attention_t attention = {.lengths = &placed.tensor, .mask = &mask},
                           of_part = {.mask = &shard};
  attend_tensors_t whole = make_whole(dtype, &attention), part = whole;
  for (int x = 0; x < ATTEND_INPUTS; ++x)
    part.input[x] = x == ATTEND_K || x == ATTEND_V
                        ? attend_cut(&whole.input[x], 2, 0, seen_keys)
                        : view_copy(&whole.input[x]);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    part.output[y] = y >= ATTEND_DK ? attend_cut(&whole.output[y], 2, 0, seen_keys)
                                    : view_copy(&whole.output[y]);
  poison_outputs(&part);
  ck_assert_ok(attend_call(context, &of_part, &part, &plainly));
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    expect_part(&whole.output[y], &part.output[y], y >= ATTEND_DK ? 2 : 0, 0,
                attend_output_names[y]);
  for (int y = ATTEND_DK; y < ATTEND_OUTPUTS; ++y) {
    view_t rest = attend_cut(&whole.output[y], 2, seen_keys, keys - seen_keys);
    for (int64_t e = 0; e < view_count(&rest); ++e)
      ck_assert(view_get(&rest, e) == 0.0 && !signbit(view_get(&rest, e)));
    view_free(&rest);
  }
  attend_free(&whole);
  attend_free(&part);
  view_displace(context, &placed);
  view_free(&lengths);
}
END_TEST

/* ---- Heads that share keys -------------------------------------------------------- */

/* A copy in which each shared head is there once for each head that reads it. */
static view_t repeat_heads(const view_t *shared) {
  const int64_t each = keys * cols, group = HEADS / SHARED;
  const int64_t shape[] = {BATCH, HEADS, keys, cols};
  view_t all = view_make(shared->tensor.dtype, RANK, shape, NULL, 0);
  for (int64_t e = 0; e < view_count(&all); ++e)
    memcpy(view_element(&all, e),
           view_element(shared, e / each / group * each + e % each),
           cudrop_dtype_bytes(shared->tensor.dtype));
  return all;
}

START_TEST(shared_heads_are_repeated_ones) {
  const cudrop_dtype_t dtype = begin_loop(_i);
  const cudrop_mask_t mask = cudrop_mask(3, 4, 0.4);
  const cudrop_attention_t attention = {.causal = CUDROP_CAUSAL, .mask = &mask};
  attend_tensors_t whole = make_whole(dtype, &attention), repeated = whole;
  for (int x = 0; x < ATTEND_INPUTS; ++x)
    repeated.input[x] = x == ATTEND_K || x == ATTEND_V ? repeat_heads(&whole.input[x])
                                                       : view_copy(&whole.input[x]);
  for (int y = 0; y < ATTEND_OUTPUTS; ++y)
    repeated.output[y] =
        y >= ATTEND_DK ? repeat_heads(&whole.output[y]) : view_copy(&whole.output[y]);
  poison_outputs(&repeated);
  ck_assert_ok(attend_call(context, &attention, &repeated, &plainly));
  for (int y = 0; y <= ATTEND_DQ; ++y)
    ck_assert(view_is_equal(&whole.output[y], &repeated.output[y]));
  attend_free(&whole);
  attend_free(&repeated);
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("attend_parts", loop_case("shards", batches_and_heads_may_be_shards, LOOPS),
           loop_case("queries", queries_may_be_shards, LOOPS),
           loop_case("keys", keys_may_be_left_out, LOOPS),
           loop_case("shared", shared_heads_are_repeated_ones, LOOPS))
