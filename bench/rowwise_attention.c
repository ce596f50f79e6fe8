/* rowwise_attention.c - causal attention weights: calls and expectations. */
#include "format.h"
#include "rowwise_reference.h"

enum { WEIGHTS, Y, SCORES }; /* of forward; reapply has the first two of them */
enum { DY = WEIGHTS + 1, DSCORES };

static const float scale = 0.125f; /* of the scores, with heads of 64; a power of 2 */

static int64_t count_seen(const bench_reference_t *row) {
  return bench_count_visible(&row->sizes, row->place);
}

/* ---- Forward ----------------------------------------------------------------------------- */

static cudrop_attention_t get_attention(const bench_work_t *work) {
  return (cudrop_attention_t){
      .scale = scale, .causal = CUDROP_CAUSAL_LAST, .mask = &work->given};
}

static cudrop_status_t call_forward(const bench_work_t *work) {
  const cudrop_attention_t attention = get_attention(work);
  const cudrop_attention_forward_t args = {.attention = &attention,
                                           .scores = &work->operand[SCORES].tensor,
                                           .weights = &work->operand[WEIGHTS].tensor,
                                           .y = &work->operand[Y].tensor};
  return cudrop_attention_forward(work->context, &args);
}

/* The part of itself by which e^z is off where z, at most 0, is rounded: by |z| u and 1.1 ulp,
 * or in types of 16 bits 2^-17. */
static double find_part(const bench_reference_t *row, double z) {
  const bool is_wide = row->work->operand[SCORES].dtype == CUDROP_F32;
  return BENCH_U * (3.0 - z) + (is_wide ? 0.0 : 0x1p-17);
}

/* e^(z - max z), and its sum. */
static void begin_forward(bench_reference_t *row) {
  const int64_t seen = count_seen(row);
  bench_sum_t sum = {0};
  double most = -INFINITY;
  for (int64_t c = 0; c < seen; ++c)
    most = fmax(most, (double)row->at[SCORES][c] * (double)scale);
  for (int64_t c = 0; c < seen; ++c) {
    const double z = (double)row->at[SCORES][c] * (double)scale - most;
    row->held[c] = exp(z);
    bench_sum_add(&sum, row->held[c], find_part(row, z) * row->held[c]);
  }
  row->sum[0] = bench_sum_finish(&sum, seen);
}

/* What is not seen has y = +0, and of the weights what was there before. */
static void expect_forward(const bench_reference_t *row, int64_t col,
                           bench_near_t *near) {
  const bench_operand_t *weights = &row->work->operand[WEIGHTS];
  const bench_near_t sum = row->sum[0];
  near[Y] = (bench_near_t){0.0, 0.0};
  if (col >= count_seen(row)) {
    const int64_t position = bench_reference_position(row, BENCH_FULL, col);
    near[WEIGHTS] = (bench_near_t){
        bench_decode(weights->dtype, bench_content(weights, position)), 0.0};
    return;
  }
  const double power = row->held[col], weight = power / sum.value;
  const double part = find_part(row, log(power)) + sum.error / sum.value +
                      2.0 * BENCH_U; /* 1 / sum, times it */
  near[WEIGHTS] = (bench_near_t){weight, part * weight};
  if (!bench_reference_keeps(row, col)) return;
  near[Y].value = weight * row->scale;
  near[Y].error =
      row->scale * (near[WEIGHTS].error + bench_find_rounding(weights->dtype, weight)) +
      BENCH_U * near[Y].value;
}

const bench_rowwise_t bench_attention_forward = {
    .members = {[WEIGHTS] = {"weights", .extent = BENCH_FULL, .moved = BENCH_SEEN,
                             .is_output = true},
                [Y] = {"y", .extent = BENCH_FULL, .is_output = true},
                [SCORES] = {"scores", .extent = BENCH_FULL, .moved = BENCH_SEEN}},
    .inner = BENCH_QUERIES,
    .call = call_forward,
    .begin = begin_forward,
    .expect = expect_forward,
};

/* ---- Reapply ----------------------------------------------------------------------------- */

static cudrop_status_t call_reapply(const bench_work_t *work) {
  const cudrop_attention_t attention = get_attention(work);
  const cudrop_attention_reapply_t args = {.attention = &attention,
                                           .weights = &work->operand[WEIGHTS].tensor,
                                           .y = &work->operand[Y].tensor};
  return cudrop_attention_reapply(work->context, &args);
}

static void expect_reapply(const bench_reference_t *row, int64_t col,
                           bench_near_t *near) {
  near[Y] = (bench_near_t){0.0, 0.0};
  if (col < count_seen(row))
    near[Y].value = bench_reference_drop(row, col, (double)row->at[WEIGHTS][col]);
}

const bench_rowwise_t bench_attention_reapply = {
    .members = {[WEIGHTS] = {"weights", .extent = BENCH_FULL, .moved = BENCH_SEEN},
                [Y] = {"y", .extent = BENCH_FULL, .is_output = true}},
    .inner = BENCH_QUERIES,
    .call = call_reapply,
    .expect = expect_reapply,
};

/* ---- Backward ---------------------------------------------------------------------------- */

static cudrop_status_t call_backward(const bench_work_t *work) {
  const cudrop_attention_t attention = get_attention(work);
  const cudrop_attention_backward_t args = {.attention = &attention,
                                            .dy = &work->operand[DY].tensor,
                                            .weights = &work->operand[WEIGHTS].tensor,
                                            .dscores = &work->operand[DSCORES].tensor};
  return cudrop_attention_backward(work->context, &args);
}

/* dP, and the sum of dP * P. */
static void begin_backward(bench_reference_t *row) {
  const int64_t seen = count_seen(row);
  bench_sum_t sum = {0};
  for (int64_t c = 0; c < seen; ++c) {
    row->held[c] = bench_reference_drop(row, c, (double)row->at[DY][c]);
    const double product = row->held[c] * (double)row->at[WEIGHTS][c];
    bench_sum_add(&sum, product, BENCH_U * fabs(product));
  }
  row->sum[0] = bench_sum_finish(&sum, seen);
}

static void expect_backward(const bench_reference_t *row, int64_t col,
                            bench_near_t *near) {
  const bench_near_t sum = row->sum[0];
  near[DSCORES] = (bench_near_t){0.0, 0.0};
  if (col >= count_seen(row)) return;
  const double weight = (double)row->at[WEIGHTS][col];
  const double difference = row->held[col] - sum.value, product = weight * difference;
  const double error =
      fabs(weight) * (sum.error + BENCH_U * fabs(difference)) + BENCH_U * fabs(product);
  near[DSCORES] = (bench_near_t){(double)scale * product, (double)scale * error};
}

const bench_rowwise_t bench_attention_backward = {
    .members = {[WEIGHTS] = {"weights", .extent = BENCH_FULL, .moved = BENCH_SEEN},
                [DY] = {"dy", .extent = BENCH_FULL, .moved = BENCH_SEEN},
                [DSCORES] = {"dscores", .extent = BENCH_FULL, .is_output = true}},
    .inner = BENCH_QUERIES,
    .call = call_backward,
    .begin = begin_backward,
    .expect = expect_backward,
};
