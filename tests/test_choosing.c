/*
 * test_choosing.c - the functions of examples/choosing, which docs/choosing.md quotes: each drops
 * what the document says, by the keep bits of mask.h, and backward drops what forward dropped.
 */
#include "choosing.h"

#include <math.h>

#include "cudrop/mask.h"
#include "suite_context.h"

enum {
  B = 3,
  T = 5,
  H = 2,
  D = 16,
  C = H * D,
  ROWS = B * T,
  N = ROWS * C,
  VOCABULARY = 7
};
static const sizes_t sizes = {B, T, C, H};
static const double P = 0.3;

static bool keep(const cudrop_mask_t *mask, int64_t index) {
  return cudrop_mask_keep(mask->seed, mask->offset, (uint64_t)index,
                          cudrop_mask_threshold(mask->p));
}

static float dropped(const cudrop_mask_t *mask, int64_t index, float x) {
  return keep(mask, index) ? x * cudrop_mask_scale(mask->p) : 0.0f;
}

/* Some values around 0, other ones for each seed. */
static void fill(float *values, int64_t n, int seed) {
  for (int64_t k = 0; k < n; ++k)
    values[k] = sinf((float)(k * 7 + seed * 31) * 0.9f) + 0.1f * (float)(k % 3);
}

static void expect_near(float actual, double expected) {
  ck_assert_double_eq_tol((double)actual, expected, 2e-5);
}

/* The norm of a row of C. */
static void expect_norm(const float *y, const double *h, const float *gamma,
                        const float *beta, double epsilon) {
  double mean = 0.0, variance = 0.0;
  for (int c = 0; c < C; ++c) mean += h[c] / C;
  for (int c = 0; c < C; ++c) variance += (h[c] - mean) * (h[c] - mean) / C;
  for (int c = 0; c < C; ++c)
    expect_near(y[c], (h[c] - mean) / sqrt(variance + epsilon) * (double)gamma[c] +
                          (double)beta[c]);
}

/* ---- all networks ----------------------------------------------------------------- */

START_TEST(every_site_and_step_has_an_offset_of_its_own) {
  enum { SITES = 7, STEPS = 5 };
  uint64_t seen[SITES * STEPS];
  int n = 0;
  for (uint64_t step = 0; step < STEPS; ++step)
    for (uint64_t site = 0; site < SITES; ++site, ++n) {
      cudrop_mask_t mask;
      ck_assert_ok(find_mask(42, step, SITES, site, P, &mask));
      ck_assert_uint_eq(mask.seed, 42);
      ck_assert(mask.p == P);
      for (int k = 0; k < n; ++k) ck_assert_uint_ne(seen[k], mask.offset);
      seen[n] = mask.offset;
    }
}
END_TEST

/* ---- a GPT ------------------------------------------------------------------------ */

static const int32_t ids[ROWS] = {3, 1, 4, 1, 5, 0, 2, 6, 5, 3, 5, 0, 1, 2, 3};

START_TEST(a_gpt_drops_its_embedding) {
  static float words[VOCABULARY * C], positions[T * C], h[N];
  const cudrop_mask_t mask = cudrop_mask(42, 1, P);
  fill(words, VOCABULARY * C, 1);
  fill(positions, T * C, 2);
  ck_assert_ok(gpt_embedding(host, &mask, sizes, ids, words, VOCABULARY, positions, h));
  for (int e = 0; e < N; ++e) {
    const float sum = words[ids[e / C] * C + e % C] + positions[e / C % T * C + e % C];
    ck_assert_float_eq(h[e], dropped(&mask, e, sum));
  }
}
END_TEST

/* o of attention in double; a query t sees the keys up to t, or those below lengths[b]. */
static void expect_attention(const cudrop_mask_t *mask, const int32_t *lengths,
                             const float *q, const float *k, const float *v,
                             const float *o) {
  for (int row = 0; row < B * H * T; ++row) { /* a query of a head */
    const int seen = lengths == NULL ? row % T + 1 : lengths[row / T / H];
    const int64_t first = (int64_t)row / T * T; /* the head's first key */
    double weight[T], sum = 0.0;
    for (int key = 0; key < seen; ++key) {
      double score = 0.0;
      for (int d = 0; d < D; ++d)
        score += (double)q[row * D + d] * (double)k[(first + key) * D + d];
      sum += weight[key] = exp(score / 4.0);
    }
    for (int d = 0; d < D; ++d) {
      double expected = 0.0;
      for (int key = 0; key < seen; ++key)
        if (keep(mask, row * T + key))
          expected += weight[key] / sum / (1.0 - P) * (double)v[(first + key) * D + d];
      expect_near(o[row * D + d], expected);
    }
  }
}

START_TEST(a_gpt_and_a_bert_drop_attention_weights) {
  static float q[N], k[N], v[N], o[N], lse[B * H * T];
  static const int32_t lengths[B] = {5, 2, 3};
  const cudrop_mask_t mask = cudrop_mask(42, 2, P);
  fill(q, N, 1);
  fill(k, N, 2);
  fill(v, N, 3);
  ck_assert_ok(gpt_attention(host, &mask, sizes, q, k, v, o, lse));
  expect_attention(&mask, NULL, q, k, v, o);
  ck_assert_ok(bert_attention(host, &mask, sizes, lengths, q, k, v, o, lse));
  expect_attention(&mask, lengths, q, k, v, o);
}
END_TEST

static float x[N], bias[C], gamma_[C], beta[C], stream[N], y[N], mean[ROWS], rstd[ROWS];

static void fill_block(void) {
  fill(x, N, 1);
  fill(bias, C, 2);
  fill(gamma_, C, 3);
  fill(beta, C, 4);
  fill(stream, N, 5);
}

/* residual + drop(x + bias) of a row. */
static void add_branch(const cudrop_mask_t *mask, const float *residual, int row,
                       double *h) {
  for (int c = 0; c < C; ++c)
    h[c] =
        (double)residual[row * C + c] +
        (keep(mask, row * C + c) ? ((double)x[row * C + c] + (double)bias[c]) / (1.0 - P)
                                 : 0.0);
}

START_TEST(a_gpt_and_a_bert_drop_the_branch_of_a_shortcut) {
  static float before[N], h[N], after[N];
  double row[C];
  const cudrop_mask_t mask = cudrop_mask(42, 3, P);
  fill_block();
  memcpy(before, stream, sizeof before);
  ck_assert_ok(
      gpt_shortcut(host, &mask, sizes, x, bias, gamma_, beta, stream, y, mean, rstd));
  for (int r = 0; r < ROWS; ++r) {
    add_branch(&mask, before, r, row);
    for (int c = 0; c < C; ++c) expect_near(stream[r * C + c], row[c]);
    expect_norm(y + r * C, row, gamma_, beta, 1e-5);
  }
  ck_assert_ok(bert_shortcut(host, &mask, sizes, x, bias, before, gamma_, beta, h, after,
                             mean, rstd));
  for (int r = 0; r < ROWS; ++r) {
    add_branch(&mask, before, r, row);
    expect_norm(after + r * C, row, gamma_, beta, 1e-12);
  }
}
END_TEST

START_TEST(the_gradient_of_a_shortcut_drops_what_forward_dropped) {
  static float dy[N], dh[N], dx[N], dbias[C], dgamma[C], dbeta[C];
  const cudrop_mask_t mask = cudrop_mask(42, 3, P);
  fill_block();
  fill(dy, N, 6);
  fill(dh, N, 7);
  ck_assert_ok(
      gpt_shortcut(host, &mask, sizes, x, bias, gamma_, beta, stream, y, mean, rstd));
  ck_assert_ok(gpt_shortcut_backward(host, &mask, sizes, dy, dh, stream, mean, rstd,
                                     gamma_, dx, dbias, dgamma, dbeta));
  for (int e = 0; e < N; ++e) expect_near(dx[e], (double)dropped(&mask, e, dh[e]));
  for (int c = 0; c < C; ++c) {
    double sum = 0.0, shift = 0.0;
    for (int r = 0; r < ROWS; ++r) {
      sum += (double)dx[r * C + c];
      shift += (double)dy[r * C + c];
    }
    expect_near(dbias[c], sum);
    expect_near(dbeta[c], shift);
  }
}
END_TEST

/* ---- a BERT ----------------------------------------------------------------------- */

START_TEST(a_bert_drops_its_embedding_behind_the_norm) {
  static float words[VOCABULARY * C], positions[T * C], kinds[2 * C], sum[N], plain[N];
  static const int32_t segments[ROWS] = {0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1};
  const cudrop_mask_t mask = cudrop_mask(42, 4, P), none = cudrop_mask(42, 4, 0.0);
  fill(words, VOCABULARY * C, 1);
  fill(positions, T * C, 2);
  fill(kinds, 2 * C, 3);
  fill_block();
  ck_assert_ok(bert_embedding(host, &none, sizes, ids, words, VOCABULARY, positions,
                              segments, kinds, sum, plain, mean, rstd, gamma_, beta));
  for (int r = 0; r < ROWS; ++r) {
    double row[C];
    for (int c = 0; c < C; ++c) {
      row[c] = (double)words[ids[r] * C + c] + (double)positions[r % T * C + c] +
               (double)kinds[segments[r] * C + c];
      expect_near(sum[r * C + c], row[c]);
    }
    expect_norm(plain + r * C, row, gamma_, beta, 1e-12);
  }
  ck_assert_ok(bert_embedding(host, &mask, sizes, ids, words, VOCABULARY, positions,
                              segments, kinds, sum, y, mean, rstd, gamma_, beta));
  for (int e = 0; e < N; ++e) ck_assert_float_eq(y[e], dropped(&mask, e, plain[e]));
}
END_TEST

/* ---- a vision transformer --------------------------------------------------------- */

START_TEST(a_vision_transformer_drops_branches_of_whole_samples) {
  static float before[N];
  const cudrop_mask_t mask = cudrop_mask(42, 6, 0.5);
  fill_block();
  memcpy(before, stream, sizeof before);
  ck_assert_ok(vit_shortcut(host, &mask, sizes, x, bias, stream));
  for (int e = 0; e < N; ++e)
    expect_near(stream[e], (double)before[e] +
                               (double)dropped(&mask, e / (T * C), x[e] + bias[e % C]));
}
END_TEST

/* ---- a convolutional network ------------------------------------------------------ */

enum { IMAGES = 2, CHANNELS = 3, HEIGHT = 7, WIDTH = 6, SIDE = 3 };
enum { PIXELS = HEIGHT * WIDTH, ALL = IMAGES * CHANNELS * PIXELS };
static const images_t images = {IMAGES, CHANNELS, HEIGHT, WIDTH};
static float image[ALL], pixels[ALL];

START_TEST(a_convolutional_network_drops_whole_channels) {
  const cudrop_mask_t mask = cudrop_mask(42, 7, 0.5);
  fill(image, ALL, 1);
  memcpy(pixels, image, sizeof pixels);
  ck_assert_ok(cnn_dropout2d(host, &mask, images, pixels));
  for (int e = 0; e < ALL; ++e)
    ck_assert_float_eq(pixels[e], dropped(&mask, e / PIXELS, image[e]));
}
END_TEST

/* How many seeds' squares hold an element, and how many of these are dropped. */
static int count_seeds(const cudrop_mask_t *seeds, int e, int *fallen) {
  const int places = HEIGHT - SIDE + 1, width = WIDTH - SIDE + 1;
  const int row = e % PIXELS / WIDTH, col = e % WIDTH;
  int held = 0;
  *fallen = 0;
  for (int r = 0; r < places; ++r)
    for (int c = 0; c < width; ++c)
      if (r <= row && row < r + SIDE && c <= col && col < c + SIDE) {
        ++held;
        *fallen += !keep(seeds, ((int64_t)e / PIXELS * places + r) * width + c);
      }
  return held;
}

START_TEST(drop_block_drops_the_squares_of_its_seeds) {
  const double rate = cnn_seed_rate(images, SIDE, 0.3);
  int some = 0;
  for (uint64_t offset = 0; offset < 20; ++offset) {
    const cudrop_mask_t seeds = cudrop_mask(42, offset, rate);
    fill(image, ALL, 1);
    memcpy(pixels, image, sizeof pixels);
    ck_assert_ok(cnn_drop_block(host, &seeds, images, SIDE, pixels));
    for (int e = 0; e < ALL; ++e) {
      int fallen;
      const int held = count_seeds(&seeds, e, &fallen);
      some += fallen > 0;
      if (fallen > 0) ck_assert_float_eq(pixels[e], 0.0f);
      if (fallen == 0) expect_near(pixels[e], (double)image[e] * pow(1.0 - rate, -held));
    }
  }
  ck_assert_int_gt(some, 20 * ALL / 5); /* some squares overlap: fewer than 0.3 */
  ck_assert_int_lt(some, 20 * ALL * 2 / 5);
}
END_TEST

START_TEST(drop_block_by_share_has_the_factor_of_its_authors) {
  static float ones[ALL];
  static uint8_t bytes[ALL];
  const cudrop_mask_t seeds = cudrop_mask(42, 3, cnn_seed_rate(images, SIDE, 0.3));
  int kept = 0;
  fill(image, ALL, 1);
  memcpy(pixels, image, sizeof pixels);
  ck_assert_ok(cnn_drop_block_by_share(host, &seeds, images, SIDE, ones, bytes, pixels));
  for (int e = 0; e < ALL; ++e) {
    int fallen;
    count_seeds(&seeds, e, &fallen);
    ck_assert_int_eq(bytes[e], fallen == 0);
    kept += fallen == 0;
  }
  ck_assert_int_gt(kept, 0);
  for (int e = 0; e < ALL; ++e)
    expect_near(pixels[e], bytes[e] ? (double)image[e] * ALL / kept : 0.0);
}
END_TEST

/* ---- a recurrent network, and samples --------------------------------------------- */

START_TEST(a_recurrent_network_drops_a_feature_at_all_times) {
  const cudrop_mask_t mask = cudrop_mask(42, 8, P);
  fill(x, N, 1);
  memcpy(y, x, sizeof y);
  ck_assert_ok(rnn_locked(host, &mask, B, T, C, y));
  for (int e = 0; e < N; ++e)
    ck_assert_float_eq(y[e], dropped(&mask, e / (T * C) * C + e % C, x[e]));
}
END_TEST

START_TEST(a_recurrent_network_drops_weights) {
  const cudrop_mask_t mask = cudrop_mask(42, 9, P);
  fill(x, N, 1);
  ck_assert_ok(rnn_weights(host, &mask, ROWS, C, x, y));
  for (int e = 0; e < N; ++e) ck_assert_float_eq(y[e], dropped(&mask, e, x[e]));
}
END_TEST

START_TEST(samples_of_one_input_drop_differently) {
  enum { SAMPLES = 9 };
  static float drawn[SAMPLES * N];
  const cudrop_mask_t mask = cudrop_mask(42, 10, P);
  fill(x, N, 1);
  ck_assert_ok(draw_samples(host, &mask, SAMPLES, ROWS, C, x, drawn));
  for (int e = 0; e < SAMPLES * N; ++e)
    ck_assert_float_eq(drawn[e], dropped(&mask, e, x[e % N]));
}
END_TEST

/* ---- Gaussian dropout ------------------------------------------------------------- */

START_TEST(gaussian_dropout_multiplies_by_normal_numbers) {
  enum { MANY = 1 << 20 };
  float *ones = malloc(2 * MANY * sizeof *ones), *noise = ones + MANY;
  const cudrop_mask_t mask = cudrop_mask(42, 11, 0.2);
  double power[5] = {0.0};
  ck_assert_ptr_nonnull(ones);
  for (int e = 0; e < MANY; ++e) ones[e] = 1.0f;
  gaussian_dropout(&mask, MANY, ones, noise);
  for (int e = 0; e < MANY; ++e) {
    const double z = ((double)noise[e] - 1.0) / sqrt(0.2 / 0.8);
    for (int k = 1; k <= 4; ++k) power[k] += pow(z, k) / MANY;
  }
  /* Five standard deviations of each moment of as many normal numbers. */
  const double unit = 5.0 / sqrt((double)MANY);
  ck_assert_double_eq_tol(power[1], 0.0, unit);
  ck_assert_double_eq_tol(power[2], 1.0, unit * sqrt(2.0));
  ck_assert_double_eq_tol(power[3], 0.0, unit * sqrt(15.0));
  ck_assert_double_eq_tol(power[4], 3.0, unit * sqrt(96.0));

  for (int e = 0; e < MANY; ++e) ones[e] = 2.0f; /* backward: the same factors */
  gaussian_dropout(&mask, MANY, ones, ones);
  for (int e = 0; e < MANY; ++e) expect_near(ones[e], 2.0 * (double)noise[e]);
  free(ones);
}
END_TEST

static TCase *choosing_case(void) {
  TCase *tests = suite_case("choosing", 60);
  tcase_add_checked_fixture(tests, open_host, close_host);
  tcase_add_test(tests, every_site_and_step_has_an_offset_of_its_own);
  tcase_add_test(tests, a_gpt_drops_its_embedding);
  tcase_add_test(tests, a_gpt_and_a_bert_drop_attention_weights);
  tcase_add_test(tests, a_gpt_and_a_bert_drop_the_branch_of_a_shortcut);
  tcase_add_test(tests, the_gradient_of_a_shortcut_drops_what_forward_dropped);
  tcase_add_test(tests, a_bert_drops_its_embedding_behind_the_norm);
  tcase_add_test(tests, a_vision_transformer_drops_branches_of_whole_samples);
  tcase_add_test(tests, a_convolutional_network_drops_whole_channels);
  tcase_add_test(tests, drop_block_drops_the_squares_of_its_seeds);
  tcase_add_test(tests, drop_block_by_share_has_the_factor_of_its_authors);
  tcase_add_test(tests, a_recurrent_network_drops_a_feature_at_all_times);
  tcase_add_test(tests, a_recurrent_network_drops_weights);
  tcase_add_test(tests, samples_of_one_input_drop_differently);
  tcase_add_test(tests, gaussian_dropout_multiplies_by_normal_numbers);
  return tests;
}

SUITE_MAIN("choosing", choosing_case())
