/* attend_gradient_any.cu - attend_gradient_any.cuh in each type, and the launches. */
#include "attend/attend_gradient_any.cuh"
#include "attend/attend_launch.h"

static const cudropi_attend_instance_t of_keys[] =
    CUDROPI_ATTEND_INSTANCES(cudropi_attend_keys_any);
static const cudropi_attend_instance_t of_queries[] =
    CUDROPI_ATTEND_INSTANCES(cudropi_attend_queries_any);

cudaError_t cudropi_launch_attend_keys_any(const cudropi_work_t *work) {
  const cudropi_attend_t *options = cudropi_attend(work->plan);
  const cudropi_visible_t *visible = &options->attention.visible;
  const int64_t heads = work->plan->rows / (options->group * visible->queries);
  if (visible->keys == 0) return cudaSuccess;
  return cudropi_attend_launch(
      of_keys, work, cudropi_attend_tasks(heads * visible->keys, visible->keys));
}

cudaError_t cudropi_launch_attend_queries_any(const cudropi_work_t *work) {
  const int64_t queries = cudropi_attend(work->plan)->attention.visible.queries;
  return cudropi_attend_launch(of_queries, work,
                               cudropi_attend_tasks(work->plan->rows, queries));
}
