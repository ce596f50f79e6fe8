/*
 * test_gpt_gradient.c - the gradients of the whole of examples/gpt, in float, beside finite
 * differences of gpt_reference.c, in double, with the masks that the library writes out.
 */
#include <float.h>
#include <math.h>

#include "gpt.h"
#include "gpt_reference.h"
#include "suite.h"

enum {
  LAYERS = 2,
  SITES = 1 + 3 * LAYERS,
  BATCH = 2,
  LENGTH = 6,
  HEAD_WIDTH = 8,
  MOST = 8000,
  MASKED = 512
};

static cudrop_context_t *context;
static gpt_t gpt;
static uint8_t keep[SITES][MASKED];
static double parameter[MOST];
static float gradient[MOST];

/* What the loops go over. */
static const struct {
  double p[GPT_RATES];
  bool has_qkv_bias;
  int heads;
  gpt_attention_way_t attention;
  gpt_way_t way;
  uint64_t step;
} settings[] = {
    {{0.0, 0.0, 0.0}, false, 1, GPT_ATTENTION_FUSED, GPT_FUSED, 0},
    {{0.1, 0.1, 0.1}, false, 1, GPT_ATTENTION_FUSED, GPT_FUSED, 3},
    {{0.5, 0.3, 0.2}, true, 2, GPT_ATTENTION_FUSED, GPT_FUSED, 7},
    {{0.2, 0.0, 0.0}, false, 1, GPT_ATTENTION_FUSED, GPT_FUSED, 1},
    {{0.0, 0.4, 0.0}, true, 1, GPT_ATTENTION_FUSED, GPT_FUSED, 2},
    {{0.0, 0.4, 0.0}, true, 1, GPT_ATTENTION_SEPARATE, GPT_FUSED, 2},
    {{0.0, 0.0, 0.4}, true, 1, GPT_ATTENTION_FUSED, GPT_FUSED, 4},
    {{0.5, 0.3, 0.2}, true, 2, GPT_ATTENTION_SEPARATE, GPT_FUSED, 7},
    {{0.5, 0.3, 0.2}, true, 2, GPT_ATTENTION_SEPARATE, GPT_SEPARATE, 7},
    {{0.5, 0.3, 0.2}, true, 2, GPT_ATTENTION_SEPARATE, GPT_BYTES, 7},
    {{0.5, 0.3, 0.2}, true, 2, GPT_ATTENTION_SEPARATE, GPT_BITS, 7},
};
/* The settings [ALONE, ALONE_END) have one rate alone; those behind WAYS have the bits of WAYS. */
enum { ALONE = 3, ALONE_END = 7, WAYS = 7 };

/* ---- The network -------------------------------------------------------------------- */

static gpt_config_t configure(int setting) {
  return (gpt_config_t){
      .vocabulary = 11,
      .length = LENGTH,
      .width = HEAD_WIDTH * settings[setting].heads,
      .heads = settings[setting].heads,
      .layers = LAYERS,
      .has_qkv_bias = settings[setting].has_qkv_bias,
      .p = {settings[setting].p[0], settings[setting].p[1], settings[setting].p[2]},
      .batch = BATCH,
      .dtype = CUDROP_F32,
      .way = settings[setting].way,
      .attention = settings[setting].attention,
  };
}

/* Parameters that are larger than those of a start, so that every gradient counts. */
static void put_parameters(void) {
  for (size_t i = 0; i < gpt.parameters; ++i) {
    const float value = (float)(0.4 * sin(1.7 * (double)i + 0.3));
    parameter[i] = (double)value;
    gpt.parameter[i] = value;
  }
}

static void open_network(int setting) {
  const gpt_config_t config = configure(setting);
  const parallel_t alone = parallel_alone();
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_ok(gpt_open(&gpt, context, &config, &alone));
  ck_assert_uint_le(gpt.parameters, MOST);
  gpt_continue(&gpt, 42);
  put_parameters();
  for (int i = 0; i < BATCH * LENGTH; ++i) {
    gpt.ids[i] = (3 * i + i / 4) % 11;
    gpt.targets[i] = (5 * i + 2) % 11;
  }
}

static void close_network(void) {
  ck_assert_ok(gpt_close(&gpt));
  ck_assert_ok(cudrop_destroy(&context));
}

/* ---- The reference ------------------------------------------------------------------ */

/* The whole's shape and offset are those of the header's formula, not of config.c. */
static void export_keep(int setting, uint64_t step, int site) {
  const int rate = site == 0 ? 0 : (site - 1) % 3 == 0 ? 1 : 2;
  const int heads = settings[setting].heads;
  const int64_t rows[] = {BATCH, LENGTH, HEAD_WIDTH * heads};
  const int64_t scores[] = {BATCH, heads, LENGTH, LENGTH};
  const cudrop_mask_t mask =
      cudrop_mask(cudrop_child_seed(42, GPT_STREAM_MASKS), step * SITES + (uint64_t)site,
                  settings[setting].p[rate]);
  const cudrop_tensor_t bytes = rate == 1
                                    ? cudrop_tensor(keep[site], CUDROP_U8, 4, scores)
                                    : cudrop_tensor(keep[site], CUDROP_U8, 3, rows);
  ck_assert_ok(cudrop_export_bytes(context, &mask, &bytes));
}

static double measure_reference(int setting) {
  const uint8_t *sites[SITES];
  for (int site = 0; site < SITES; ++site) sites[site] = keep[site];
  const gpt_reference_t reference = {
      .vocabulary = 11,
      .length = LENGTH,
      .width = HEAD_WIDTH * settings[setting].heads,
      .heads = settings[setting].heads,
      .layers = LAYERS,
      .batch = BATCH,
      .has_qkv_bias = settings[setting].has_qkv_bias,
      .p = {settings[setting].p[0], settings[setting].p[1], settings[setting].p[2]},
      .ids = gpt.ids,
      .targets = gpt.targets,
      .keep = sites,
  };
  return gpt_reference_loss(&reference, parameter);
}

static double differentiate(int setting, size_t i) {
  const double h = 1e-5, value = parameter[i];
  parameter[i] = value + h;
  const double above = measure_reference(setting);
  parameter[i] = value - h;
  const double below = measure_reference(setting);
  parameter[i] = value;
  return (above - below) / (2.0 * h);
}

static double measure_loss(void) {
  double sum = 0.0;
  for (int i = 0; i < BATCH * LENGTH; ++i) sum += (double)gpt.loss[i];
  return sum / (BATCH * LENGTH);
}

static void run_passes(uint64_t forward_step, uint64_t backward_step) {
  for (size_t i = 0; i < gpt.parameters; ++i) gpt.gradient[i] = NAN;
  ck_assert_ok(gpt_forward(&gpt, forward_step));
  gpt.step = backward_step;
  ck_assert_ok(gpt_backward(&gpt));
  memcpy(gradient, gpt.gradient, gpt.parameters * sizeof *gradient);
}

/*
 * What finite differences in double leave out is below 1e-9. A gradient in float is a sum of
 * products along the network, each rounded to 2^-24 of itself: the bound is 128 such roundings of
 * the largest gradient, as if so many went one way. Seen are differences of 49.
 */
static const double bound = 128 * 0x1p-24;

static double find_farthest(int setting, double *largest) {
  double farthest = 0.0;
  for (int site = 0; site < SITES; ++site)
    export_keep(setting, settings[setting].step, site);
  for (size_t i = 0; i < gpt.parameters; ++i) {
    const double difference = differentiate(setting, i);
    const double off = fabs((double)gradient[i] - difference);
    if (!(off <= farthest)) farthest = off; /* a NaN, too */
    *largest = fmax(*largest, fabs(difference));
  }
  return farthest;
}

START_TEST(every_gradient_equals_its_finite_difference) {
  double largest = 0.0;
  open_network(_i);
  run_passes(settings[_i].step, settings[_i].step);
  const double farthest = find_farthest(_i, &largest);
  ck_assert_double_eq_tol(measure_loss(), measure_reference(_i), 1e-6);
  ck_assert_msg(farthest <= bound * largest, "setting %d: off by %g of %g", _i, farthest,
                largest);
  ck_assert_msg(largest > 0.05, "setting %d: the largest gradient is %g", _i, largest);
  close_network();
}
END_TEST

/* At each of the three rates alone, a backward pass that drops other elements is noticed. */
START_TEST(another_mask_in_backward_gives_another_gradient) {
  double largest = 0.0;
  const int setting = ALONE + _i;
  open_network(setting);
  run_passes(settings[setting].step, settings[setting].step + 1);
  const double farthest = find_farthest(setting, &largest);
  ck_assert_msg(farthest > 100.0 * bound * largest, "setting %d: off by %g of %g alone",
                setting, farthest, largest);
  close_network();
}
END_TEST

/* ---- The ways to drop ------------------------------------------------------------------ */

static void fetch_gradients(int setting, float *loss, float *all) {
  open_network(setting);
  run_passes(7, 7);
  memcpy(loss, gpt.loss, BATCH * LENGTH * sizeof *loss);
  memcpy(all, gradient, gpt.parameters * sizeof *all);
  close_network();
}

START_TEST(every_way_to_drop_gives_the_same_bits) {
  static float loss[2][BATCH * LENGTH], all[2][MOST];
  fetch_gradients(WAYS, loss[0], all[0]);
  fetch_gradients(WAYS + 1 + _i, loss[1], all[1]);
  ck_assert_mem_eq(loss[0], loss[1], sizeof loss[0]);
  ck_assert_mem_eq(all[0], all[1], sizeof all[0]);
}
END_TEST

START_TEST(inference_is_training_without_dropout) {
  float loss[BATCH * LENGTH];
  open_network(0);
  run_passes(5, 5);
  memcpy(loss, gpt.loss, sizeof loss);
  close_network();
  open_network(2 * _i); /* rates do not count */
  ck_assert_ok(gpt_infer(&gpt));
  if (_i == 0) ck_assert_mem_eq(loss, gpt.loss, sizeof loss);
  const float first = gpt.loss[0];
  ck_assert_ok(gpt_forward(&gpt, 0));
  ck_assert_int_eq(first == gpt.loss[0], _i == 0);
  close_network();
}
END_TEST

/*
 * After one step the averages are the gradient and its square, up to factors that the
 * corrections remove: a parameter decays, and moves by the rate against its gradient.
 */
START_TEST(the_first_step_of_adamw_decays_and_moves_by_the_rate) {
  open_network(1);
  run_passes(0, 0);
  memset(gpt.mean, 0, gpt.parameters * sizeof *gpt.mean);
  memset(gpt.square, 0, gpt.parameters * sizeof *gpt.square);
  ck_assert_ok(gpt_update(&gpt, 0, 1e-2, 0.1));
  for (size_t i = 0; i < gpt.parameters; ++i) {
    const double g = (double)gradient[i];
    const double expected = parameter[i] * (1.0 - 1e-3) - 1e-2 * g / (fabs(g) + 1e-8);
    ck_assert_double_eq_tol((double)gpt.parameter[i], expected, 2e-7);
  }
  close_network();
}
END_TEST

static TCase *gradient_case(void) {
  TCase *tests = suite_case("gradient", 120);
  tcase_add_loop_test(tests, every_gradient_equals_its_finite_difference, 0, WAYS + 1);
  tcase_add_loop_test(tests, another_mask_in_backward_gives_another_gradient, 0,
                      ALONE_END - ALONE);
  tcase_add_loop_test(tests, every_way_to_drop_gives_the_same_bits, 0, 3);
  tcase_add_loop_test(tests, inference_is_training_without_dropout, 0, 2);
  tcase_add_test(tests, the_first_step_of_adamw_decays_and_moves_by_the_rate);
  return tests;
}

SUITE_MAIN("gpt_gradient", gradient_case())
