/* fake_cublas.c - cuBLAS's products of matrices, as they are defined: column by column. */
#include "fake_cublas.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/* Matrices with their columns one after the other, `stride` elements apart. */
typedef struct {
  const void *first;
  cudaDataType_t type;
  long long stride;
  long long next; /* of a batch, elements apart */
  bool is_transposed;
} matrix_t;

typedef struct {
  int m, n, k, count;
  float alpha, beta;
  matrix_t a, b, c;
  void *to; /* c's data */
} product_t;

static size_t place(const matrix_t *matrix, int number, int row, int col) {
  const long long r = matrix->is_transposed ? col : row;
  const long long c = matrix->is_transposed ? row : col;
  return (size_t)(number * matrix->next + r + c * matrix->stride);
}

/* BF16 is the upper half of a float. */
static float get(const matrix_t *matrix, int number, int row, int col) {
  const size_t at = place(matrix, number, row, col);
  if (matrix->type == CUDA_R_32F) return ((const float *)matrix->first)[at];
  const uint32_t bits = (uint32_t)((const uint16_t *)matrix->first)[at] << 16;
  float value = 0.0f;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Rounded to nearest even; the numbers here are finite. */
static void set(const product_t *p, int number, int row, int col, float value) {
  const size_t at = place(&p->c, number, row, col);
  if (p->c.type == CUDA_R_32F) {
    ((float *)p->to)[at] = value;
    return;
  }
  uint32_t bits = 0;
  memcpy(&bits, &value, sizeof bits);
  ((uint16_t *)p->to)[at] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* On a GPU another pointer would end the context. */
static bool is_on_device(const void *data) {
  struct cudaPointerAttributes attributes;
  return cudaPointerGetAttributes(&attributes, data) == cudaSuccess &&
         attributes.type == cudaMemoryTypeDevice;
}

static void compute(const product_t *p, int number, int row, int col) {
  float sum = 0.0f;
  for (int i = 0; i < p->k; ++i)
    sum += get(&p->a, number, row, i) * get(&p->b, number, i, col);
  const float scaled = p->alpha * sum;
  set(p, number, row, col,
      p->beta == 0.0f ? scaled : scaled + p->beta * get(&p->c, number, row, col));
}

static void compute_all(const void *arguments) {
  const product_t *p = arguments;
  for (int number = 0; number < p->count; ++number)
    for (int col = 0; col < p->n; ++col)
      for (int row = 0; row < p->m; ++row) compute(p, number, row, col);
}

static cublasStatus_t multiply(cublasHandle_t handle, const product_t *p) {
  if (handle == NULL) return CUBLAS_STATUS_NOT_INITIALIZED;
  const cublasStatus_t status = enter();
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (p->m < 1 || p->n < 1 || p->k < 1 || p->count < 1 ||
      p->a.stride < (p->a.is_transposed ? p->k : p->m) ||
      p->b.stride < (p->b.is_transposed ? p->n : p->k) || p->c.stride < p->m)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (!is_on_device(p->a.first) || !is_on_device(p->b.first) || !is_on_device(p->c.first))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  return fake_cuda_do(handle->stream, compute_all, p, sizeof *p) == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}

/* Of two types, and sums in float; a and b have one type. */
cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
    int n, int k, const void *alpha, const void *A, cudaDataType_t Atype, int lda,
    long long strideA, const void *B, cudaDataType_t Btype, int ldb, long long strideB,
    const void *beta, void *C, cudaDataType_t Ctype, int ldc, long long strideC,
    int batchCount, cublasComputeType_t computeType, cublasGemmAlgo_t algo) {
  const bool are_known =
      (Atype == CUDA_R_32F || Atype == CUDA_R_16BF) && Btype == Atype &&
      (Ctype == CUDA_R_32F || Ctype == Atype) &&
      (computeType == CUBLAS_COMPUTE_32F_PEDANTIC || computeType == CUBLAS_COMPUTE_32F);
  const product_t product = {
      .m = m,
      .n = n,
      .k = k,
      .count = batchCount,
      .alpha = *(const float *)alpha,
      .beta = *(const float *)beta,
      .a = {A, Atype, lda, strideA, transa != CUBLAS_OP_N},
      .b = {B, Btype, ldb, strideB, transb != CUBLAS_OP_N},
      .c = {C, Ctype, ldc, strideC, false},
      .to = C,
  };
  (void)algo;
  return are_known ? multiply(handle, &product) : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int m, int n, int k,
                              const float *alpha, const float *A, int lda, const float *B,
                              int ldb, const float *beta, float *C, int ldc) {
  return cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, A, CUDA_R_32F,
                                    lda, 0, B, CUDA_R_32F, ldb, 0, beta, C, CUDA_R_32F,
                                    ldc, 0, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}
