/* maths_cuda.cu - the maths on a GPU: cuBLAS, and the launches of maths_cuda.cuh. */
#include "maths_cuda.cuh"

static cudrop_status_t check(maths_t *maths, const char *call, cudaError_t error) {
  return cuda_check(&maths->failure, call, error);
}

/* ---- cuBLAS ----------------------------------------------------------------------- */

/* The pedantic mode computes in float throughout, and not in TF32. */
static cudrop_status_t open_blas(maths_t *maths) {
  return cublas_open(&maths->failure, &maths->blas, CUBLAS_PEDANTIC_MATH);
}

static cudrop_status_t close_blas(maths_t *maths) {
  return cublas_close(&maths->failure, &maths->blas);
}

static cudrop_status_t set_stream(maths_t *maths, cudrop_stream_t stream) {
  return cublas_check(&maths->failure, "cublasSetStream",
                      cublasSetStream(maths->blas, stream));
}

/*
 * cuBLAS reads column-major, where every matrix here is its own transpose: the product of
 * the transposes in the other order is the transpose of the product.
 */
static cudrop_status_t multiply(maths_t *maths, const maths_product_t *p) {
  const float one = 1;
  return cublas_check(
      &maths->failure, "cublasSgemm",
      cublasSgemm(maths->blas, p->transposes_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                  p->transposes_a ? CUBLAS_OP_T : CUBLAS_OP_N, p->cols, p->rows, p->inner,
                  &one, p->b, p->transposes_b ? p->inner : p->cols, p->a,
                  p->transposes_a ? p->rows : p->inner, &p->beta, p->c, p->cols));
}

/* ---- Kernels ---------------------------------------------------------------------- */

static cudrop_status_t repeat_row(maths_t *maths, const float *row, int rows, int cols,
                                  float *y) {
  const int64_t n = (int64_t)rows * cols;
  const cudaLaunchConfig_t config = cuda_configure(n, maths->stream);
  return check(maths, "repeat_row: cudaLaunchKernelEx",
               cudaLaunchKernelEx(&config, maths_repeat_row, row, cols, n, y));
}

static cudrop_status_t sum_rows(maths_t *maths, const float *x, int rows, int cols,
                                float *y) {
  const cudaLaunchConfig_t config = cuda_configure(cols, maths->stream);
  return check(maths, "sum_rows: cudaLaunchKernelEx",
               cudaLaunchKernelEx(&config, maths_sum_rows, x, rows, cols, y));
}

static cudrop_status_t rectify(maths_t *maths, size_t n, float *x) {
  const cudaLaunchConfig_t config = cuda_configure((int64_t)n, maths->stream);
  return check(maths, "rectify: cudaLaunchKernelEx",
               cudaLaunchKernelEx(&config, maths_rectify, n, x));
}

static cudrop_status_t differentiate_rectify(maths_t *maths, size_t n, const float *y,
                                             float *dy) {
  const cudaLaunchConfig_t config = cuda_configure((int64_t)n, maths->stream);
  return check(maths, "differentiate_rectify: cudaLaunchKernelEx",
               cudaLaunchKernelEx(&config, maths_differentiate_rectify, n, y, dy));
}

static cudrop_status_t differentiate_loss(maths_t *maths, const float *logit,
                                          const uint8_t *label, int rows, int classes,
                                          float *d) {
  const cudaLaunchConfig_t config = cuda_configure(rows, maths->stream);
  return check(maths, "differentiate_loss: cudaLaunchKernelEx",
               cudaLaunchKernelEx(&config, maths_differentiate_loss, logit, label, rows,
                                  classes, d));
}

static cudrop_status_t adam(maths_t *maths, const maths_adam_t *step, size_t n,
                            const float *g, float *mean, float *square, float *w) {
  const cudaLaunchConfig_t config = cuda_configure((int64_t)n, maths->stream);
  return check(maths, "adam: cudaLaunchKernelEx",
               cudaLaunchKernelEx(&config, maths_adam, *step, n, g, mean, square, w));
}

const maths_table_t maths_cuda = {
    open_blas,          close_blas, set_stream, multiply,
    repeat_row,         sum_rows,   rectify,    differentiate_rectify,
    differentiate_loss, adam,
};
