/* engine_host.c - the engine on the host: a CBLAS and loops, in F32. Nothing here can fail. */
#include <cblas.h>

#include "engine_element.h"

static cudrop_status_t open_close(engine_t *engine) {
  (void)engine;
  return CUDROP_OK;
}

static float *locate(const engine_matrix_t *matrix, int64_t i, int64_t j) {
  return (float *)matrix->data + i * matrix->next[0] + j * matrix->next[1];
}

static cudrop_status_t multiply(engine_t *engine, const engine_product_t *p) {
  (void)engine;
  for (int64_t i = 0; i < p->count[0]; ++i)
    for (int64_t j = 0; j < p->count[1]; ++j)
      cblas_sgemm(CblasRowMajor, p->transposes_a ? CblasTrans : CblasNoTrans,
                  p->transposes_b ? CblasTrans : CblasNoTrans, (int)p->rows, (int)p->cols,
                  (int)p->inner, 1, locate(&p->a, i, j), (int)p->a.row,
                  locate(&p->b, i, j), (int)p->b.row, 0, locate(&p->c, i, j),
                  (int)p->c.row);
  return CUDROP_OK;
}

static void judge_row(const engine_judged_t *judged, int64_t row) {
  float *logit = (float *)judged->logits + row * judged->classes;
  const int32_t target = judged->target[row];
  float largest = logit[0];
  double sum = 0.0;
  for (int64_t c = 1; c < judged->classes; ++c)
    if (logit[c] > largest) largest = logit[c];
  for (int64_t c = 0; c < judged->classes; ++c) sum += (double)expf(logit[c] - largest);
  judged->loss[row] = engine_loss(logit[target], largest, sum);
  for (int64_t c = 0; c < judged->classes; ++c)
    logit[c] = engine_loss_gradient(logit[c], largest, sum, c == target, judged->scale);
}

static cudrop_status_t judge(engine_t *engine, const engine_judged_t *judged) {
  (void)engine;
  for (int64_t row = 0; row < judged->rows; ++row) judge_row(judged, row);
  return CUDROP_OK;
}

static cudrop_status_t update(engine_t *engine, const engine_adamw_t *step,
                              const engine_trained_t *trained) {
  const engine_adamw_t numbers = *step; /* which no store below can change */
  const float *restrict gradient = trained->gradient;
  float *restrict mean = trained->mean, *restrict square = trained->square;
  float *restrict parameter = trained->parameter;
  (void)engine;
  for (size_t i = 0; i < trained->n; ++i)
    parameter[i] = engine_step(&numbers, gradient[i], &mean[i], &square[i], parameter[i]);
  return CUDROP_OK;
}

static cudrop_status_t narrow(engine_t *engine, const engine_trained_t *trained) {
  (void)engine;
  (void)trained; /* F32 reads the parameters themselves */
  return CUDROP_OK;
}

const engine_table_t engine_host = {
    .open = open_close,
    .close = open_close,
    .multiply = multiply,
    .judge = judge,
    .update = update,
    .narrow = narrow,
};
