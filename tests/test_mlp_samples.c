/*
 * test_mlp_samples.c - the example's Monte-Carlo samples: what they drop, and what their
 * probabilities are; in double and on the host, whose memory a test reads without a copy.
 */
#include <math.h>
#include <string.h>

#include "mlp.h"
#include "suite.h"

enum { IN = 96, HIDDEN = 8, CLASSES = 3, IMAGES = 7, DRAWS = 16 };

static const int width[MLP_LAYERS + 1] = {IN, HIDDEN, HIDDEN, CLASSES};
static const double rates[MLP_LAYERS] = {0.2, 0.5, 0.5};
static const double no_rates[MLP_LAYERS] = {0.0, 0.0, 0.0};

static cudrop_context_t *context;
static mlp_t mlp;

static void make_network(void) {
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_ok(mlp_init(&mlp, context, width, IMAGES));
}

static void free_network(void) {
  ck_assert_ok(mlp_free(&mlp));
  ck_assert_ok(cudrop_destroy(&context));
}

/* Images `first` and on of a set, in which no pixel is 0: a zero behind site 0 is dropped. */
static void show_images(int first, int n) {
  for (int i = 0; i < n * IN; ++i) mlp.input[i] = 1.5 + sin(first * IN + i);
}

static void run_sample(int first, int n, uint64_t sample) {
  show_images(first, n);
  ck_assert_ok(mlp_sample(&mlp, first, n, sample));
  ck_assert_ok(mlp_fetch(&mlp, n));
}

static void write_kept(int n, uint8_t *kept) {
  for (int i = 0; i < n * IN; ++i) kept[i] = mlp.activation[0][i] != 0.0;
}

/* ---- What is dropped -------------------------------------------------------------- */

/* The first draws of both: none of the masks of training is one of a sample, or another's. */
START_TEST(samples_and_steps_drop_differently) {
  static uint8_t kept[2 * DRAWS][IMAGES * IN];
  ck_assert_ok(mlp_start(&mlp, 7, rates));
  for (uint64_t draw = 0; draw < DRAWS; ++draw) {
    show_images(0, IMAGES);
    ck_assert_ok(mlp_forward(&mlp, IMAGES, draw));
    write_kept(IMAGES, kept[2 * draw]);
    run_sample(0, IMAGES, draw);
    write_kept(IMAGES, kept[2 * draw + 1]);
  }
  for (int a = 0; a < 2 * DRAWS; ++a)
    for (int b = 0; b < a; ++b)
      ck_assert_msg(memcmp(kept[a], kept[b], sizeof kept[a]) != 0,
                    "draws %d and %d drop the same", a, b);
}
END_TEST

START_TEST(a_samples_masks_are_those_of_its_stream) {
  uint8_t kept[IMAGES * IN] = {0}, want[IMAGES * IN] = {0};
  const uint64_t sample = 5;
  uint64_t offset = 0;
  ck_assert_ok(mlp_start(&mlp, 7, rates));
  run_sample(0, IMAGES, sample);
  write_kept(IMAGES, kept);
  ck_assert_ok(cudrop_offset(sample, 1, 0, MLP_LAYERS, 0, &offset));
  const cudrop_mask_t mask =
      cudrop_mask(cudrop_child_seed(7, MLP_STREAM_SAMPLES), offset, rates[0]);
  const cudrop_tensor_t bytes = cudrop_matrix(want, CUDROP_U8, IMAGES, IN);
  ck_assert_ok(cudrop_export_bytes(context, &mask, &bytes));
  ck_assert_mem_eq(kept, want, sizeof want);
}
END_TEST

/* The products may be summed in another order when there are other rows. */
static void expect_rows(int first, const double *activations, const double *logits,
                        int n) {
  for (int l = 0; l < MLP_LAYERS; ++l) {
    const size_t begin = mlp_units(&mlp, l, first);
    const double *whole = activations + begin;
    for (size_t i = 0; i < mlp_units(&mlp, l, n); ++i)
      ck_assert_msg((whole[i] == 0.0) == (mlp.activation[l][i] == 0.0),
                    "images from %d, site %d, element %zu", first, l, i);
    activations += mlp_units(&mlp, l, IMAGES);
  }
  for (int i = 0; i < n * CLASSES; ++i)
    ck_assert_double_eq_tol(mlp.logits[i], logits[first * CLASSES + i], 1e-12);
}

START_TEST(an_images_sample_does_not_depend_on_the_batch) {
  double activations[IMAGES * (IN + 2 * HIDDEN)], logits[IMAGES * CLASSES];
  double *end = activations;
  ck_assert_ok(mlp_start(&mlp, 8, rates));
  run_sample(0, IMAGES, 3);
  memcpy(logits, mlp.logits, sizeof logits);
  for (int l = 0; l < MLP_LAYERS; ++l) {
    memcpy(end, mlp.activation[l], mlp_units(&mlp, l, IMAGES) * sizeof *end);
    end += mlp_units(&mlp, l, IMAGES);
  }
  for (int first = 0; first < IMAGES; first += 2) {
    const int n = first + 2 <= IMAGES ? 2 : IMAGES - first;
    run_sample(first, n, 3);
    expect_rows(first, activations, logits, n);
  }
}
END_TEST

/* ---- What the probabilities are --------------------------------------------------- */

START_TEST(samples_without_dropout_are_inference) {
  double logits[IMAGES * CLASSES];
  ck_assert_ok(mlp_start(&mlp, 9, no_rates));
  run_sample(0, IMAGES, 1);
  memcpy(logits, mlp.logits, sizeof logits);
  ck_assert_ok(mlp_infer(&mlp, IMAGES));
  ck_assert_ok(mlp_fetch(&mlp, IMAGES));
  ck_assert_mem_eq(logits, mlp.logits, sizeof logits);
}
END_TEST

START_TEST(probabilities_are_added_up) {
  double sum[IMAGES][CLASSES] = {{0.0}};
  double want[IMAGES][CLASSES] = {{0.0}};
  ck_assert_ok(mlp_start(&mlp, 10, rates));
  for (uint64_t sample = 0; sample < DRAWS; ++sample) {
    run_sample(0, IMAGES, sample);
    for (int i = 0; i < IMAGES; ++i) {
      mlp_add_softmax(&mlp, i, sum[i]);
      for (int c = 0; c < CLASSES; ++c)
        want[i][c] += exp(-mlp_judge(&mlp, i, (uint8_t)c).loss);
    }
  }
  for (int i = 0; i < IMAGES; ++i) {
    double all = 0.0;
    for (int c = 0; c < CLASSES; ++c) {
      ck_assert_double_eq_tol(sum[i][c], want[i][c], 1e-12);
      all += sum[i][c];
    }
    ck_assert_double_eq_tol(all, DRAWS, 1e-12);
  }
}
END_TEST

static TCase *samples_case(void) {
  TCase *tests = suite_case("samples", 60);
  tcase_add_checked_fixture(tests, make_network, free_network);
  tcase_add_test(tests, samples_and_steps_drop_differently);
  tcase_add_test(tests, a_samples_masks_are_those_of_its_stream);
  tcase_add_test(tests, an_images_sample_does_not_depend_on_the_batch);
  tcase_add_test(tests, samples_without_dropout_are_inference);
  tcase_add_test(tests, probabilities_are_added_up);
  return tests;
}

SUITE_MAIN("mlp_samples", samples_case())
