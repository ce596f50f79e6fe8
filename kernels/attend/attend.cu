/* attend.cu - the launch of attention without a matrix. */
#include "attend/attend_launch.h"
#include "ops/attend/attend.h"

int cudropi_launch_attend(const cudropi_work_t *work) {
  return cudropi_launch_attend_any(work);
}

/* dq may be q, o or dout itself, so that it is written when all else has been read. */
int cudropi_launch_attend_gradient(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  cudaError_t error = cudropi_launch_attend_delta(work);
  if (error == cudaSuccess &&
      (cudropi_has(plan, CUDROPI_ATTEND_DK) || cudropi_has(plan, CUDROPI_ATTEND_DV)))
    error = cudropi_launch_attend_keys_any(work);
  if (error == cudaSuccess && cudropi_has(plan, CUDROPI_ATTEND_DQ))
    error = cudropi_launch_attend_queries_any(work);
  return error;
}
