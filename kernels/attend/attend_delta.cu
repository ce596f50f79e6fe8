/* attend_delta.cu - attend_delta.cuh in each type, and the launch. */
#include "attend/attend_delta.cuh"
#include "attend/attend_launch.h"

static const cudropi_attend_instance_t instances[] =
    CUDROPI_ATTEND_INSTANCES(cudropi_attend_delta);

cudaError_t cudropi_launch_attend_delta(const cudropi_work_t *work) {
  return cudropi_attend_launch(instances, work, work->plan->rows);
}
