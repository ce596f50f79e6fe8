/*
 * test_mlp_maths.c - each function of the example's maths, on the host and on the suite's
 * backend: a GPU with its cuBLAS, or the emulator of tests/simt with one of loops.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "maths.h"
#include "suite.h"

typedef struct {
  cudrop_context_t *context;
  maths_t maths;
} side_t;

static side_t host, other;

static void open_side(side_t *side, cudrop_backend_t backend) {
  ck_assert_ok(cudrop_create(&side->context, backend, 0));
  ck_assert_ok(maths_open(&side->maths, side->context));
}

static void close_side(side_t *side) {
  ck_assert_ok(maths_close(&side->maths));
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

/* A copy in a side's memory, in a buffer no longer than it. */
static void *send(const side_t *side, const void *data, size_t bytes) {
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(side->context, bytes, &buffer));
  ck_assert_ok(cudrop_upload(side->context, buffer, data, bytes));
  return buffer;
}

static float *send_floats(const side_t *side, const float *x, size_t n) {
  return send(side, x, n * sizeof *x);
}

/* The buffer ends; what was in it comes back to x, unless that is NULL. */
static void drain(const side_t *side, void *buffer, float *x, size_t n) {
  if (x != NULL) ck_assert_ok(cudrop_download(side->context, x, buffer, n * sizeof *x));
  ck_assert_ok(cudrop_free(side->context, &buffer));
}

/* Numbers in [-1, 1], others for each `first`. */
static void fill(float *x, size_t n, int first) {
  for (size_t i = 0; i < n; ++i) x[i] = sinf((float)first + 1.7f * (float)i);
}

enum { MOST = 6000 };

/* ---- Products --------------------------------------------------------------------- */

static const struct {
  int rows, cols, inner;
} products[] = {{1, 1, 1}, {1, 7, 3}, {7, 1, 2}, {5, 6, 1}, {13, 10, 33}, {50, 70, 80}};
enum { PRODUCTS = sizeof products / sizeof products[0] };

/* The product's element, and how far off a sum in float may be, in any order. */
static double compute_element(const maths_product_t *p, int row, int col, float before,
                              double *bound) {
  double sum = p->beta == 0 ? 0.0 : (double)(p->beta * before);
  double size = fabs(sum);
  for (int i = 0; i < p->inner; ++i) {
    const float a = p->transposes_a ? p->a[i * p->rows + row] : p->a[row * p->inner + i];
    const float b = p->transposes_b ? p->b[col * p->inner + i] : p->b[i * p->cols + col];
    sum += (double)a * b;
    size += fabs((double)a * b);
  }
  *bound = (p->inner + 2) * (double)FLT_EPSILON * size;
  return sum;
}

static void multiply(side_t *side, const maths_product_t *product, float *c) {
  const size_t m = (size_t)product->rows, n = (size_t)product->cols,
               k = (size_t)product->inner;
  float *a_there = send_floats(side, product->a, m * k),
        *b_there = send_floats(side, product->b, k * n);
  float *c_there = send_floats(side, c, m * n);
  maths_product_t there = *product;
  there.a = a_there;
  there.b = b_there;
  there.c = c_there;
  ck_assert_ok(side->maths.table->multiply(&side->maths, &there));
  drain(side, a_there, NULL, 0);
  drain(side, b_there, NULL, 0);
  drain(side, c_there, c, m * n);
}

/* With beta 0 the product overwrites NaNs. */
static void expect_product(side_t *side, int form, int size) {
  static float a[MOST], b[MOST], before[MOST], c[MOST];
  const float beta = form == 0 ? 1.0f : 0.0f;
  const maths_product_t product = {.transposes_a = form == 1,
                                   .transposes_b = form == 2,
                                   .rows = products[size].rows,
                                   .cols = products[size].cols,
                                   .inner = products[size].inner,
                                   .a = a,
                                   .b = b,
                                   .beta = beta};
  fill(a, MOST, 1);
  fill(b, MOST, 2);
  fill(before, MOST, 3);
  for (int i = 0; i < MOST; ++i) c[i] = form == 0 ? before[i] : NAN;
  multiply(side, &product, c);
  for (int row = 0; row < product.rows; ++row) {
    for (int col = 0; col < product.cols; ++col) {
      const int i = row * product.cols + col;
      double bound = 0.0;
      const double want = compute_element(&product, row, col, before[i], &bound);
      ck_assert_msg(fabs(c[i] - want) <= bound,
                    "form %d, size %d, (%d, %d): %.9g, not %.9g", form, size, row, col,
                    c[i], want);
    }
  }
}

START_TEST(products_are_right_in_each_form) {
  for (int form = 0; form < 3; ++form) {
    expect_product(&host, form, _i);
    expect_product(&other, form, _i);
  }
}
END_TEST

/* ---- The rest --------------------------------------------------------------------- */

static const struct {
  int rows, cols;
} shapes[] = {{1, 1}, {1, 255}, {2, 128}, {257, 1}, {3, 300}, {50, 33}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* What all functions but multiply() give for one shape; poisoned before. */
typedef struct {
  float repeated[MOST], sums[MOST], rectified[MOST], passed[MOST];
  float mean[MOST], square[MOST], w[MOST];
} results_t;

static void run_loops(side_t *side, int rows, int cols, const float *x, const float *y,
                      results_t *results) {
  const maths_table_t *table = side->maths.table;
  const size_t n = (size_t)rows * (size_t)cols;
  float *x_there = send_floats(side, x, n), *y_there = send_floats(side, y, n);
  float *repeated = send_floats(side, y, n), *sums = send_floats(side, x, (size_t)cols);
  ck_assert_ok(table->repeat_row(&side->maths, x_there, rows, cols, repeated));
  ck_assert_ok(table->sum_rows(&side->maths, y_there, rows, cols, sums));
  ck_assert_ok(table->differentiate_rectify(&side->maths, n, x_there, y_there));
  ck_assert_ok(table->rectify(&side->maths, n, x_there));
  drain(side, repeated, results->repeated, n);
  drain(side, sums, results->sums, (size_t)cols);
  drain(side, y_there, results->passed, n);
  drain(side, x_there, results->rectified, n);
}

static void run_adam(side_t *side, size_t n, const float *g, const float *square,
                     results_t *results) {
  const maths_adam_t step = {.keep_mean = 0.9f,
                             .take_mean = 0.1f,
                             .keep_square = 0.999f,
                             .take_square = 0.001f,
                             .scale = 0.005f,
                             .unbias = 14.0f,
                             .epsilon = 1e-8f};
  float *g_there = send_floats(side, g, n), *square_there = send_floats(side, square, n);
  float *mean = send_floats(side, square, n), *w = send_floats(side, g, n);
  ck_assert_ok(
      side->maths.table->adam(&side->maths, &step, n, g_there, mean, square_there, w));
  drain(side, g_there, NULL, 0);
  drain(side, mean, results->mean, n);
  drain(side, square_there, results->square, n);
  drain(side, w, results->w, n);
}

START_TEST(loops_give_the_hosts_bits) {
  static float x[MOST], y[MOST], square[MOST];
  static results_t want, got;
  const int rows = shapes[_i].rows, cols = shapes[_i].cols;
  fill(x, MOST, 4);
  fill(y, MOST, 5);
  for (int i = 0; i < MOST; ++i) square[i] = y[i] * y[i];
  x[0] = NAN; /* of no sum; the ReLU makes it 0 */
  memset(&want, 0xca, sizeof want);
  memset(&got, 0xca, sizeof got);
  run_loops(&host, rows, cols, x, y, &want);
  run_loops(&other, rows, cols, x, y, &got);
  run_adam(&host, (size_t)rows * (size_t)cols, y, square, &want);
  run_adam(&other, (size_t)rows * (size_t)cols, y, square, &got);
  ck_assert_mem_eq(&got, &want, sizeof want);
}
END_TEST

/* exp() may differ in the last place of a double, and so may then the float. */
START_TEST(gradients_of_the_loss_differ_in_the_last_place_at_most) {
  static float logit[MOST], want[MOST], got[MOST];
  uint8_t label[300];
  const int rows = shapes[_i].rows, cols = shapes[_i].cols;
  const size_t n = (size_t)rows * (size_t)cols;
  fill(logit, MOST, 6);
  for (int i = 0; i < MOST; ++i) logit[i] *= 20.0f;
  for (int r = 0; r < rows; ++r) label[r] = (uint8_t)(7 * r % cols);
  for (int k = 0; k < 2; ++k) {
    side_t *side = k == 0 ? &host : &other;
    uint8_t *label_there = send(side, label, (size_t)rows);
    float *logit_there = send_floats(side, logit, n), *d = send_floats(side, logit, n);
    ck_assert_ok(side->maths.table->differentiate_loss(&side->maths, logit_there,
                                                       label_there, rows, cols, d));
    drain(side, label_there, NULL, 0);
    drain(side, logit_there, NULL, 0);
    drain(side, d, k == 0 ? want : got, n);
  }
  for (size_t i = 0; i < n; ++i)
    ck_assert_float_eq_tol(got[i], want[i], FLT_EPSILON * fabsf(want[i]) + 1e-30f);
}
END_TEST

static TCase *maths_case(void) {
  TCase *tests = suite_case("maths", 60);
  tcase_add_checked_fixture(tests, open_sides, close_sides);
  tcase_add_loop_test(tests, products_are_right_in_each_form, 0, PRODUCTS);
  tcase_add_loop_test(tests, loops_give_the_hosts_bits, 0, SHAPES);
  tcase_add_loop_test(tests, gradients_of_the_loss_differ_in_the_last_place_at_most, 0,
                      SHAPES);
  return tests;
}

SUITE_MAIN("mlp_maths", maths_case())
