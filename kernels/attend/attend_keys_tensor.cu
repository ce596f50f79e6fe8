/* attend_keys_tensor.cu - attend_keys_tensor.cuh in each type and head size, and the launch. */
#include "attend/attend_keys_tensor.cuh"
#include "attend/attend_launch.h"

static const cudropi_tile_instance_t instances[] =
    CUDROPI_TILE_INSTANCES(cudropi_attend_keys_tensor, cudropi_keys_shape);

cudaError_t cudropi_launch_attend_keys_tensor(const cudropi_work_t *work) {
  const cudropi_attend_t *options = cudropi_attend(work->plan);
  const cudropi_visible_t *visible = &options->attention.visible;
  return cudropi_tile_launch(instances, work,
                             work->plan->rows / (options->group * visible->queries),
                             visible->keys);
}
