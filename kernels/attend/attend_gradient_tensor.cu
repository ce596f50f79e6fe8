/* attend_gradient_tensor.cu - attend_gradient_tensor.cuh in each type and head size, and the
 * launches. */
#include "attend/attend_gradient_tensor.cuh"
#include "attend/attend_launch.h"

static const cudropi_tile_instance_t of_queries[] =
    CUDROPI_TILE_INSTANCES(cudropi_attend_queries_tensor, cudropi_queries_shape);
static const cudropi_tile_instance_t of_keys[] =
    CUDROPI_TILE_INSTANCES(cudropi_attend_keys_tensor, cudropi_keys_shape);

cudaError_t cudropi_launch_attend_queries_tensor(const cudropi_work_t *work) {
  const int64_t queries = cudropi_attend(work->plan)->attention.visible.queries;
  return cudropi_tile_launch(of_queries, work, work->plan->rows / queries, queries);
}

cudaError_t cudropi_launch_attend_keys_tensor(const cudropi_work_t *work) {
  const cudropi_attend_t *options = cudropi_attend(work->plan);
  const cudropi_visible_t *visible = &options->attention.visible;
  return cudropi_tile_launch(of_keys, work,
                             work->plan->rows / (options->group * visible->queries),
                             visible->keys);
}
