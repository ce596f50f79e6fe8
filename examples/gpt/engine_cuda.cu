/* engine_cuda.cu - the engine on a GPU: cuBLAS, and the launches of engine_cuda.cuh. */
#include "engine_cuda.cuh"

/* ---- cuBLAS ------------------------------------------------------------------------- */

static cudrop_status_t open_blas(engine_t *engine) {
  return cublas_open(&engine->failure, &engine->blas, CUBLAS_DEFAULT_MATH);
}

static cudrop_status_t close_blas(engine_t *engine) {
  return cublas_close(&engine->failure, &engine->blas);
}

static const void *locate(const engine_matrix_t *matrix, int64_t i) {
  return (const char *)matrix->data +
         i * matrix->next[0] * (int64_t)cudrop_dtype_bytes(matrix->dtype);
}

static cudaDataType_t find_type(const engine_matrix_t *matrix) {
  return matrix->dtype == CUDROP_F32 ? CUDA_R_32F : CUDA_R_16BF;
}

/* In float throughout, and not in TF32; of BF16 by tensor cores. */
static cublasComputeType_t find_precision(const engine_product_t *p) {
  return p->a.dtype == CUDROP_F32 ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F;
}

/*
 * cuBLAS reads column-major, where every matrix here is its own transpose: the product of the
 * transposes in the other order is the transpose of the product.
 */
static cublasStatus_t multiply_batch(engine_t *engine, const engine_product_t *p,
                                     int64_t i) {
  const float one = 1, zero = 0;
  return cublasGemmStridedBatchedEx(
      engine->blas, p->transposes_b ? CUBLAS_OP_T : CUBLAS_OP_N,
      p->transposes_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)p->cols, (int)p->rows,
      (int)p->inner, &one, locate(&p->b, i), find_type(&p->b), (int)p->b.row,
      p->b.next[1], locate(&p->a, i), find_type(&p->a), (int)p->a.row, p->a.next[1],
      &zero, const_cast<void *>(locate(&p->c, i)), find_type(&p->c), (int)p->c.row,
      p->c.next[1], (int)p->count[1], find_precision(p), CUBLAS_GEMM_DEFAULT);
}

static cudrop_status_t multiply(engine_t *engine, const engine_product_t *p) {
  for (int64_t i = 0; i < p->count[0]; ++i)
    TRY(cublas_check(&engine->failure, "cublasGemmStridedBatchedEx",
                     multiply_batch(engine, p, i)));
  return CUDROP_OK;
}

/* ---- Kernels ------------------------------------------------------------------------ */

static cudrop_status_t judge(engine_t *engine, const engine_judged_t *judged) {
  const cudaLaunchConfig_t config = cuda_configure(judged->rows * ENGINE_WARP, NULL);
  return cuda_check(&engine->failure, "judge: cudaLaunchKernelEx",
                    cudaLaunchKernelEx(&config, engine_judge, *judged));
}

static cudrop_status_t update(engine_t *engine, const engine_adamw_t *step,
                              const engine_trained_t *trained) {
  const cudaLaunchConfig_t config = cuda_configure((int64_t)trained->n, NULL);
  return cuda_check(&engine->failure, "update: cudaLaunchKernelEx",
                    cudaLaunchKernelEx(&config, engine_update, *step, *trained));
}

static cudrop_status_t narrow(engine_t *engine, const engine_trained_t *trained) {
  if (trained->narrow == NULL) return CUDROP_OK;
  const cudaLaunchConfig_t config = cuda_configure((int64_t)trained->n, NULL);
  return cuda_check(&engine->failure, "narrow: cudaLaunchKernelEx",
                    cudaLaunchKernelEx(&config, engine_narrow, *trained));
}

const engine_table_t engine_cuda = {open_blas, close_blas, multiply,
                                    judge,     update,     narrow};
