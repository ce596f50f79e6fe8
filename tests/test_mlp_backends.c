/*
 * test_mlp_backends.c - the example's network trained twice, on the host and on the suite's
 * backend: a GPU with its cuBLAS, or the emulator of tests/simt with one of loops.
 */
#include <math.h>
#include <string.h>

#include "mlp.h"
#include "suite.h"

enum { IN = 40, CLASSES = 5, BATCH = 12, STEPS = 8, MOST = 8192 };

static const int width[MLP_LAYERS + 1] = {IN, 70, 33, CLASSES};
static const double rates[MLP_LAYERS] = {0.2, 0.5, 0.5};

typedef struct {
  cudrop_context_t *context;
  mlp_t mlp;
} side_t;

static side_t host, other;

static void open_side(side_t *side, cudrop_backend_t backend) {
  ck_assert_ok(cudrop_create(&side->context, backend, 0));
  ck_assert_ok(mlp_init(&side->mlp, side->context, width, BATCH));
  ck_assert_uint_le(side->mlp.parameters, MOST);
}

static void close_side(side_t *side) {
  ck_assert_ok(mlp_free(&side->mlp));
  ck_assert_ok(cudrop_destroy(&side->context));
}

static void open_sides(void) {
  open_side(&host, CUDROP_HOST);
  open_side(&other, suite_backend());
}

static void close_sides(void) {
  close_side(&host);
  close_side(&other);
}

#define ck_assert_mlp(side, call) \
  ck_assert_msg((call) == CUDROP_OK, "%s: %s", #call, mlp_error(&(side)->mlp))

static const float *fetch(const side_t *side, const float *there, size_t n, float *here) {
  ck_assert_ok(cudrop_download(side->context, here, there, n * sizeof *here));
  return here;
}

/* The last batch of an epoch is shorter. */
static int count_images(uint64_t step) {
  return step % 4 == 3 ? BATCH - 5 : BATCH;
}

/* No input is 0, so that the zeros behind the first dropout are what it dropped. */
static void run_passes(side_t *side, uint64_t step) {
  uint8_t labels[BATCH];
  const int n = count_images(step);
  for (int i = 0; i < n; ++i) {
    labels[i] = (uint8_t)((uint64_t)(3 * i) + step) % CLASSES;
    for (int k = 0; k < IN; ++k)
      side->mlp.input[i * IN + k] = 1.1f + sinf((float)(labels[i] + 1) * (float)(k + i));
  }
  ck_assert_mlp(side, mlp_forward(&side->mlp, n, step));
  ck_assert_mlp(side, mlp_backward(&side->mlp, labels, n, step));
}

static void start(side_t *side, uint64_t seed) {
  ck_assert_mlp(side, mlp_start(&side->mlp, seed, rates));
}

/* ---- The same elements are dropped --------------------------------------------------- */

/* Which elements site l keeps at a step, asked of the library in another way. */
static void export_keep(int l, uint64_t step, int n, uint8_t *keep) {
  uint64_t offset = 0;
  ck_assert_ok(cudrop_offset(step, 1, 0, MLP_LAYERS, (uint64_t)l, &offset));
  const cudrop_mask_t mask = cudrop_mask(host.mlp.mask_seed, offset, rates[l]);
  const cudrop_tensor_t bytes = cudrop_matrix(keep, CUDROP_U8, n, width[l]);
  ck_assert_ok(cudrop_export_bytes(host.context, &mask, &bytes));
}

static void expect_equal_zeros(int l, uint64_t step) {
  static float a[MOST], b[MOST];
  static uint8_t keep[MOST];
  const int n = count_images(step);
  const size_t units = mlp_units(&host.mlp, l, n);
  fetch(&host, host.mlp.activation[l], units, a);
  fetch(&other, other.mlp.activation[l], units, b);
  export_keep(l, step, n, keep);
  for (size_t i = 0; i < units; ++i) {
    ck_assert_msg((a[i] == 0) == (b[i] == 0), "step %d, site %d, element %zu: %g and %g",
                  (int)step, l, i, (double)a[i], (double)b[i]);
    if (!keep[i]) ck_assert_float_eq(b[i], 0);
    if (l == 0) ck_assert_int_eq(b[i] != 0, keep[i]);
  }
}

START_TEST(both_drop_the_same_elements) {
  start(&host, 7);
  start(&other, 7);
  for (uint64_t step = 0; step < STEPS; ++step) {
    run_passes(&host, step);
    run_passes(&other, step);
    for (int l = 0; l < MLP_LAYERS; ++l) expect_equal_zeros(l, step);
    ck_assert_mlp(&host, mlp_update(&host.mlp, step));
    ck_assert_mlp(&other, mlp_update(&other.mlp, step));
  }
}
END_TEST

/* ---- The same is learnt -------------------------------------------------------------- */

static void expect_near(const char *what, uint64_t step, const float *a, const float *b,
                        size_t n, double bound) {
  for (size_t i = 0; i < n; ++i)
    ck_assert_msg(fabs((double)a[i] - b[i]) <= bound,
                  "step %d, %s %zu: %.9g on the host, %.9g", (int)step, what, i,
                  (double)a[i], (double)b[i]);
}

/*
 * Products that are summed in another order differ by a few roundings: with the emulator
 * logits up to 7 by 2e-6, gradients up to 2 by 7e-7, and the parameters, each of which moves
 * by about 1e-3 in a step, by 3e-8.
 */
START_TEST(both_learn_the_same) {
  static float a[MOST], b[MOST];
  const size_t parameters = host.mlp.parameters;
  start(&host, 8);
  start(&other, 8);
  for (uint64_t step = 0; step < STEPS; ++step) {
    const int n = count_images(step);
    run_passes(&host, step);
    run_passes(&other, step);
    ck_assert_mlp(&host, mlp_fetch(&host.mlp, n));
    ck_assert_mlp(&other, mlp_fetch(&other.mlp, n));
    expect_near("logit", step, host.mlp.logits, other.mlp.logits,
                mlp_units(&host.mlp, MLP_LAYERS, n), 1e-4);
    expect_near("gradient", step, fetch(&host, host.mlp.gradient, parameters, a),
                fetch(&other, other.mlp.gradient, parameters, b), parameters, 1e-5);
    ck_assert_mlp(&host, mlp_update(&host.mlp, step));
    ck_assert_mlp(&other, mlp_update(&other.mlp, step));
    expect_near("parameter", step, fetch(&host, host.mlp.parameter, parameters, a),
                fetch(&other, other.mlp.parameter, parameters, b), parameters, 1e-5);
  }
}
END_TEST

START_TEST(a_second_run_repeats_the_first) {
  static float first[MOST], second[MOST];
  const size_t parameters = other.mlp.parameters;
  for (int run = 0; run < 2; ++run) {
    start(&other, 9);
    for (uint64_t step = 0; step < STEPS; ++step) {
      run_passes(&other, step);
      ck_assert_mlp(&other, mlp_update(&other.mlp, step));
    }
    fetch(&other, other.mlp.parameter, parameters, run == 0 ? first : second);
  }
  ck_assert_mem_eq(first, second, parameters * sizeof *first);
}
END_TEST

static void expect_equal_judgements(void) {
  ck_assert_mlp(&host, mlp_fetch(&host.mlp, BATCH));
  ck_assert_mlp(&other, mlp_fetch(&other.mlp, BATCH));
  for (int i = 0; i < BATCH; ++i) {
    const mlp_judgement_t want = mlp_judge(&host.mlp, i, 1);
    const mlp_judgement_t got = mlp_judge(&other.mlp, i, 1);
    ck_assert_double_eq_tol(got.loss, want.loss, 1e-5);
    ck_assert_double_eq_tol(got.confidence, want.confidence, 1e-5);
    ck_assert_int_eq(got.is_correct, want.is_correct);
  }
}

/* Without dropout, and with that of a few samples, of images in the middle of a set. */
START_TEST(inference_on_both_judges_alike) {
  start(&host, 10);
  start(&other, 10);
  run_passes(&host, 0);
  memcpy(other.mlp.input, host.mlp.input, BATCH * IN * sizeof(float));
  ck_assert_mlp(&host, mlp_infer(&host.mlp, BATCH));
  ck_assert_mlp(&other, mlp_infer(&other.mlp, BATCH));
  expect_equal_judgements();
  for (uint64_t sample = 0; sample < 3; ++sample) {
    ck_assert_mlp(&host, mlp_sample(&host.mlp, 1001, BATCH, sample));
    ck_assert_mlp(&other, mlp_sample(&other.mlp, 1001, BATCH, sample));
    expect_equal_judgements();
  }
}
END_TEST

static TCase *backends_case(void) {
  TCase *tests = suite_case("backends", 300);
  tcase_add_checked_fixture(tests, open_sides, close_sides);
  tcase_add_test(tests, both_drop_the_same_elements);
  tcase_add_test(tests, both_learn_the_same);
  tcase_add_test(tests, a_second_run_repeats_the_first);
  tcase_add_test(tests, inference_on_both_judges_alike);
  return tests;
}

SUITE_MAIN("mlp_backends", backends_case())
