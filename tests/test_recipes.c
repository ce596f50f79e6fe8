/*
 * test_recipes.c - the functions of examples/recipes do what their programs expect of them.
 *
 * Gradients are compared with differences of the forward functions, along each input.
 */
#include "recipes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "suite_context.h"

enum { B = 2, T = 5, C = 8, V = 11, NH = 3, N = B * T };
enum { ROWS = N * C, ATTENTION = B * NH * T * T };

static cudrop_mask_t mask;

static void open_host_and_mask(void) {
  open_host();
  mask = cudrop_mask(11, 12, 0.3);
}

/* Some values around 0, other ones for each seed. */
static void fill(float *values, int n, int seed) {
  for (int k = 0; k < n; ++k)
    values[k] = sinf((float)(k * 7 + seed * 31) * 0.9f) + 0.1f * (float)(k % 3);
}

static double weigh(const float *values, const float *weights, int n) {
  double sum = 0.0;
  for (int k = 0; k < n; ++k) sum += (double)values[k] * (double)weights[k];
  return sum;
}

/* The difference of a loss along one input, against what backward says. */
static void expect_slope(double (*loss)(void), float *input, double gradient) {
  const float before = *input, step = 1.0f / 128;
  *input = before + step;
  const double above = loss();
  *input = before - step;
  const double below = loss();
  *input = before;
  ck_assert_double_eq_tol((above - below) / (2.0 * (double)step), gradient, 4e-3);
}

/* ---- llm.c: the embedding --------------------------------------------------------- */

static float out[ROWS], dout[ROWS], wte[V * C], wpe[T * C];
static const int inp[N] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};

static double embedding_loss(void) {
  encoder_forward(out, inp, wte, wpe, B, T, C, V, host, &mask);
  return weigh(out, dout, ROWS);
}

START_TEST(the_embedding_of_llmc_drops_and_has_its_gradients) {
  float dwte[V * C], dwpe[T * C];
  fill(dout, ROWS, 1);
  fill(wte, V * C, 2);
  fill(wpe, T * C, 3);
  encoder_forward(out, inp, wte, wpe, B, T, C, V, host, &mask);
  for (int e = 0; e < ROWS; ++e) {
    const float sum = wte[inp[e / C] * C + e % C] + wpe[e / C % T * C + e % C];
    const bool kept =
        cudrop_mask_keep(11, 12, (uint64_t)e, cudrop_mask_threshold(mask.p));
    ck_assert_float_eq(out[e], kept ? sum * cudrop_mask_scale(mask.p) : 0.0f);
  }
  for (int k = 0; k < V * C; ++k) dwte[k] = 1.0f; /* gradients are added */
  for (int k = 0; k < T * C; ++k) dwpe[k] = 2.0f;
  encoder_backward(dwte, dwpe, dout, inp, B, T, C, V, host, &mask);
  for (int k = 0; k < V * C; ++k)
    expect_slope(embedding_loss, &wte[k], (double)dwte[k] - 1.0);
  for (int k = 0; k < T * C; ++k)
    expect_slope(embedding_loss, &wpe[k], (double)dwpe[k] - 2.0);
}
END_TEST

/* ---- llm.c: residuals ------------------------------------------------------------- */

static float residual[ROWS], normed[ROWS], mean[N], rstd[N];
static float inp1[ROWS], inp2[ROWS], weight[C], bias[C], dresidual[ROWS];

static double residual_loss(void) {
  fused_residual_forward5(residual, normed, mean, rstd, inp1, inp2, weight, bias, N, C,
                          host, &mask);
  return weigh(normed, dout, ROWS) + weigh(residual, dresidual, ROWS);
}

START_TEST(the_residual_of_llmc_drops_and_has_its_gradients) {
  float dinp[ROWS], drop_dinp[ROWS], dweight[C] = {0.0f}, dbias[C] = {0.0f};
  fill(inp1, ROWS, 1);
  fill(inp2, ROWS, 2);
  fill(weight, C, 3);
  fill(bias, C, 4);
  fill(dout, ROWS, 5);
  fill(dresidual, ROWS, 6);
  residual_loss();
  memcpy(dinp, dresidual, sizeof dinp);
  layernorm_backward(dinp, drop_dinp, dweight, dbias, dout, residual, weight, mean, rstd,
                     B, T, C, host, &mask);
  for (int e = 0; e < ROWS; ++e) {
    expect_slope(residual_loss, &inp1[e], (double)dinp[e]);
    expect_slope(residual_loss, &inp2[e], (double)drop_dinp[e]);
  }
  for (int c = 0; c < C; ++c) {
    expect_slope(residual_loss, &weight[c], (double)dweight[c]);
    expect_slope(residual_loss, &bias[c], (double)dbias[c]);
  }
}
END_TEST

/* ---- llm.c: attention ------------------------------------------------------------- */

static float preatt[ATTENTION], att[ATTENTION], drop_att[ATTENTION], datt[ATTENTION];

static double attention_loss(void) {
  softmax_forward(att, drop_att, 0.5f, preatt, B, NH, T, host, &mask);
  return weigh(drop_att, datt, ATTENTION);
}

START_TEST(the_softmax_of_llmc_drops_and_has_its_gradients) {
  float gradient[ATTENTION], again[ATTENTION];
  fill(preatt, ATTENTION, 1);
  fill(datt, ATTENTION, 2);
  attention_loss();
  softmax_reapply(again, att, B, NH, T, host, &mask);
  ck_assert_mem_eq(again, drop_att, sizeof again);
  memcpy(gradient, datt, sizeof gradient);
  softmax_autoregressive_backward_inplace(gradient, att, B, NH, T, 0.5f, host, &mask);
  for (int e = 0; e < ATTENTION; ++e) {
    if (e % T > e / T % T) ck_assert_float_eq(drop_att[e], 0.0f); /* above the diagonal */
    expect_slope(attention_loss, &preatt[e], (double)gradient[e]);
  }
}
END_TEST

/* ---- Darknet ---------------------------------------------------------------------- */

START_TEST(the_layer_of_darknet_drops_in_place_and_the_same_backwards) {
  enum { BATCH = 4, INPUTS = 50 };
  const dropout_layer layer = {BATCH, INPUTS, 0.5f, 3};
  float input[BATCH * INPUTS], delta[BATCH * INPUTS], next[BATCH * INPUTS];
  int kept = 0, differ = 0;
  for (int e = 0; e < BATCH * INPUTS; ++e) input[e] = delta[e] = next[e] = 1.0f;
  network net = {input, delta, 0, 7};
  forward_dropout_layer(layer, net, host); /* does not train: nothing is dropped */
  for (int e = 0; e < BATCH * INPUTS; ++e) ck_assert_float_eq(input[e], 1.0f);
  net.train = 1;
  forward_dropout_layer(layer, net, host);
  backward_dropout_layer(layer, net, host);
  ck_assert_mem_eq(input, delta, sizeof input);
  net = (network){next, NULL, 1, 8};
  forward_dropout_layer(layer, net, host);
  backward_dropout_layer(layer, net, host); /* without a delta: nothing */
  for (int e = 0; e < BATCH * INPUTS; ++e) {
    ck_assert(input[e] == 0.0f || input[e] == 2.0f);
    kept += input[e] != 0.0f;
    differ += input[e] != next[e];
  }
  ck_assert_int_gt(kept, 70); /* of 200, by chance 100 */
  ck_assert_int_lt(kept, 130);
  ck_assert_int_gt(differ, 60); /* the next batch drops others */
}
END_TEST

/* ---- ggml ------------------------------------------------------------------------- */

START_TEST(the_scaled_mask_of_ggml_multiplies_to_dropout) {
  static const int64_t ne[] = {6, 5, 4, 3}, shape[] = {3, 4, 5, 6};
  enum { COUNT = 6 * 5 * 4 * 3 };
  float x[COUNT], y[COUNT] = {0.0f}, data[COUNT] = {0.0f};
  fill(x, COUNT, 1);
  const cudrop_tensor_t from = cudrop_tensor(x, CUDROP_F32, 4, shape);
  const cudrop_tensor_t to = cudrop_tensor(y, CUDROP_F32, 4, shape);
  fill_scaled_mask(data, ne, host, &mask);
  ck_assert_ok(cudrop_forward(host, &from, &mask, &to));
  for (int e = 0; e < COUNT; ++e) ck_assert_float_eq(x[e] * data[e], y[e]);
}
END_TEST

static TCase *recipes_case(void) {
  TCase *tests = suite_case("recipes", 60);
  tcase_add_checked_fixture(tests, open_host_and_mask, close_host);
  tcase_add_test(tests, the_embedding_of_llmc_drops_and_has_its_gradients);
  tcase_add_test(tests, the_residual_of_llmc_drops_and_has_its_gradients);
  tcase_add_test(tests, the_softmax_of_llmc_drops_and_has_its_gradients);
  tcase_add_test(tests, the_layer_of_darknet_drops_in_place_and_the_same_backwards);
  tcase_add_test(tests, the_scaled_mask_of_ggml_multiplies_to_dropout);
  return tests;
}

SUITE_MAIN("recipes", recipes_case())
