/* fake_cublas.c - cuBLAS's product of matrices, as it is defined: column by column. */
#include "fake_cublas.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "fake_cudart.h"

struct cublasContext {
  cublasMath_t mode;
  cudaStream_t stream;
};

static long calls_to_failure = -1;
static cublasStatus_t failure;

void fake_cublas_fail(long k, int status) {
  calls_to_failure = k;
  failure = (cublasStatus_t)status;
}

static cublasStatus_t enter(void) {
  return calls_to_failure >= 0 && calls_to_failure-- == 0 ? failure
                                                          : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle) {
  const cublasStatus_t status = enter();
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  *handle = calloc(1, sizeof **handle);
  return *handle != NULL ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (handle == NULL) return CUBLAS_STATUS_NOT_INITIALIZED;
  const cublasStatus_t status = enter();
  free(handle);
  return status;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (handle == NULL) return CUBLAS_STATUS_NOT_INITIALIZED;
  const cublasStatus_t status = enter();
  if (status == CUBLAS_STATUS_SUCCESS) handle->stream = stream;
  return status;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  if (handle == NULL) return CUBLAS_STATUS_NOT_INITIALIZED;
  const cublasStatus_t status = enter();
  if (status == CUBLAS_STATUS_SUCCESS) handle->mode = mode;
  return status;
}

const char *cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "CUBLAS_STATUS of another name";
  }
}

/* ---- The product -------------------------------------------------------------------- */

/* A matrix with its columns one after the other, `stride` elements apart. */
typedef struct {
  const float *first;
  size_t stride;
  bool is_transposed;
} matrix_t;

static float get(const matrix_t *matrix, int row, int col) {
  const size_t r = (size_t)(matrix->is_transposed ? col : row);
  const size_t c = (size_t)(matrix->is_transposed ? row : col);
  return matrix->first[r + c * matrix->stride];
}

/* C = alpha A B + beta C, C being [m][n]. */
typedef struct {
  int m, n, k;
  float alpha, beta;
  matrix_t a, b;
  float *c;
  size_t stride;
} product_t;

static void multiply(const void *arguments) {
  const product_t *product = arguments;
  for (int col = 0; col < product->n; ++col) {
    for (int row = 0; row < product->m; ++row) {
      float *c = product->c + (size_t)row + (size_t)col * product->stride;
      float sum = 0.0f;
      for (int i = 0; i < product->k; ++i)
        sum += get(&product->a, row, i) * get(&product->b, i, col);
      *c = product->beta == 0.0f ? product->alpha * sum
                                 : product->alpha * sum + product->beta * *c;
    }
  }
}

/* On a GPU another pointer would end the context. */
static bool is_on_device(const void *data) {
  struct cudaPointerAttributes attributes;
  return cudaPointerGetAttributes(&attributes, data) == cudaSuccess &&
         attributes.type == cudaMemoryTypeDevice;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int m, int n, int k,
                              const float *alpha, const float *A, int lda, const float *B,
                              int ldb, const float *beta, float *C, int ldc) {
  if (handle == NULL) return CUBLAS_STATUS_NOT_INITIALIZED;
  const cublasStatus_t status = enter();
  const bool a_turns = transa != CUBLAS_OP_N, b_turns = transb != CUBLAS_OP_N;
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (m < 1 || n < 1 || k < 1 || lda < (a_turns ? k : m) || ldb < (b_turns ? n : k) ||
      ldc < m)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!is_on_device(A) || !is_on_device(B) || !is_on_device(C))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  const product_t product = {.m = m,
                             .n = n,
                             .k = k,
                             .alpha = *alpha,
                             .beta = *beta,
                             .a = {A, (size_t)lda, a_turns},
                             .b = {B, (size_t)ldb, b_turns},
                             .c = C,
                             .stride = (size_t)ldc};
  return fake_cuda_do(handle->stream, multiply, &product, sizeof product) == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}
