/* operators.c - the public elementwise operators: a call, checked, planned and run. */
#include "call/plan.h"
#include "call/validate.h"
#include "core/context.h"
#include "core/environment.h"
#include "core/status.h"

static cudrop_status_t compute(cudrop_context_t *context, const void *argument) {
  const cudropi_call_t *call = argument;
  TRY(cudropi_validate(context, call));
  const cudropi_plan_t plan = cudropi_plan(call);
  return context->backend->run(context, call->function, &plan);
}

static cudrop_status_t run(cudrop_context_t *context, const cudropi_call_t *call) {
  return cudropi_compute(compute, context, call);
}

cudrop_status_t cudrop_forward(cudrop_context_t *context, const cudrop_tensor_t *x,
                               const cudrop_mask_t *mask, const cudrop_tensor_t *y) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_DROP,
                                        .x = {CUDROPI_NUMBERS, "x", x},
                                        .mask = mask,
                                        .y = {CUDROPI_NUMBERS, "y", y}});
}

cudrop_status_t cudrop_backward(cudrop_context_t *context, const cudrop_tensor_t *dy,
                                const cudrop_mask_t *mask, const cudrop_tensor_t *dx) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_DROP,
                                        .x = {CUDROPI_NUMBERS, "dy", dy},
                                        .mask = mask,
                                        .y = {CUDROPI_NUMBERS, "dx", dx}});
}

cudrop_status_t cudrop_backward_accumulate(cudrop_context_t *context,
                                           const cudrop_tensor_t *dy,
                                           const cudrop_mask_t *mask,
                                           const cudrop_tensor_t *dx) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_ACCUMULATE,
                                        .x = {CUDROPI_FLOATS, "dy", dy},
                                        .mask = mask,
                                        .y = {CUDROPI_FLOATS, "dx", dx}});
}

cudrop_status_t cudrop_alpha_forward(cudrop_context_t *context, const cudrop_tensor_t *x,
                                     const cudrop_mask_t *mask,
                                     const cudrop_tensor_t *y) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_ALPHA,
                                        .x = {CUDROPI_FLOATS, "x", x},
                                        .mask = mask,
                                        .y = {CUDROPI_FLOATS, "y", y}});
}

cudrop_status_t cudrop_alpha_backward(cudrop_context_t *context,
                                      const cudrop_tensor_t *dy,
                                      const cudrop_mask_t *mask,
                                      const cudrop_tensor_t *dx) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_ALPHA_GRADIENT,
                                        .x = {CUDROPI_FLOATS, "dy", dy},
                                        .mask = mask,
                                        .y = {CUDROPI_FLOATS, "dx", dx}});
}

cudrop_status_t cudrop_export_bits(cudrop_context_t *context, const cudrop_mask_t *mask,
                                   int rank, const int64_t *shape, void *bits) {
  REQUIRE(rank <= 0 || shape != NULL, CUDROP_ERROR_NULL_POINTER, "%s: shape is NULL",
          __func__);
  const cudrop_tensor_t packed = cudrop_tensor(bits, CUDROPI_BIT, rank, shape);
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_EXPORT_BITS,
                                        .mask = mask,
                                        .y = {CUDROPI_INTERNAL, "bits", &packed}});
}

cudrop_status_t cudrop_export_bytes(cudrop_context_t *context, const cudrop_mask_t *mask,
                                    const cudrop_tensor_t *keep) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_EXPORT_BYTES,
                                        .mask = mask,
                                        .y = {CUDROPI_BYTES, "keep", keep}});
}

cudrop_status_t cudrop_export_scale(cudrop_context_t *context, const cudrop_mask_t *mask,
                                    const cudrop_tensor_t *scale) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_EXPORT_SCALE,
                                        .mask = mask,
                                        .y = {CUDROPI_NUMBERS, "scale", scale}});
}

cudrop_status_t cudrop_count_kept(cudrop_context_t *context, const cudrop_mask_t *mask,
                                  int rank, const int64_t *shape, uint64_t *kept) {
  REQUIRE(rank <= 0 || shape != NULL, CUDROP_ERROR_NULL_POINTER, "%s: shape is NULL",
          __func__);
  REQUIRE(kept != NULL, CUDROP_ERROR_NULL_POINTER, "%s: kept is NULL", __func__);
  cudrop_tensor_t total = cudrop_tensor(kept, CUDROPI_TOTAL, rank, shape);
  for (int d = 0; d < CUDROP_MAX_RANK; ++d) total.stride[d] = 0;
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_COUNT_KEPT,
                                        .mask = mask,
                                        .y = {CUDROPI_INTERNAL, "kept", &total}});
}

cudrop_status_t cudrop_apply_bytes(cudrop_context_t *context, const cudrop_tensor_t *x,
                                   const cudrop_tensor_t *keep, double p,
                                   const cudrop_tensor_t *y) {
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_DROP,
                                        .x = {CUDROPI_NUMBERS, "x", x},
                                        .keep = {CUDROPI_BYTES, "keep", keep},
                                        .p = p,
                                        .y = {CUDROPI_NUMBERS, "y", y}});
}

cudrop_status_t cudrop_apply_bits(cudrop_context_t *context, const cudrop_tensor_t *x,
                                  const void *bits, double p, const cudrop_tensor_t *y) {
  REQUIRE(x != NULL, CUDROP_ERROR_NULL_POINTER, "%s: x is NULL", __func__);
  const cudrop_tensor_t packed = cudrop_tensor(bits, CUDROPI_BIT, x->rank, x->shape);
  return run(context, &(cudropi_call_t){.function = __func__,
                                        .op = CUDROPI_DROP,
                                        .x = {CUDROPI_NUMBERS, "x", x},
                                        .keep = {CUDROPI_INTERNAL, "bits", &packed},
                                        .p = p,
                                        .y = {CUDROPI_NUMBERS, "y", y}});
}
