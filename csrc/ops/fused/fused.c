/* fused.c - bias, activation, dropout and residual: the public calls. */
#include "ops/fused/fused.h"

#include <string.h>

#include "core/status.h"

static cudrop_status_t check(const cudropi_call_t *call) {
  static const bool is_activation[] = {
#define IS_ACTIVATION(name, value) [value] = true,
      CUDROP_ACTIVATION_LIST(IS_ACTIVATION)
#undef IS_ACTIVATION
  };
  const cudropi_fused_t *options = call->options;
  REQUIRE((size_t)options->activation < sizeof is_activation / sizeof is_activation[0],
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: activation = %d does not exist",
          call->op->function, (int)options->activation);
  return CUDROP_OK;
}

/* Check the struct that forward and backward share, and the reserved members. */
static cudrop_status_t check_shared(const char *function, const cudrop_fused_t *fused,
                                    const uint64_t *reserved) {
  REQUIRE(fused != NULL, CUDROP_ERROR_NULL_POINTER, "%s: fused is NULL", function);
  TRY(cudropi_check_reserved(function, "fused", fused->reserved));
  return cudropi_check_reserved(function, "args", reserved);
}

static void plan_options(const cudropi_call_t *call, cudropi_plan_t *plan) {
  memcpy(plan->options, call->options, sizeof(cudropi_fused_t));
}

/* ---- Forward ----------------------------------------------------------------------------- */

static const cudropi_op_t forward = {
    .function = "cudrop_fused_forward",
    .slot = {[CUDROPI_FUSED_X] = CUDROPI_FULL("x", CUDROPI_NEEDED),
             [CUDROPI_FUSED_BIAS] = CUDROPI_VECTOR("bias", 0),
             [CUDROPI_FUSED_RESIDUAL] = CUDROPI_FULL("residual", CUDROPI_STREAM),
             [CUDROPI_FUSED_Y] =
                 CUDROPI_FULL("y", CUDROPI_NEEDED | CUDROPI_OUTPUT | CUDROPI_STREAM)},
    .leader = CUDROPI_FUSED_X,
    .has_rows = true,
    .check = check,
    .plan = plan_options,
    .host = CUDROPI_HOST(cudropi_fused_forward),
    .launch = CUDROPI_LAUNCH(cudropi_launch_fused)};

cudrop_status_t cudrop_fused_forward(cudrop_context_t *context,
                                     const cudrop_fused_forward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(check_shared(__func__, args->fused, args->reserved));
  const cudropi_fused_t options = {args->fused->activation};
  const cudropi_call_t call = {.op = &forward,
                               .tensor = {[CUDROPI_FUSED_X] = args->x,
                                          [CUDROPI_FUSED_BIAS] = args->fused->bias,
                                          [CUDROPI_FUSED_RESIDUAL] = args->residual,
                                          [CUDROPI_FUSED_Y] = args->y},
                               .mask = args->fused->mask,
                               .options = &options};
  return cudropi_run(context, &call);
}

/* ---- The gradient ------------------------------------------------------------------------ */

static const cudropi_op_t backward = {
    .function = "cudrop_fused_backward",
    .slot = {[CUDROPI_FUSED_GRADIENT_DY] =
                 CUDROPI_FULL("dy", CUDROPI_NEEDED | CUDROPI_STREAM),
             [CUDROPI_FUSED_GRADIENT_X] = CUDROPI_FULL("x", 0),
             [CUDROPI_FUSED_GRADIENT_BIAS] = CUDROPI_VECTOR("bias", 0),
             [CUDROPI_FUSED_GRADIENT_DX] = CUDROPI_FULL("dx", CUDROPI_OUTPUT),
             [CUDROPI_FUSED_GRADIENT_DBIAS] =
                 CUDROPI_VECTOR("dbias", CUDROPI_OUTPUT | CUDROPI_SUM)},
    .leader = CUDROPI_FUSED_GRADIENT_DY,
    .has_rows = true,
    .has_workspace = true,
    .check = check,
    .plan = plan_options,
    .host = CUDROPI_HOST(cudropi_fused_gradient),
    .launch = CUDROPI_LAUNCH(cudropi_launch_fused_gradient)};

/* The call with these arguments. Without an activation x and bias are left out. */
static cudropi_call_t describe(const cudrop_fused_backward_t *args,
                               const cudropi_fused_t *options) {
  const bool has_slope = options->activation != CUDROP_IDENTITY;
  return (cudropi_call_t){
      .op = &backward,
      .tensor = {[CUDROPI_FUSED_GRADIENT_DY] = args->dy,
                 [CUDROPI_FUSED_GRADIENT_X] = has_slope ? args->x : NULL,
                 [CUDROPI_FUSED_GRADIENT_BIAS] = has_slope ? args->fused->bias : NULL,
                 [CUDROPI_FUSED_GRADIENT_DX] = args->dx,
                 [CUDROPI_FUSED_GRADIENT_DBIAS] = args->dbias},
      .mask = args->fused->mask,
      .accumulate = args->accumulate,
      .options = options,
      .workspace = args->workspace,
      .workspace_bytes = args->workspace_bytes};
}

cudrop_status_t cudrop_fused_backward(cudrop_context_t *context,
                                      const cudrop_fused_backward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(check_shared(__func__, args->fused, args->reserved));
  REQUIRE(args->dx != NULL || args->dbias != NULL, CUDROP_ERROR_NULL_POINTER,
          "%s: dx and dbias are both NULL", __func__);
  REQUIRE(args->x != NULL || args->fused->activation == CUDROP_IDENTITY,
          CUDROP_ERROR_NULL_POINTER, "%s: x is NULL, and activation = %d needs it",
          __func__, (int)args->fused->activation);
  const cudropi_fused_t options = {args->fused->activation};
  const cudropi_call_t call = describe(args, &options);
  return cudropi_run(context, &call);
}

cudrop_status_t cudrop_fused_backward_workspace(int64_t rows, int64_t cols,
                                                size_t *bytes) {
  return cudropi_query(__func__, &backward, rows, cols, bytes);
}
