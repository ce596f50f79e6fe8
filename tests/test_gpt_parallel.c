/*
 * test_gpt_parallel.c - examples/gpt on the ranks of mpirun beside the same network on one: the
 * same elements are dropped, and losses and gradients are equal within the rounding of sums.
 */
#include <math.h>

#include "gpt.h"
#include "suite.h"

enum { LAYERS = 2, WIDTH = 32, LENGTH = 8, BATCH = 4, HEADS = 4, IDS = 30, STEPS = 3 };
enum { TOKENS = BATCH * LENGTH, MOST = 30000, MOST_MASKED = TOKENS * HEADS * LENGTH };

static gpt_config_t config = {
    .vocabulary = IDS,
    .length = LENGTH,
    .width = WIDTH,
    .heads = HEADS,
    .layers = LAYERS,
    .has_qkv_bias = true,
    .p = {0.1, 0.3, 0.2},
    .batch = BATCH,
    .dtype = CUDROP_F32,
    .way = GPT_FUSED,
};

static cudrop_context_t *context;
static parallel_t ranks;

static void open_ranks(void) {
  ranks = parallel_open(NULL, NULL);
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  if (ranks.rank == 0) printf("on %d ranks\n", ranks.ranks);
}

static void close_ranks(void) {
  ck_assert_ok(cudrop_destroy(&context));
  parallel_close();
}

/* Loops go over splits, or over networks: both splits with each way of attention. */
enum { SPLITS = 2, NETWORKS = SPLITS * GPT_ATTENTION_WAYS };

/* Set how attention is computed, and return the ranks by their split. */
static parallel_t begin_loop(int loop) {
  parallel_t parallel = ranks;
  parallel.split = loop % SPLITS == 0 ? PARALLEL_DATA : PARALLEL_TENSOR;
  config.attention = (gpt_attention_way_t)(loop / SPLITS);
  return parallel;
}

/* ---- Masks ------------------------------------------------------------------------------ */

/* The bytes of a rank's part, at their places in the whole, which has words of 4 bytes. */
static void export_part(const parallel_t *parallel, uint64_t step, int site,
                        uint8_t *whole) {
  static uint8_t part[MOST_MASKED];
  const gpt_masked_t masked = gpt_masked(&config, parallel, site);
  const cudrop_tensor_t bytes = cudrop_tensor(part, CUDROP_U8, masked.rank, masked.part);
  cudrop_mask_t mask;
  ck_assert_ok(gpt_make_mask(&config, parallel, 99, step, site, &mask));
  ck_assert_ok(cudrop_export_bytes(context, &mask, &bytes));
  size_t e = 0;
  int64_t at[4] = {0};
  for (at[0] = 0; at[0] < masked.part[0]; ++at[0])
    for (at[1] = 0; at[1] < masked.part[1]; ++at[1])
      for (at[2] = 0; at[2] < masked.part[2]; ++at[2])
        for (at[3] = 0; at[3] < (masked.rank == 4 ? masked.part[3] : 1); ++at[3]) {
          int64_t place = 0;
          for (int d = 0; d < masked.rank; ++d)
            place = place * masked.whole[d] + masked.start[d] + at[d];
          whole[place] = part[e++];
        }
}

/* What one process drops: the plain map of the whole tensor. */
static size_t export_whole(uint64_t step, int site, uint8_t *whole) {
  const int64_t rows[] = {BATCH, LENGTH, WIDTH};
  const int64_t scores[] = {BATCH, HEADS, LENGTH, LENGTH};
  const bool is_attention = site != 0 && (site - 1) % 3 == 0;
  const double p = site == 0 ? 0.1 : is_attention ? 0.3 : 0.2;
  const cudrop_mask_t mask = cudrop_mask(99, step * (1 + 3 * LAYERS) + (uint64_t)site, p);
  const cudrop_tensor_t bytes = is_attention ? cudrop_tensor(whole, CUDROP_U8, 4, scores)
                                             : cudrop_tensor(whole, CUDROP_U8, 3, rows);
  ck_assert_ok(cudrop_export_bytes(context, &mask, &bytes));
  return is_attention ? (size_t)MOST_MASKED : (size_t)(TOKENS * WIDTH);
}

START_TEST(all_ranks_together_drop_what_one_does) {
  static uint32_t joined[MOST_MASKED / 4], whole[MOST_MASKED / 4];
  const parallel_t parallel = begin_loop(_i);
  for (uint64_t step = 0; step < 3; ++step) {
    for (int site = 0; site < 1 + 3 * LAYERS; ++site) {
      memset(joined, 0, sizeof joined);
      export_part(&parallel, step, site, (uint8_t *)joined);
      parallel_join(&parallel, joined, MOST_MASKED / 4);
      const size_t n = export_whole(step, site, (uint8_t *)whole);
      ck_assert_mem_eq(joined, whole, n);
    }
  }
}
END_TEST

/* ---- Losses and gradients ------------------------------------------------------------- */

static void open_network(gpt_t *gpt, const parallel_t *parallel) {
  ck_assert_ok(gpt_open(gpt, context, &config, parallel));
  ck_assert_ok(gpt_start(gpt, 5));
  ck_assert_uint_le(gpt->parameters, MOST);
}

static double run_passes(gpt_t *gpt, uint64_t step) {
  const int64_t first = gpt->shape.first_row * LENGTH;
  double sum = 0.0;
  for (int64_t i = 0; i < gpt->shape.tokens; ++i) {
    gpt->ids[i] = (int32_t)((uint64_t)(7 * (first + i) + (first + i) / 5) + step) % IDS;
    gpt->targets[i] = (gpt->ids[i] + 3) % IDS;
  }
  ck_assert_ok(gpt_forward(gpt, step));
  ck_assert_ok(gpt_backward(gpt));
  for (int64_t i = 0; i < gpt->shape.tokens; ++i) sum += (double)gpt->loss[i];
  if (gpt->parallel.split == PARALLEL_DATA) sum = parallel_add(&gpt->parallel, sum);
  return sum / TOKENS;
}

/* This rank's part of what one process has for each tensor. */
static void expect_near(const gpt_t *gpt, const gpt_t *alone, const float *there,
                        const float *here, double bound) {
  static float part[MOST];
  for (int tensor = 0; tensor < gpt_parameter_count(&config); ++tensor) {
    const gpt_parameter_t *of = &gpt->list[tensor];
    gpt_parameter_cut(of, there + alone->list[tensor].first, part);
    for (size_t i = 0; i < of->number; ++i) {
      const double value = (double)here[of->first + i];
      ck_assert_msg(fabs(value - (double)part[i]) <= bound,
                    "rank %d, tensor %d, element %zu: %.9g, and %.9g on one rank",
                    gpt->parallel.rank, tensor, i, value, (double)part[i]);
    }
  }
}

/*
 * Sums over ranks are made in another order: a few roundings, 2^-24 of losses near 3.4 and of
 * gradients below 0.2. Masks that differ in one element would be seen: a loss moves by 1e-4.
 */
START_TEST(losses_and_gradients_are_those_of_one_rank) {
  const parallel_t parallel = begin_loop(_i), one = parallel_alone();
  gpt_t gpt, alone;
  open_network(&gpt, &parallel);
  open_network(&alone, &one);
  for (uint64_t step = 0; step < STEPS; ++step) {
    const double expected = run_passes(&alone, step);
    ck_assert_double_eq_tol(run_passes(&gpt, step), expected, 1e-6);
    expect_near(&gpt, &alone, alone.gradient, gpt.gradient, 1e-7);
    ck_assert_ok(gpt_update(&alone, step, 1e-3, 0.1));
    ck_assert_ok(gpt_update(&gpt, step, 1e-3, 0.1));
  }
  ck_assert_ok(gpt_close(&gpt));
  ck_assert_ok(gpt_close(&alone));
}
END_TEST

/* Parts are joined bit for bit: a run begins with the same parameters on any number of ranks. */
START_TEST(states_are_whole_on_every_rank) {
  const parallel_t parallel = begin_loop(_i), one = parallel_alone();
  gpt_t gpt, alone;
  open_network(&gpt, &parallel);
  open_network(&alone, &one);
  for (int tensor = 0; tensor < gpt_parameter_count(&config); ++tensor) {
    ck_assert_ok(gpt_get_state(&gpt, 0, tensor));
    ck_assert_ok(gpt_get_state(&alone, 0, tensor));
    ck_assert_mem_eq(gpt.whole, alone.whole, gpt.list[tensor].whole * sizeof(float));
  }
  ck_assert_ok(gpt_close(&gpt));
  ck_assert_ok(gpt_close(&alone));
}
END_TEST

static TCase *parallel_case(void) {
  TCase *tests = suite_case("parallel", 120);
  tcase_add_unchecked_fixture(tests, open_ranks, close_ranks);
  tcase_add_loop_test(tests, all_ranks_together_drop_what_one_does, 0, SPLITS);
  tcase_add_loop_test(tests, losses_and_gradients_are_those_of_one_rank, 0, NETWORKS);
  tcase_add_loop_test(tests, states_are_whole_on_every_rank, 0, SPLITS);
  return tests;
}

SUITE_MAIN("gpt_parallel", parallel_case())
