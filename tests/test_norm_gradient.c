/* test_norm_gradient.c - the gradients of a norm are differences of a loss in double. */
#include <math.h>

#include "oracle.h"
#include "suite_context.h"

enum { ROWS = 5, COLS = 24, N = ROWS * COLS };

/* All that the loss depends on, as parameters of one kind. */
typedef struct {
  double x[N], residual[N], bias[COLS], gamma[COLS], beta[COLS];
} parameters_t;
enum { PARAMETERS = sizeof(parameters_t) / sizeof(double) };

static double weigh(int e, double phase) {
  return sin(1.7 * e + phase);
}

/* The sum of y and h, each element with a weight of its own. */
static double find_loss(cudrop_norm_kind_t kind, const parameters_t *q) {
  double loss = 0.0, h[COLS];
  for (int row = 0; row < ROWS; ++row) {
    double mean = 0.0, variance = 0.0;
    for (int c = 0; c < COLS; ++c) {
      const int e = row * COLS + c;
      const bool kept = oracle_keep(8, 9, (uint64_t)e, 0.25);
      h[c] = q->residual[e] + (kept ? (q->x[e] + q->bias[c]) / 0.75 : 0.0);
      if (kind == CUDROP_LAYER_NORM) mean += h[c] / COLS;
    }
    for (int c = 0; c < COLS; ++c) variance += (h[c] - mean) * (h[c] - mean) / COLS;
    for (int c = 0; c < COLS; ++c) {
      const double y = (h[c] - mean) / sqrt(variance + 1e-3) * q->gamma[c] + q->beta[c];
      loss += weigh(row * COLS + c, 0.0) * y + weigh(row * COLS + c, 1.0) * h[c];
    }
  }
  return loss;
}

/* The parameters, or their gradients, as the library takes them. */
typedef struct {
  float x[N], residual[N], bias[COLS], gamma[COLS], beta[COLS];
} arrays_t;

static void find_gradients(cudrop_norm_kind_t kind, const arrays_t *q,
                           arrays_t *gradients) {
  static float data[4][N], saved[2][ROWS], workspace[4096];
  const bool centred = kind == CUDROP_LAYER_NORM;
  const cudrop_mask_t mask = cudrop_mask(8, 9, 0.25);
  const cudrop_tensor_t x = cudrop_matrix(q->x, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t residual = cudrop_matrix(q->residual, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t bias = cudrop_vector(q->bias, CUDROP_F32, COLS);
  const cudrop_tensor_t gamma = cudrop_vector(q->gamma, CUDROP_F32, COLS);
  const cudrop_tensor_t beta = cudrop_vector(q->beta, CUDROP_F32, COLS);
  const cudrop_tensor_t dx = cudrop_matrix(gradients->x, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dresidual =
      cudrop_matrix(gradients->residual, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dbias = cudrop_vector(gradients->bias, CUDROP_F32, COLS);
  const cudrop_tensor_t dgamma = cudrop_vector(gradients->gamma, CUDROP_F32, COLS);
  const cudrop_tensor_t dbeta = cudrop_vector(gradients->beta, CUDROP_F32, COLS);
  const cudrop_tensor_t h = cudrop_matrix(data[0], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t y = cudrop_matrix(data[1], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dy = cudrop_matrix(data[2], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t dh = cudrop_matrix(data[3], CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t mean = cudrop_vector(saved[0], CUDROP_F32, ROWS);
  const cudrop_tensor_t rstd = cudrop_vector(saved[1], CUDROP_F32, ROWS);
  for (int e = 0; e < N; ++e) {
    data[2][e] = (float)weigh(e, 0.0);
    data[3][e] = (float)weigh(e, 1.0);
  }
  const cudrop_norm_t norm = {.kind = kind,
                              .epsilon = 1e-3f,
                              .bias = &bias,
                              .gamma = &gamma,
                              .beta = &beta,
                              .mask = &mask};
  ck_assert_ok(
      cudrop_norm_forward(host, &(cudrop_norm_forward_t){.norm = &norm,
                                                         .x = &x,
                                                         .residual = &residual,
                                                         .h = &h,
                                                         .y = &y,
                                                         .mean = centred ? &mean : NULL,
                                                         .rstd = &rstd}));
  ck_assert_ok(cudrop_norm_backward(
      host, &(cudrop_norm_backward_t){.norm = &norm,
                                      .dy = &dy,
                                      .dh = &dh,
                                      .h = &h,
                                      .mean = centred ? &mean : NULL,
                                      .rstd = &rstd,
                                      .dx = &dx,
                                      .dresidual = &dresidual,
                                      .dbias = &dbias,
                                      .dgamma = &dgamma,
                                      .dbeta = &dbeta,
                                      .workspace = workspace,
                                      .workspace_bytes = sizeof workspace}));
}

START_TEST(gradients_are_differences_of_a_loss) {
  const cudrop_norm_kind_t kind = _i == 0 ? CUDROP_LAYER_NORM : CUDROP_RMS_NORM;
  arrays_t values, gradients;
  parameters_t q;
  float *value = (float *)&values;
  double *parameter = (double *)&q;
  for (int k = 0; k < PARAMETERS; ++k) {
    value[k] = (float)(0.5 + sin(3.1 * k));
    parameter[k] = (double)value[k];
  }
  find_gradients(kind, &values, &gradients);
  for (int k = 0; k < PARAMETERS; ++k) {
    const double step = 1e-5, at = parameter[k];
    parameter[k] = at + step;
    const double above = find_loss(kind, &q);
    parameter[k] = at - step;
    const double below = find_loss(kind, &q);
    parameter[k] = at;
    ck_assert_double_eq_tol((double)((const float *)&gradients)[k],
                            (above - below) / (2.0 * step), 2e-5);
  }
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_host, close_host);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("norm_gradient",
           loop_case("differences", gradients_are_differences_of_a_loss, 2))
