/* rowwise_fused.c - bias, GELU, dropout and residual: calls and expectations. */
#include "rowwise_reference.h"

enum { X, BIAS };                /* of both */
enum { RESIDUAL = BIAS + 1, Y }; /* of forward */
enum { DY = BIAS + 1, DX, DBIAS };

/* How far the library's GELU may be from itself, as a part; and its slope, which is near 1. The
 * type is that of the result. */
static double find_gelu_error(const bench_reference_t *row) {
  return row->work->operand[X].dtype == CUDROP_F32 ? 0x1p-20 : 0x1p-17;
}

/* What both share. */
static cudrop_fused_t get_fused(const bench_work_t *work) {
  return (cudrop_fused_t){.activation = CUDROP_GELU,
                          .bias = &work->operand[BIAS].tensor,
                          .mask = &work->given};
}

/* ---- Forward ----------------------------------------------------------------------------- */

static cudrop_status_t call_forward(const bench_work_t *work) {
  const cudrop_fused_t fused = get_fused(work);
  const cudrop_fused_forward_t args = {.fused = &fused,
                                       .x = &work->operand[X].tensor,
                                       .residual = &work->operand[RESIDUAL].tensor,
                                       .y = &work->operand[Y].tensor};
  return cudrop_fused_forward(work->context, &args);
}

static double find_z(const bench_reference_t *row, int64_t col) {
  return bench_round((double)row->at[X][col] + (double)row->at[BIAS][col]);
}

/* The normal distribution. */
static double phi(double z) {
  return 0.5 * erfc(-z * sqrt(0.5));
}

static void expect_forward(const bench_reference_t *row, int64_t col,
                           bench_near_t *near) {
  const double residual = (double)row->at[RESIDUAL][col];
  near[Y] = (bench_near_t){residual, 0.0};
  if (!bench_reference_keeps(row, col)) return;
  const double z = find_z(row, col), kept = z * phi(z) * row->scale;
  near[Y].value = residual + kept;
  near[Y].error =
      (find_gelu_error(row) + BENCH_U) * fabs(kept) + BENCH_U * fabs(near[Y].value);
}

const bench_rowwise_t bench_fused_forward = {
    .members = {[X] = {"x", .extent = BENCH_FULL},
                [BIAS] = {"bias", .extent = BENCH_ROW},
                [RESIDUAL] = {"residual", .extent = BENCH_FULL},
                [Y] = {"y", .extent = BENCH_FULL, .is_output = true}},
    .call = call_forward,
    .expect = expect_forward,
};

/* ---- Backward ---------------------------------------------------------------------------- */

static cudrop_status_t call_backward(const bench_work_t *work) {
  const cudrop_fused_t fused = get_fused(work);
  const cudrop_fused_backward_t args = {.fused = &fused,
                                        .dy = &work->operand[DY].tensor,
                                        .x = &work->operand[X].tensor,
                                        .dx = &work->operand[DX].tensor,
                                        .dbias = &work->operand[DBIAS].tensor,
                                        .workspace = work->workspace,
                                        .workspace_bytes = work->workspace_bytes};
  return cudrop_fused_backward(work->context, &args);
}

static double find_slope(double z) {
  const double pi = 3.14159265358979323846;
  return phi(z) + z * exp(-z * z / 2.0) / sqrt(2.0 * pi);
}

/* dbias adds up what dx is before it is rounded to its type. */
static void expect_backward(const bench_reference_t *row, int64_t col,
                            bench_near_t *near) {
  near[DX] = (bench_near_t){0.0, 0.0};
  if (bench_reference_keeps(row, col)) {
    const double dropped = bench_round((double)row->at[DY][col] * row->scale);
    near[DX].value = dropped * find_slope(find_z(row, col));
    near[DX].error =
        find_gelu_error(row) * fabs(dropped) + BENCH_U * fabs(near[DX].value);
  }
  near[DBIAS] = near[DX];
}

const bench_rowwise_t bench_fused_backward = {
    .members = {[X] = {"x", .extent = BENCH_FULL},
                [BIAS] = {"bias", .extent = BENCH_ROW},
                [DY] = {"dy", .extent = BENCH_FULL},
                [DX] = {"dx", .extent = BENCH_FULL, .is_output = true},
                [DBIAS] = {"dbias", .extent = BENCH_ROW, .is_output = true}},
    .query = cudrop_fused_backward_workspace,
    .call = call_backward,
    .expect = expect_backward,
};
