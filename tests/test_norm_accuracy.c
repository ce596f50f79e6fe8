/* test_norm_accuracy.c - the bounds of section 14, on rows that are hard to take a mean of. */
#include <math.h>
#include <string.h>

#include "oracle.h"
#include "suite_context.h"
#include "view.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
enum { DTYPES = 3 };

static const long double u = 0x1p-24L;

/* ---- Rows --------------------------------------------------------------------------- */

/* Values around `offset`, at most `spread` away, but for one, which is `outlier` away. */
typedef struct {
  int64_t cols;
  double offset, spread, outlier;
  float epsilon; /* 0: 1e-5 */
} hard_t;

static const hard_t hard[] = {
    {1024, 100000.3, 0.0, 0.0, 0.0f},
    {12288, 1000.1, 0.0, 0.1, 0.0f},
    {12288, 1000.1, 0.0, 0.1, 1e-12f},
    {1024, 1.0, 0x1p-4, 0.0, 0.0f},
    {1024, 1.7, 0x1p-10, 0.0, 1e-12f},
    {768, 1.7, 0x1p-16, 0.0, 1e-12f},
    {768, 0x1p20, 1.0, 0.0, 0.0f},
    {4096, 0x1.8p20, 1.0, 0.0, 1e-12f},
    {2049, 0x1.4cccccp0, 0x1p-20, 0.0, 1e-14f},
    {12291, 0x1.99999ap-4, 0x1p-23, 0.0, 1e-16f},
    {1000, 0.0, 1.0, 1e6, 0.0f},
    {5000, 1.0, 0.0, 1e6, 1e-8f},
    {2048, -3e4, 0.0, 6e4, 0.0f},
    {100000, 0.1, 0x1p-12, 0.0, 1e-10f},
    {(1 << 19) + 8, 0.7, 0x1p-8, 0.0, 0.0f},
    {1 << 18, 0x1.99999ap-4, 0.0, 1.0, 0.0f},
    {1000, 0.0, 1e-40, 0.0, 0.0f},
    {640, 0x1.8p-126, 0x1p-145, 0.0, 1e-30f},
    {640, 1e-30, 1e-36, 0.0, 1e-30f},
    {1000, 1e16, 1e14, 0.0, 0.0f},
    {1, 12345.678, 0.0, 0.0, 0.0f},
    {2, 100000.3, 0.0, 0x1p-6, 0.0f},
    {7, 100000.3, 0.0, 0x1p-6, 1e-12f},
    {33, 1000.1, 0.001, 0.0, 1e-12f},
};
enum { HARD = sizeof hard / sizeof hard[0], ROWS = 2 };

/* From -1 to 1, without an order. */
static double scatter(int64_t j) {
  return (double)((uint32_t)j * 2654435761u >> 8) / 0x1p23 - 1.0;
}

/* The second row is the first one upside down and with its outlier elsewhere. */
static double make_x(const hard_t *row, int64_t e) {
  const int64_t j = e % row->cols, outlier = e < row->cols ? row->cols * 2 / 3 : 0;
  const double value =
      row->offset + (j == outlier ? row->outlier : row->spread * scatter(j));
  return e < row->cols ? value : -value;
}

typedef enum { X, DY, Y, MEAN, RSTD, DX, DGAMMA, TENSORS } name_t;

typedef struct {
  const hard_t *row;
  cudrop_norm_kind_t kind;
  float epsilon;
  view_t view[TENSORS];
} case_t;

static case_t make_case(const hard_t *row, cudrop_dtype_t dtype,
                        cudrop_norm_kind_t kind) {
  const int64_t shape[] = {ROWS, row->cols};
  case_t made = {.row = row, .kind = kind, .epsilon = 1e-5f};
  if (row->epsilon != 0.0f) made.epsilon = row->epsilon;
  for (name_t k = X; k < TENSORS; ++k) {
    const bool is_full = k == X || k == DY || k == Y || k == DX;
    made.view[k] = is_full ? view_make(dtype, 2, shape, NULL, 0)
                           : view_make(CUDROP_F32, 1, &shape[k == DGAMMA], NULL, 0);
  }
  for (int64_t e = 0; e < ROWS * row->cols; ++e) {
    oracle_write(dtype, make_x(row, e), view_element(&made.view[X], e));
    oracle_write(dtype, 0.3 + 0.25 * scatter(3 * e + 1), view_element(&made.view[DY], e));
  }
  return made;
}

static void free_case(case_t *given) {
  for (name_t k = X; k < TENSORS; ++k) view_free(&given->view[k]);
}

/* Forward, and backward with what it has saved. */
static void run(cudrop_context_t *in, case_t *given) {
  placed_t placed[TENSORS];
  void *workspace = NULL;
  for (name_t k = X; k < TENSORS; ++k)
    placed[k] = view_place(in, &given->view[k], k >= Y);
  const cudrop_tensor_t *mean =
      given->kind == CUDROP_LAYER_NORM ? &placed[MEAN].tensor : NULL;
  const cudrop_norm_t norm = {.kind = given->kind, .epsilon = given->epsilon};
  ck_assert_ok(
      cudrop_norm_forward(in, &(cudrop_norm_forward_t){.norm = &norm,
                                                       .x = &placed[X].tensor,
                                                       .y = &placed[Y].tensor,
                                                       .mean = mean,
                                                       .rstd = &placed[RSTD].tensor}));
  cudrop_norm_backward_t args = {.norm = &norm,
                                 .dy = &placed[DY].tensor,
                                 .h = &placed[X].tensor,
                                 .mean = mean,
                                 .rstd = &placed[RSTD].tensor,
                                 .dx = &placed[DX].tensor,
                                 .dgamma = &placed[DGAMMA].tensor};
  ck_assert_ok(
      cudrop_norm_backward_workspace(ROWS, given->row->cols, &args.workspace_bytes));
  ck_assert_ok(cudrop_alloc(in, args.workspace_bytes, &workspace));
  args.workspace = workspace;
  ck_assert_ok(cudrop_norm_backward(in, &args));
  for (name_t k = X; k < TENSORS; ++k) {
    if (k >= Y) view_fetch(in, &placed[k], &given->view[k]);
    view_displace(in, &placed[k]);
  }
  ck_assert_ok(cudrop_free(in, &workspace));
}

/* ---- What the header says ----------------------------------------------------------- */

/* A row's statistics, without rounding, and how far off those of the library may be. */
typedef struct {
  long double mean, rstd;
  long double mean_error, rstd_part; /* of rstd */
  long double mean_g, mean_gh, size_g, size_gh;
} exact_t;

static long double get(const case_t *given, name_t name, int64_t e) {
  return (long double)view_get(&given->view[name], e);
}

static exact_t find_exact(const case_t *given, int64_t row) {
  const int64_t cols = given->row->cols, first = row * cols;
  const long double n = (long double)cols, a = n / 2048.0L + 20.0L;
  const bool is_centred = given->kind == CUDROP_LAYER_NORM;
  long double sum = 0.0L, size = 0.0L, away = 0.0L, squares = 0.0L;
  exact_t s = {0};
  for (int64_t j = 0; j < cols; ++j) {
    sum += get(given, X, first + j);
    size += fabsl(get(given, X, first + j)) / n;
  }
  s.mean = is_centred ? sum / n : 0.0L;
  for (int64_t j = 0; j < cols; ++j) {
    const long double distance = get(given, X, first + j) - s.mean;
    away += fabsl(distance) / n;
    squares += distance * distance / n;
  }
  s.rstd = 1.0L / sqrtl(squares + (long double)given->epsilon);
  const long double off = is_centred ? (a + 2.0L) * u * size : 0.0L;
  if (is_centred)
    s.mean_error = u * fabsl(s.mean) + (a + 3.0L) * u * (away + off) + 0x1p-148L;
  s.rstd_part = (a + 9.0L) * u * (1.0L + 2.0L * off * off * s.rstd * s.rstd);
  for (int64_t j = 0; j < cols; ++j) {
    const long double g = get(given, DY, first + j);
    const long double hhat = (get(given, X, first + j) - s.mean) * s.rstd;
    s.mean_g += is_centred ? g / n : 0.0L;
    s.mean_gh += g * hhat / n;
    s.size_g += fabsl(g) / n;
    s.size_gh += fabsl(g * hhat) / n;
  }
  return s;
}

static void expect(const case_t *given, name_t name, int64_t e, long double value,
                   long double error) {
  static const char *const names[] = {"x", "dy", "y", "mean", "rstd", "dx", "dgamma"};
  const double bound = (double)(error * 1.01L + 0x1p-140L);
  if (view_is_near(&given->view[name], e, (double)value, bound)) return;
  ck_abort_msg(
      "row %d in type %d, norm %d: element %lld of %s is %.9g, not %.9Lg "
      "within %g",
      (int)(given->row - hard), (int)given->view[X].tensor.dtype, (int)given->kind,
      (long long)e, names[name], view_get(&given->view[name], e), value, bound);
}

static void check_row(const case_t *given, int64_t row, const exact_t *s) {
  const long double t = s->mean_error * s->rstd, part = s->rstd_part;
  if (given->kind == CUDROP_LAYER_NORM) expect(given, MEAN, row, s->mean, s->mean_error);
  expect(given, RSTD, row, s->rstd, part * s->rstd);
  for (int64_t j = 0; j < given->row->cols; ++j) {
    const int64_t e = row * given->row->cols + j;
    const long double g = get(given, DY, e);
    const long double hhat = (get(given, X, e) - s->mean) * s->rstd;
    expect(given, Y, e, hhat, t + fabsl(hhat) * (part + 4.0L * u));
    expect(given, DX, e, (g - s->mean_g - hhat * s->mean_gh) * s->rstd,
           s->rstd * (5.0L * part * (fabsl(g) + s->size_g + fabsl(hhat) * s->size_gh) +
                      t * (s->size_gh + fabsl(hhat) * s->size_g)));
  }
}

static void check_columns(const case_t *given, const exact_t *s) {
  for (int64_t j = 0; j < given->row->cols; ++j) {
    long double sum = 0.0L, error = 0.0L;
    for (int64_t row = 0; row < ROWS; ++row) {
      const long double g = get(given, DY, row * given->row->cols + j);
      const long double hhat =
          (get(given, X, row * given->row->cols + j) - s[row].mean) * s[row].rstd;
      sum += g * hhat;
      error += fabsl(g) * (s[row].mean_error * s[row].rstd +
                           fabsl(hhat) * (s[row].rstd_part + (3.0L + ROWS) * u));
    }
    expect(given, DGAMMA, j, sum, error);
  }
}

/* Long rows take their time: one case of each is enough. */
static bool is_long(const hard_t *row) {
  return row->cols > 1 << 16;
}

static bool is_tried(const hard_t *row, cudrop_dtype_t dtype, cudrop_norm_kind_t kind) {
  const double most = fabs(row->offset) + row->spread + row->outlier;
  if (is_long(row)) return dtype == CUDROP_F32 && kind == CUDROP_LAYER_NORM;
  return dtype != CUDROP_F16 || most < 65000.0;
}

START_TEST(hard_rows_keep_the_bounds) {
  for (int turn = 0; turn < 2 * DTYPES; ++turn) {
    const cudrop_dtype_t dtype = dtypes[turn / 2];
    const cudrop_norm_kind_t kind = turn % 2 ? CUDROP_RMS_NORM : CUDROP_LAYER_NORM;
    if (!is_tried(&hard[_i], dtype, kind)) continue;
    case_t here = make_case(&hard[_i], dtype, kind),
           there = make_case(&hard[_i], dtype, kind);
    run(context, &here);
    run(host, &there);
    for (name_t k = X; k < TENSORS; ++k)
      ck_assert_int_lt((int)view_difference(&here.view[k], &there.view[k]), 0);
    const exact_t exact[ROWS] = {find_exact(&here, 0), find_exact(&here, 1)};
    for (int64_t row = 0; row < ROWS; ++row) check_row(&here, row, &exact[row]);
    check_columns(&here, exact);
    free_case(&here);
    free_case(&there);
  }
}
END_TEST

/* ---- Equal values -------------------------------------------------------------------- */

static void expect_zeros(const view_t *view) {
  double most = 0.0;
  for (int64_t e = 0; e < view_count(view); ++e)
    if (!(fabs(view_get(view, e)) <= most)) most = fabs(view_get(view, e));
  ck_assert_double_eq(most, 0.0);
}

/* The mean is the value itself, y is 0, and the variance is 0. */
START_TEST(equal_values_are_their_mean) {
  static const int64_t cols[] = {1, 3, 8, 100, 1024, 2049, 12288, 100003, 1 << 19};
  static const double values[] = {100000.3, 0.1, -1000.1, 3.14159e-5, 1e30, 1e-40};
  for (int v = 0; v < 6; ++v) {
    const hard_t row = {cols[_i], values[v], 0.0, 0.0, 0.0f};
    if (is_long(&row) && v > 1) break;
    for (int d = 0; d < DTYPES; ++d) {
      if (!is_tried(&row, dtypes[d], CUDROP_LAYER_NORM)) continue;
      case_t given = make_case(&row, dtypes[d], CUDROP_LAYER_NORM);
      run(context, &given);
      expect_zeros(&given.view[Y]);
      for (int64_t r = 0; r < ROWS; ++r)
        ck_assert_double_eq(view_get(&given.view[MEAN], r),
                            view_get(&given.view[X], r * row.cols));
      free_case(&given);
    }
  }
}
END_TEST

/* Squares that float cannot hold make rstd 0, so that y is 0 and not NaN. */
START_TEST(squares_may_overflow) {
  static const hard_t rows[] = {{1000, 0.0, 1e25, 0.0, 0.0f},
                                {1000, 1e30, 1e28, 0.0, 0.0f},
                                {4096, 0.0, 0.0, 3e38, 0.0f},
                                {12288, 1e33, 0.0, 1e34, 0.0f}};
  for (int k = 0; k < 4; ++k) {
    case_t given = make_case(&rows[k], CUDROP_F32, CUDROP_LAYER_NORM);
    run(context, &given);
    for (int64_t r = 0; r < ROWS; ++r)
      ck_assert_double_eq(view_get(&given.view[RSTD], r), 0.0);
    expect_zeros(&given.view[Y]);
    free_case(&given);
  }
}
END_TEST

static TCase *loop_case(const char *name, const TTest *test, int count) {
  TCase *tests = suite_case(name, 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, test, 0, count);
  return tests;
}

SUITE_MAIN("norm_accuracy", loop_case("bounds", hard_rows_keep_the_bounds, HARD),
           loop_case("equal", equal_values_are_their_mean, 9),
           loop_case("overflow", squares_may_overflow, 1))
