/* fused.c - bias, activation, dropout and residual: the public calls. */
#include "call/rows.h"
#include "core/status.h"

cudrop_status_t cudrop_fused_forward(cudrop_context_t *context,
                                     const cudrop_fused_forward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  const cudropi_rows_call_t call = {
      .function = __func__,
      .op = CUDROPI_ROWS_FUSED,
      .first = CUDROPI_ROWS_X,
      .argument = {[CUDROPI_ROWS_X] = {.name = "x", .tensor = args->x, .is_needed = true},
                   [CUDROPI_ROWS_BIAS] = {.name = "bias",
                                          .tensor = args->bias,
                                          .extent = CUDROPI_EXTENT_ROW,
                                          .type = CUDROPI_TYPE_SAME_OR_F32},
                   [CUDROPI_ROWS_RESIDUAL] = {.name = "residual",
                                              .tensor = args->residual},
                   [CUDROPI_ROWS_Y] = {.name = "y",
                                       .tensor = args->y,
                                       .is_needed = true,
                                       .is_output = true}},
      .mask = args->mask,
      .activation = args->activation};
  return cudropi_rows_run(context, &call);
}

static cudropi_rows_call_t describe_backward(const char *function,
                                             const cudrop_fused_backward_t *args) {
  return (cudropi_rows_call_t){
      .function = function,
      .op = CUDROPI_ROWS_FUSED_GRADIENT,
      .first = CUDROPI_ROWS_DY,
      .argument =
          {[CUDROPI_ROWS_DY] = {.name = "dy", .tensor = args->dy, .is_needed = true},
           [CUDROPI_ROWS_X] = {.name = "x", .tensor = args->x},
           [CUDROPI_ROWS_BIAS] = {.name = "bias",
                                  .tensor = args->bias,
                                  .extent = CUDROPI_EXTENT_ROW,
                                  .type = CUDROPI_TYPE_SAME_OR_F32},
           [CUDROPI_ROWS_DX] = {.name = "dx", .tensor = args->dx, .is_output = true},
           [CUDROPI_ROWS_DBIAS] = {.name = "dbias",
                                   .tensor = args->dbias,
                                   .extent = CUDROPI_EXTENT_ROW,
                                   .type = CUDROPI_TYPE_SAME_OR_F32,
                                   .is_output = true}},
      .mask = args->mask,
      .activation = args->activation,
      .accumulate = args->accumulate,
      .workspace = {args->workspace, args->workspace_bytes}};
}

cudrop_status_t cudrop_fused_backward(cudrop_context_t *context,
                                      const cudrop_fused_backward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  REQUIRE(args->dx != NULL || args->dbias != NULL, CUDROP_ERROR_NULL_POINTER,
          "%s: dx and dbias are both NULL", __func__);
  REQUIRE(args->x != NULL || args->activation == CUDROP_IDENTITY,
          CUDROP_ERROR_NULL_POINTER, "%s: x is NULL, and activation = %d needs it",
          __func__, (int)args->activation);
  const cudropi_rows_call_t call = describe_backward(__func__, args);
  return cudropi_rows_run(context, &call);
}

cudrop_status_t cudrop_fused_backward_workspace(const cudrop_fused_backward_t *args,
                                                size_t *bytes) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  const cudropi_rows_call_t call = describe_backward(__func__, args);
  return cudropi_rows_query(&call, bytes);
}
