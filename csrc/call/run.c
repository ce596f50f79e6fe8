/* run.c - running a call: check it, plan it, give the plan to the backend. */
#include "core/context.h"
#include "core/environment.h"
#include "core/status.h"

void cudropi_find_mask_shape(const cudropi_call_t *call, int64_t shape[CUDROP_MAX_RANK]) {
  const cudropi_op_t *op = call->op;
  const cudrop_tensor_t *leader = call->tensor[op->leader];
  for (int d = 0; d < leader->rank; ++d) shape[d] = leader->shape[d];
  if (op->keys != 0)
    shape[leader->rank - 1] = call->tensor[op->keys]->shape[leader->rank - 2];
}

cudrop_status_t cudropi_run_checked(cudrop_context_t *context,
                                    const cudropi_call_t *call) {
  const cudropi_plan_t plan = cudropi_plan(call);
  return context->backend->run(context, &plan);
}

static cudrop_status_t compute(cudrop_context_t *context, const void *argument) {
  const cudropi_call_t *call = argument;
  TRY(cudropi_check(context, call));
  if (call->op->run != NULL) return call->op->run(context, call);
  return cudropi_run_checked(context, call);
}

cudrop_status_t cudropi_run(cudrop_context_t *context, const cudropi_call_t *call) {
  return cudropi_compute(compute, context, call);
}
