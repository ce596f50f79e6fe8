/*
 * test_mlp_gradient.c - the example's gradients beside finite differences, in double and on
 * the host, whose memory a test reads and writes without a copy.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "mlp.h"
#include "suite.h"

enum { IN = 6, CLASSES = 3, BATCH = 5 };

static const int width[MLP_LAYERS + 1] = {IN, 8, 7, CLASSES};

static cudrop_context_t *context;
static mlp_t mlp;
static double images[BATCH * IN];
static uint8_t labels[BATCH];

/* What the loops go over: the rates of the sites, the images in the batch, the step. */
static const struct {
  double p[MLP_LAYERS];
  int n;
  uint64_t step;
} settings[] = {
    {{0.0, 0.0, 0.0}, BATCH, 0},  {{0.2, 0.5, 0.5}, BATCH, 0},
    {{0.2, 0.5, 0.5}, BATCH, 71}, {{0.2, 0.5, 0.5}, BATCH - 2, 3},
    {{0.5, 0.0, 0.7}, BATCH, 5},  {{0.0, 0.9, 0.1}, 1, (uint64_t)1 << 40},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static void make_network(void) {
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_ok(mlp_init(&mlp, context, width, BATCH));
  for (int i = 0; i < BATCH * IN; ++i) images[i] = sin(1.0 + i);
  for (int i = 0; i < BATCH; ++i) labels[i] = (uint8_t)(i % CLASSES);
}

static void free_network(void) {
  ck_assert_ok(mlp_free(&mlp));
  ck_assert_ok(cudrop_destroy(&context));
}

/*
 * Biases that are not 0 keep the units whose inputs are all dropped off the kink of the
 * ReLU, where there is no derivative.
 */
static void start(const double p[MLP_LAYERS]) {
  ck_assert_ok(mlp_start(&mlp, 7, p));
  for (int l = 0; l < MLP_LAYERS; ++l)
    for (int o = 0; o < width[l + 1]; ++o) mlp.layer[l].bias[o] = 0.1 * cos(10.0 * l + o);
}

/* The mean loss of n images at a step. */
static double measure_loss(int n, uint64_t step) {
  double sum = 0.0;
  memcpy(mlp.input, images, sizeof images);
  ck_assert_ok(mlp_forward(&mlp, n, step));
  ck_assert_ok(mlp_fetch(&mlp, n));
  for (int i = 0; i < n; ++i) sum += mlp_judge(&mlp, i, labels[i]).loss;
  return sum / n;
}

/*
 * The central difference (f(w + h) - f(w - h)) / 2h is off by the third derivative times
 * h^2 / 6, and by the rounding of f, a few DBL_EPSILON, over h. At h = 1e-5 both are
 * about 1e-10 where the derivatives are of order 1; the bound leaves room for ten times
 * as much. The largest gradients are 0.1 to 3, so that it is relatively about 1e-9.
 */
static const double h = 1e-5;

/* The gradients of the batch that measure_loss() has last seen, over what was there. */
static void measure_gradients(int n, uint64_t step) {
  for (size_t i = 0; i < mlp.parameters; ++i) mlp.gradient[i] = NAN;
  ck_assert_ok(mlp_backward(&mlp, labels, n, step));
}

static double differentiate(size_t i, int n, uint64_t step) {
  const double parameter = mlp.parameter[i];
  mlp.parameter[i] = parameter + h;
  const double above = measure_loss(n, step);
  mlp.parameter[i] = parameter - h;
  const double below = measure_loss(n, step);
  mlp.parameter[i] = parameter;
  return (above - below) / (2.0 * h);
}

START_TEST(every_gradient_equals_its_finite_difference) {
  const int n = settings[_i].n;
  const uint64_t step = settings[_i].step;
  const double bound = 10.0 * (h * h + DBL_EPSILON / h);
  double largest = 0.0;
  start(settings[_i].p);
  measure_loss(n, step);
  measure_gradients(n, step);
  for (size_t i = 0; i < mlp.parameters; ++i) {
    const double gradient = mlp.gradient[i];
    const double difference = differentiate(i, n, step);
    ck_assert_msg(fabs(gradient - difference) <= bound,
                  "setting %d, parameter %zu: gradient %.15g, finite difference %.15g",
                  _i, i, gradient, difference);
    largest = fmax(largest, fabs(gradient));
  }
  ck_assert_msg(largest > 0.01, "setting %d: the largest gradient is %g", _i, largest);
}
END_TEST

START_TEST(another_steps_mask_gives_another_gradient) {
  const uint64_t step = 0;
  double farthest = 0.0;
  start(settings[1].p);
  measure_loss(BATCH, step);
  measure_gradients(BATCH, step + 1);
  for (size_t i = 0; i < mlp.parameters; ++i) {
    const double difference = differentiate(i, BATCH, step);
    farthest = fmax(farthest, fabs(mlp.gradient[i] - difference));
  }
  ck_assert_msg(farthest > 0.01, "no gradient is farther off than %g", farthest);
}
END_TEST

START_TEST(inference_is_training_without_dropout) {
  double logits[BATCH * CLASSES];
  start(settings[0].p);
  measure_loss(BATCH, 0);
  memcpy(logits, mlp.logits, sizeof logits);
  ck_assert_ok(mlp_infer(&mlp, BATCH));
  ck_assert_ok(mlp_fetch(&mlp, BATCH));
  ck_assert_mem_eq(logits, mlp.logits, sizeof logits);
}
END_TEST

/*
 * After one step the running averages are the gradient and its square, up to factors that
 * the corrections remove: every parameter moves by the rate, 1e-3, against its gradient.
 */
START_TEST(the_first_step_of_adam_moves_by_the_rate) {
  double before[200];
  ck_assert_uint_le(mlp.parameters, sizeof before / sizeof before[0]);
  start(settings[1].p);
  measure_loss(BATCH, 0);
  measure_gradients(BATCH, 0);
  memcpy(before, mlp.parameter, mlp.parameters * sizeof before[0]);
  ck_assert_ok(mlp_update(&mlp, 0));
  for (size_t i = 0; i < mlp.parameters; ++i) {
    const double g = mlp.gradient[i];
    const double expected = before[i] - 1e-3 * g / (fabs(g) + 1e-8);
    ck_assert_double_eq_tol(mlp.parameter[i], expected, 1e-14);
  }
}
END_TEST

static TCase *gradient_case(void) {
  TCase *tests = suite_case("gradient", 60);
  tcase_add_checked_fixture(tests, make_network, free_network);
  tcase_add_loop_test(tests, every_gradient_equals_its_finite_difference, 0, SETTINGS);
  tcase_add_test(tests, another_steps_mask_gives_another_gradient);
  tcase_add_test(tests, the_first_step_of_adam_moves_by_the_rate);
  tcase_add_test(tests, inference_is_training_without_dropout);
  return tests;
}

SUITE_MAIN("mlp_gradient", gradient_case())
