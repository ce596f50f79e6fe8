/* relu.c - Relu x -> y: x > 0 ? x : 0, the library's activation without a dropout behind it. */
#include "operator.h"

static cudrop_status_t infer_shape(const operator_call_t *call) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
  const engine_value_t *x = operator_in(call, 0);
  TRY(operator_want_rows(call, 0));
  TRY(operator_want_dtype(call, dtypes, 3));
  operator_shape_like(call, 0, x, x->rank);
  return CUDROP_OK;
}

static cudrop_status_t run(const operator_call_t *call) {
  const cudrop_tensor_t x = operator_tensor(call, operator_in(call, 0));
  const cudrop_tensor_t y = operator_tensor(call, operator_out(call, 0));
  const cudrop_fused_t fused = {.activation = CUDROP_RELU};
  const cudrop_fused_forward_t args = {.fused = &fused, .x = &x, .y = &y};
  return cudrop_fused_forward(call->engine->context, &args);
}

const operator_table_t operator_relu = {
    .name = "Relu",
    .least_inputs = 1,
    .most_inputs = 1,
    .most_outputs = 1,
    .infer_shape = infer_shape,
    .run = run,
};
