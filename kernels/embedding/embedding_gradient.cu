/* embedding_gradient.cu - the types and walks of embedding_gradient.cuh. */
#include "embedding/embedding_gradient.cuh"

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

/* A level: a way of a block for every `width` entries. */
template <int count>
static cudaError_t launch_level(const cudropi_rows_instance_t (&level)[count],
                                cudropi_rows_operand_t first,
                                const cudropi_rows_work_t *work, int64_t width) {
  cudropi_rows_t rows = *work->rows;
  const cudropi_rows_work_t of_level = {&rows, work->walk, work->stream};
  const int64_t needed = (rows.gather.entries + width - 1) / width;
  const int32_t ways = rows.tiling.ways;
  rows.gather.width = width;
  return cudropi_rows_launch_blocks(level, first, &of_level,
                                    (needed + ways - 1) / ways * rows.tiling.tiles);
}

cudaError_t cudropi_launch_embedding_gradient(const cudropi_rows_work_t *work) {
  const cudropi_gather_t *gather = &work->rows->gather;
  const cudropi_rows_operand_t table = cudropi_rows_table(work->rows);
  cudaError_t error = cudaSuccess;
  if (gather->is_sorted) error = cudropi_launch_sort(work);
  if (error == cudaSuccess)
    error = launch_level(instances, CUDROPI_ROWS_DY, work, CUDROPI_SEGMENT);
  for (int64_t part = CUDROPI_SEGMENT; part < gather->entries && error == cudaSuccess;
       part *= CUDROPI_SEGMENT)
    error = launch_level(joins, table, work, part);
  return error;
}
