/* embedding.cu - embedding.cuh in each type and walk, and the launch. */
#include "embedding/embedding.cuh"
#include "rows_launch.cuh"

static const cudropi_rows_instance_t<cudropi_rows_args_of<cudropi_embedding_t>>
    instances[] = CUDROPI_ROWS_INSTANCES(cudropi_embedding);

int cudropi_launch_embedding(const cudropi_work_t *work) {
  return cudropi_rows_launch(instances, work);
}
