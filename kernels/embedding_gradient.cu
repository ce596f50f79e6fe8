/* embedding_gradient.cu - the types and walks of embedding_gradient.cuh. */
#include "embedding_gradient.cuh"

#define INSTANCE(DTYPE, TYPE)                                      \
  {                                                                \
    DTYPE, {                                                       \
      cudropi_embedding_gradient<TYPE, CUDROPI_ROWS_DRAWN>,        \
          cudropi_embedding_gradient<TYPE, CUDROPI_ROWS_PREPARED>, \
          cudropi_embedding_gradient<TYPE, CUDROPI_ROWS_GENERAL>   \
    }                                                              \
  }

static const cudropi_rows_instance_t instances[] = {
    INSTANCE(CUDROP_F32, cudropi_f32),
    INSTANCE(CUDROP_F16, cudropi_f16),
    INSTANCE(CUDROP_BF16, cudropi_bf16),
};

/* The same for every walk. */
#define JOIN(DTYPE, TYPE)                                                       \
  {                                                                             \
    DTYPE, {                                                                    \
      cudropi_join_runs<TYPE>, cudropi_join_runs<TYPE>, cudropi_join_runs<TYPE> \
    }                                                                           \
  }

static const cudropi_rows_instance_t joins[] = {
    JOIN(CUDROP_F32, cudropi_f32),
    JOIN(CUDROP_F16, cudropi_f16),
    JOIN(CUDROP_BF16, cudropi_bf16),
};

cudaError_t cudropi_launch_embedding_gradient(const cudropi_rows_work_t *work) {
  const cudropi_rows_t *rows = work->rows;
  const cudropi_tiling_t *tiling = &rows->tiling;
  const int64_t blocks =
      (tiling->slabs + tiling->ways - 1) / tiling->ways * tiling->tiles;
  cudaError_t error = cudaSuccess;
  if (rows->gather.is_sorted) error = cudropi_launch_sort(work);
  if (error == cudaSuccess)
    error = cudropi_rows_launch_blocks(instances, CUDROPI_ROWS_DY, work, blocks);
  if (error == cudaSuccess)
    error = cudropi_rows_launch_blocks(joins, cudropi_rows_table(rows), work, blocks);
  return error;
}
