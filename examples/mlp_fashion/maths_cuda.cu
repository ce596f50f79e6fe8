/* maths_cuda.cu - the maths on a GPU: cuBLAS, and the launches of maths_cuda.cuh. */
#include "maths_cuda.cuh"

#include <cublas_v2.h>

/* ---- Errors ----------------------------------------------------------------------- */

static cudrop_status_t check_blas(maths_t *maths, const char *call,
                                  cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return CUDROP_OK;
  return maths_fail(maths, CUDROP_ERROR_CUDA, "%s failed with %s", call,
                    cublasGetStatusName(status));
}

/* ---- cuBLAS ----------------------------------------------------------------------- */

/* The pedantic mode computes in float throughout, and not in TF32. */
static cudrop_status_t open_blas(maths_t *maths) {
  TRY(check_blas(maths, "cublasCreate", cublasCreate(&maths->blas)));
  return check_blas(maths, "cublasSetMathMode",
                    cublasSetMathMode(maths->blas, CUBLAS_PEDANTIC_MATH));
}

static cudrop_status_t close_blas(maths_t *maths) {
  const cublasHandle_t blas = maths->blas;
  maths->blas = NULL;
  return blas == NULL ? CUDROP_OK
                      : check_blas(maths, "cublasDestroy", cublasDestroy(blas));
}

static cudrop_status_t set_stream(maths_t *maths, cudrop_stream_t stream) {
  return check_blas(maths, "cublasSetStream", cublasSetStream(maths->blas, stream));
}

/*
 * cuBLAS reads column-major, where every matrix here is its own transpose: the product of
 * the transposes in the other order is the transpose of the product.
 */
static cudrop_status_t multiply(maths_t *maths, const maths_product_t *p) {
  const float one = 1;
  return check_blas(
      maths, "cublasSgemm",
      cublasSgemm(maths->blas, p->transposes_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                  p->transposes_a ? CUBLAS_OP_T : CUBLAS_OP_N, p->cols, p->rows, p->inner,
                  &one, p->b, p->transposes_b ? p->inner : p->cols, p->a,
                  p->transposes_a ? p->rows : p->inner, &p->beta, p->c, p->cols));
}

/* ---- Kernels ---------------------------------------------------------------------- */

static cudrop_status_t repeat_row(maths_t *maths, const float *row, int rows, int cols,
                                  float *y) {
  const int64_t n = (int64_t)rows * cols;
  const cudaLaunchConfig_t config = maths_configure(maths, n);
  return maths_check(maths, "repeat_row: cudaLaunchKernelEx",
                     cudaLaunchKernelEx(&config, maths_repeat_row, row, cols, n, y));
}

static cudrop_status_t sum_rows(maths_t *maths, const float *x, int rows, int cols,
                                float *y) {
  const cudaLaunchConfig_t config = maths_configure(maths, cols);
  return maths_check(maths, "sum_rows: cudaLaunchKernelEx",
                     cudaLaunchKernelEx(&config, maths_sum_rows, x, rows, cols, y));
}

static cudrop_status_t rectify(maths_t *maths, size_t n, float *x) {
  const cudaLaunchConfig_t config = maths_configure(maths, (int64_t)n);
  return maths_check(maths, "rectify: cudaLaunchKernelEx",
                     cudaLaunchKernelEx(&config, maths_rectify, n, x));
}

static cudrop_status_t differentiate_rectify(maths_t *maths, size_t n, const float *y,
                                             float *dy) {
  const cudaLaunchConfig_t config = maths_configure(maths, (int64_t)n);
  return maths_check(maths, "differentiate_rectify: cudaLaunchKernelEx",
                     cudaLaunchKernelEx(&config, maths_differentiate_rectify, n, y, dy));
}

static cudrop_status_t differentiate_loss(maths_t *maths, const float *logit,
                                          const uint8_t *label, int rows, int classes,
                                          float *d) {
  const cudaLaunchConfig_t config = maths_configure(maths, rows);
  return maths_check(maths, "differentiate_loss: cudaLaunchKernelEx",
                     cudaLaunchKernelEx(&config, maths_differentiate_loss, logit, label,
                                        rows, classes, d));
}

static cudrop_status_t adam(maths_t *maths, const maths_adam_t *step, size_t n,
                            const float *g, float *mean, float *square, float *w) {
  const cudaLaunchConfig_t config = maths_configure(maths, (int64_t)n);
  return maths_check(
      maths, "adam: cudaLaunchKernelEx",
      cudaLaunchKernelEx(&config, maths_adam, *step, n, g, mean, square, w));
}

const maths_table_t maths_cuda = {
    open_blas,          close_blas, set_stream, multiply,
    repeat_row,         sum_rows,   rectify,    differentiate_rectify,
    differentiate_loss, adam,
};
