/* launch_rows.h - the kernels of operators on rows as functions of C. */
#ifndef CUDROP_LAUNCH_ROWS_H
#define CUDROP_LAUNCH_ROWS_H

#include <cuda_runtime_api.h>

#include "cuda/rows_geometry.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const cudropi_rows_t *rows;
  cudropi_rows_walk_t walk;
  cudaStream_t stream;
} cudropi_rows_work_t;

/* As the launches of launch.h. */
cudaError_t cudropi_launch_fused(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_fused_gradient(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_norm(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_norm_gradient(const cudropi_rows_work_t *work); /* after ... */
cudaError_t cudropi_launch_norm_means(const cudropi_rows_work_t *work);    /* ... this */
cudaError_t cudropi_launch_attention(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_attention_reapply(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_attention_gradient(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_embedding(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_embedding_gradient(const cudropi_rows_work_t *work);
cudaError_t cudropi_launch_sort(const cudropi_rows_work_t *work); /* before the last */

/* Finish a vector's sums, from the partial ones of each slab. */
cudaError_t cudropi_launch_column_sums(const cudropi_rows_work_t *work,
                                       const float *partial,
                                       cudropi_rows_operand_t operand);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_LAUNCH_ROWS_H */
