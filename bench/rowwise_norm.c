/* rowwise_norm.c - bias, dropout, residual and LayerNorm: calls and expectations. */
#include "format.h"
#include "rowwise_reference.h"

enum { GAMMA, H, MEAN, RSTD }; /* of both */
enum { X = RSTD + 1, BIAS, RESIDUAL, BETA, Y };
enum { DY = RSTD + 1, DH, DX, DRESIDUAL, DBIAS, DGAMMA, DBETA };

static const float epsilon = 1e-5f;

/* What both look at; forward has bias and beta, too. */
static cudrop_norm_t get_norm(const bench_work_t *work) {
  return (cudrop_norm_t){.kind = CUDROP_LAYER_NORM,
                         .epsilon = epsilon,
                         .gamma = &work->operand[GAMMA].tensor,
                         .mask = &work->given};
}

/* ---- Forward ----------------------------------------------------------------------------- */

static cudrop_status_t call_forward(const bench_work_t *work) {
  cudrop_norm_t norm = get_norm(work);
  norm.bias = &work->operand[BIAS].tensor;
  norm.beta = &work->operand[BETA].tensor;
  const cudrop_norm_forward_t args = {.norm = &norm,
                                      .x = &work->operand[X].tensor,
                                      .residual = &work->operand[RESIDUAL].tensor,
                                      .h = &work->operand[H].tensor,
                                      .y = &work->operand[Y].tensor,
                                      .mean = &work->operand[MEAN].tensor,
                                      .rstd = &work->operand[RSTD].tensor};
  return cudrop_norm_forward(work->context, &args);
}

/* h is known to the bit: three operations, and a rounding to its type. */
static double find_h(const bench_reference_t *row, int64_t col) {
  const cudrop_dtype_t dtype = row->work->what.dtype;
  const double z = bench_round((double)row->at[X][col] + (double)row->at[BIAS][col]);
  const double h =
      bench_round((double)row->at[RESIDUAL][col] + bench_reference_drop(row, col, z));
  return bench_decode(dtype, bench_encode(dtype, h));
}

/* Of a sum, the mean: one division more. */
static bench_near_t find_mean(const bench_sum_t *sum, int64_t n) {
  const bench_near_t total = bench_sum_finish(sum, n);
  const double mean = total.value / (double)n;
  return (bench_near_t){mean, total.error / (double)n + BENCH_U * fabs(mean)};
}

/*
 * A mean that is off shifts all distances by as much, which adds the square of it to the variance.
 * A square is off by three roundings.
 */
static void begin_forward(bench_reference_t *row) {
  const int64_t cols = row->sizes.cols;
  bench_sum_t values = {0}, squares = {0};
  for (int64_t c = 0; c < cols; ++c) {
    row->held[c] = find_h(row, c);
    bench_sum_add(&values, row->held[c], 0.0);
  }
  const bench_near_t mean = find_mean(&values, cols);
  for (int64_t c = 0; c < cols; ++c) {
    const double square = (row->held[c] - mean.value) * (row->held[c] - mean.value);
    bench_sum_add(&squares, square, 3.0 * BENCH_U * square);
  }
  bench_near_t variance = find_mean(&squares, cols);
  variance.value += (double)epsilon;
  variance.error += mean.error * mean.error + BENCH_U * variance.value;
  const double rstd = 1.0 / sqrt(variance.value);
  row->sum[0] = mean;
  row->sum[1] = (bench_near_t){
      rstd, rstd * (0.5 * variance.error / variance.value + 2.0 * BENCH_U)};
}

static void expect_forward(const bench_reference_t *row, int64_t col,
                           bench_near_t *near) {
  const bench_near_t mean = row->sum[0], rstd = row->sum[1];
  const double gamma = (double)row->at[GAMMA][col], beta = (double)row->at[BETA][col];
  const double distance = row->held[col] - mean.value;
  const double norm = distance * rstd.value * gamma, y = norm + beta;
  const double error = mean.error * rstd.value + fabs(distance) * rstd.error;
  near[H] = (bench_near_t){row->held[col], 0.0};
  near[Y] = (bench_near_t){
      y, fabs(gamma) * error + 3.0 * BENCH_U * fabs(norm) + BENCH_U * fabs(y)};
  near[MEAN] = mean;
  near[RSTD] = rstd;
}

/* Statistics are in F32, whatever the case's type. */
#define STATISTIC .extent = BENCH_EACH, .dtype = CUDROP_F32

const bench_rowwise_t bench_norm_forward = {
    .members = {[GAMMA] = {"gamma", .extent = BENCH_ROW},
                [H] = {"h", .extent = BENCH_FULL, .is_output = true},
                [MEAN] = {"mean", STATISTIC, .is_output = true},
                [RSTD] = {"rstd", STATISTIC, .is_output = true},
                [X] = {"x", .extent = BENCH_FULL},
                [BIAS] = {"bias", .extent = BENCH_ROW},
                [RESIDUAL] = {"residual", .extent = BENCH_FULL},
                [BETA] = {"beta", .extent = BENCH_ROW},
                [Y] = {"y", .extent = BENCH_FULL, .is_output = true}},
    .call = call_forward,
    .begin = begin_forward,
    .expect = expect_forward,
};

/* ---- Backward ---------------------------------------------------------------------------- */

static cudrop_status_t call_backward(const bench_work_t *work) {
  const cudrop_norm_t norm = get_norm(work);
  const cudrop_norm_backward_t args = {.norm = &norm,
                                       .dy = &work->operand[DY].tensor,
                                       .dh = &work->operand[DH].tensor,
                                       .h = &work->operand[H].tensor,
                                       .mean = &work->operand[MEAN].tensor,
                                       .rstd = &work->operand[RSTD].tensor,
                                       .dx = &work->operand[DX].tensor,
                                       .dresidual = &work->operand[DRESIDUAL].tensor,
                                       .dbias = &work->operand[DBIAS].tensor,
                                       .dgamma = &work->operand[DGAMMA].tensor,
                                       .dbeta = &work->operand[DBETA].tensor,
                                       .workspace = work->workspace,
                                       .workspace_bytes = work->workspace_bytes};
  return cudrop_norm_backward(work->context, &args);
}

static double find_g(const bench_reference_t *row, int64_t col) {
  return (double)row->at[DY][col] * (double)row->at[GAMMA][col];
}

/* Whatever h is, the mean and rstd that come with it are operands like others. */
static double find_hhat(const bench_reference_t *row, int64_t col) {
  return ((double)row->at[H][col] - (double)row->at[MEAN][0]) * (double)row->at[RSTD][0];
}

/* The means of g, which is off by a rounding, and of g * hhat, off by four. */
static void begin_backward(bench_reference_t *row) {
  const int64_t cols = row->sizes.cols;
  bench_sum_t g = {0}, gh = {0};
  for (int64_t c = 0; c < cols; ++c) {
    const double value = find_g(row, c);
    bench_sum_add(&g, value, BENCH_U * fabs(value));
    const double product = value * find_hhat(row, c);
    bench_sum_add(&gh, product, 4.0 * BENCH_U * fabs(product));
  }
  row->sum[0] = find_mean(&g, cols);
  row->sum[1] = find_mean(&gh, cols);
}

/* dh + (g - mean(g) - hhat * mean(g * hhat)) * rstd, each operation with its rounding. */
static bench_near_t find_dresidual(const bench_reference_t *row, int64_t col) {
  const bench_near_t mean_g = row->sum[0], mean_gh = row->sum[1];
  const double g = find_g(row, col), hhat = find_hhat(row, col);
  const double first = g - mean_g.value, second = hhat * mean_gh.value;
  const double slope = (first - second) * (double)row->at[RSTD][0];
  const double total = slope + (double)row->at[DH][col];
  const double error =
      BENCH_U * (fabs(g) + fabs(first) + 3.0 * fabs(second) + fabs(first - second)) +
      mean_g.error + fabs(hhat) * mean_gh.error;
  return (bench_near_t){total, error * fabs((double)row->at[RSTD][0]) +
                                   BENCH_U * (fabs(slope) + fabs(total))};
}

static void expect_backward(const bench_reference_t *row, int64_t col,
                            bench_near_t *near) {
  const double dy = (double)row->at[DY][col], product = dy * find_hhat(row, col);
  const bench_near_t whole = find_dresidual(row, col);
  near[DRESIDUAL] = whole;
  near[DX] = (bench_near_t){0.0, 0.0};
  if (bench_reference_keeps(row, col)) {
    near[DX].value = whole.value * row->scale;
    near[DX].error = whole.error * row->scale + BENCH_U * fabs(near[DX].value);
  }
  near[DBIAS] = near[DX];
  near[DGAMMA] = (bench_near_t){product, 3.0 * BENCH_U * fabs(product)};
  near[DBETA] = (bench_near_t){dy, 0.0};
}

const bench_rowwise_t bench_norm_backward = {
    .members = {[GAMMA] = {"gamma", .extent = BENCH_ROW},
                [H] = {"h", .extent = BENCH_FULL},
                [MEAN] = {"mean", STATISTIC},
                [RSTD] = {"rstd", STATISTIC},
                [DY] = {"dy", .extent = BENCH_FULL},
                [DH] = {"dh", .extent = BENCH_FULL},
                [DX] = {"dx", .extent = BENCH_FULL, .is_output = true},
                [DRESIDUAL] = {"dresidual", .extent = BENCH_FULL, .is_output = true},
                [DBIAS] = {"dbias", .extent = BENCH_ROW, .is_output = true},
                [DGAMMA] = {"dgamma", .extent = BENCH_ROW, .is_output = true},
                [DBETA] = {"dbeta", .extent = BENCH_ROW, .is_output = true}},
    .query = cudrop_norm_backward_workspace,
    .call = call_backward,
    .begin = begin_backward,
    .expect = expect_backward,
};
