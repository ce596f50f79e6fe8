/* attend_any.cu - attend_any.cuh in each type, and the launch. */
#include "attend/attend_any.cuh"
#include "attend/attend_launch.h"

static const cudropi_attend_instance_t instances[] =
    CUDROPI_ATTEND_INSTANCES(cudropi_attend_any);

cudaError_t cudropi_launch_attend_any(const cudropi_work_t *work) {
  const int64_t queries = cudropi_attend(work->plan)->attention.visible.queries;
  return cudropi_attend_launch(instances, work,
                               cudropi_attend_tasks(work->plan->rows, queries));
}
