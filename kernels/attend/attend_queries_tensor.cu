/* attend_queries_tensor.cu - the instances of attend_queries_tensor.cuh, and the launch. */
#include "attend/attend_launch.h"
#include "attend/attend_queries_tensor.cuh"

static const cudropi_tile_instance_t instances[] =
    CUDROPI_TILE_INSTANCES(cudropi_attend_queries_tensor, cudropi_queries_shape);

cudaError_t cudropi_launch_attend_queries_tensor(const cudropi_work_t *work) {
  const int64_t queries = cudropi_attend(work->plan)->attention.visible.queries;
  return cudropi_tile_launch(instances, work, work->plan->rows / queries, queries);
}
