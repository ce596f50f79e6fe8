/* attend_launch.h - the launches of each kernel, among which attend.cu chooses. */
#ifndef CUDROP_ATTEND_LAUNCH_H
#define CUDROP_ATTEND_LAUNCH_H

#include "launch.h"

/* For any call. */
cudaError_t cudropi_launch_attend_any(const cudropi_work_t *work);
cudaError_t cudropi_launch_attend_keys_any(const cudropi_work_t *work);    /* dK and dV */
cudaError_t cudropi_launch_attend_queries_any(const cudropi_work_t *work); /* dQ */

/* For what tensor cores can do, as attend.cu decides. */
cudaError_t cudropi_launch_attend_tensor(const cudropi_work_t *work);
cudaError_t cudropi_launch_attend_keys_tensor(const cudropi_work_t *work);    /* dK, dV */
cudaError_t cudropi_launch_attend_queries_tensor(const cudropi_work_t *work); /* dQ */

/* What the gradient needs to know of each row, to the plan's of_rows: see attend_delta.cuh. */
cudaError_t cudropi_launch_attend_delta(const cudropi_work_t *work);

#endif /* CUDROP_ATTEND_LAUNCH_H */
