/* maths_host.c - the maths on the host: a CBLAS and loops. Nothing here can fail. */
#include <cblas.h>
#include <string.h>

#include "maths_element.h"

#if defined(MLP_DOUBLE)
#define MATHS_GEMM cblas_dgemm
#else
#define MATHS_GEMM cblas_sgemm
#endif

static cudrop_status_t open_close(maths_t *maths) {
  (void)maths;
  return CUDROP_OK;
}

static cudrop_status_t set_stream(maths_t *maths, cudrop_stream_t stream) {
  (void)maths;
  (void)stream; /* the host has none */
  return CUDROP_OK;
}

static cudrop_status_t multiply(maths_t *maths, const maths_product_t *p) {
  (void)maths;
  MATHS_GEMM(CblasRowMajor, p->transposes_a ? CblasTrans : CblasNoTrans,
             p->transposes_b ? CblasTrans : CblasNoTrans, p->rows, p->cols, p->inner, 1,
             p->a, p->transposes_a ? p->rows : p->inner, p->b,
             p->transposes_b ? p->inner : p->cols, p->beta, p->c, p->cols);
  return CUDROP_OK;
}

static cudrop_status_t repeat_row(maths_t *maths, const real_t *row, int rows, int cols,
                                  real_t *y) {
  (void)maths;
  for (int r = 0; r < rows; ++r)
    memcpy(y + (size_t)r * (size_t)cols, row, (size_t)cols * sizeof *y);
  return CUDROP_OK;
}

static cudrop_status_t sum_rows(maths_t *maths, const real_t *x, int rows, int cols,
                                real_t *y) {
  (void)maths;
  memset(y, 0, (size_t)cols * sizeof *y);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) y[c] += x[(size_t)r * (size_t)cols + (size_t)c];
  return CUDROP_OK;
}

static cudrop_status_t rectify(maths_t *maths, size_t n, real_t *x) {
  (void)maths;
  for (size_t i = 0; i < n; ++i) x[i] = maths_rectified(x[i]);
  return CUDROP_OK;
}

static cudrop_status_t differentiate_rectify(maths_t *maths, size_t n, const real_t *y,
                                             real_t *dy) {
  (void)maths;
  for (size_t i = 0; i < n; ++i) dy[i] = maths_rectified_gradient(y[i], dy[i]);
  return CUDROP_OK;
}

static cudrop_status_t differentiate_loss(maths_t *maths, const real_t *logit,
                                          const uint8_t *label, int rows, int classes,
                                          real_t *d) {
  (void)maths;
  for (int r = 0; r < rows; ++r) {
    const size_t row = (size_t)r * (size_t)classes;
    maths_loss_gradient(logit + row, label[r], rows, classes, d + row);
  }
  return CUDROP_OK;
}

static cudrop_status_t adam(maths_t *maths, const maths_adam_t *step, size_t n,
                            const real_t *restrict g, real_t *restrict mean,
                            real_t *restrict square, real_t *restrict w) {
  const maths_adam_t numbers = *step; /* which no store below can change */
  (void)maths;
  for (size_t i = 0; i < n; ++i)
    maths_adam_step(&numbers, g[i], &mean[i], &square[i], &w[i]);
  return CUDROP_OK;
}

const maths_table_t maths_host = {
    .open = open_close,
    .close = open_close,
    .set_stream = set_stream,
    .multiply = multiply,
    .repeat_row = repeat_row,
    .sum_rows = sum_rows,
    .rectify = rectify,
    .differentiate_rectify = differentiate_rectify,
    .differentiate_loss = differentiate_loss,
    .adam = adam,
};
