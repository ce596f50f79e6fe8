/* norm.c - bias, dropout, residual and a norm: the public calls. */
#include "ops/norm/norm.h"

#include <string.h>

#include "core/status.h"

#define EACH(NAME, FLAGS)                                                     \
  {                                                                           \
    .name = (NAME), .extent = CUDROPI_EXTENT_EACH, .types = CUDROPI_ONLY_F32, \
    .flags = (FLAGS)                                                          \
  }

/* Check the struct that forward and backward share, the reserved members, and `mean`. */
static cudrop_status_t check_shared(const char *function, const cudrop_norm_t *norm,
                                    const uint64_t *reserved,
                                    const cudrop_tensor_t *mean) {
  REQUIRE(norm != NULL, CUDROP_ERROR_NULL_POINTER, "%s: norm is NULL", function);
  TRY(cudropi_check_reserved(function, "norm", norm->reserved));
  TRY(cudropi_check_reserved(function, "args", reserved));
  REQUIRE(norm->kind == CUDROP_LAYER_NORM || norm->kind == CUDROP_RMS_NORM,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: kind = %d does not exist", function,
          (int)norm->kind);
  REQUIRE(norm->kind == CUDROP_LAYER_NORM || mean == NULL, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: there is a mean, and CUDROP_RMS_NORM has none", function);
  return CUDROP_OK;
}

static void plan_options(const cudropi_call_t *call, cudropi_plan_t *plan) {
  cudropi_norm_t options = *(const cudropi_norm_t *)call->options;
  options.share = 1.0f / (float)plan->cols;
  memcpy(plan->options, &options, sizeof options);
}

/* ---- Forward ----------------------------------------------------------------------------- */

static cudrop_status_t check_forward(const cudropi_call_t *call) {
  const cudropi_norm_t *options = call->options;
  const cudrop_tensor_t *residual = call->tensor[CUDROPI_NORM_RESIDUAL];
  const cudrop_tensor_t *x = call->tensor[CUDROPI_NORM_X];
  REQUIRE(call->tensor[CUDROPI_NORM_H] != NULL || residual == NULL || x == NULL ||
              residual->dtype == x->dtype,
          CUDROP_ERROR_NULL_POINTER,
          "%s: h is NULL, and a residual of another type than x needs it",
          call->op->function);
  REQUIRE(options->epsilon > 0.0f && isfinite(options->epsilon),
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: epsilon = %g must be finite and above 0",
          call->op->function, (double)options->epsilon);
  return CUDROP_OK;
}

/* The forward operator: one for calls with an x, one for a residual stream alone. */
#define FORWARD(LEADER, X, RESIDUAL)                                                  \
  {                                                                                   \
    .function = "cudrop_norm_forward",                                                \
    .slot = {[CUDROPI_NORM_X] = CUDROPI_FULL("x", X),                                 \
             [CUDROPI_NORM_BIAS] = CUDROPI_VECTOR("bias", 0),                         \
             [CUDROPI_NORM_RESIDUAL] =                                                \
                 CUDROPI_FULL("residual", CUDROPI_STREAM | RESIDUAL),                 \
             [CUDROPI_NORM_GAMMA] = CUDROPI_VECTOR("gamma", 0),                       \
             [CUDROPI_NORM_BETA] = CUDROPI_VECTOR("beta", 0),                         \
             [CUDROPI_NORM_H] = CUDROPI_FULL("h", CUDROPI_OUTPUT | CUDROPI_STREAM),   \
             [CUDROPI_NORM_Y] = CUDROPI_FULL("y", CUDROPI_NEEDED | CUDROPI_OUTPUT),   \
             [CUDROPI_NORM_MEAN] = EACH("mean", CUDROPI_OUTPUT),                      \
             [CUDROPI_NORM_RSTD] = EACH("rstd", CUDROPI_OUTPUT)},                     \
    .leader = LEADER, .has_rows = true, .check = check_forward, .plan = plan_options, \
    .host = CUDROPI_HOST(cudropi_norm_forward),                                       \
    .launch = CUDROPI_LAUNCH(cudropi_launch_norm)                                     \
  }
static const cudropi_op_t forward = FORWARD(CUDROPI_NORM_X, CUDROPI_NEEDED, 0);
static const cudropi_op_t forward_alone =
    FORWARD(CUDROPI_NORM_RESIDUAL, 0, CUDROPI_NEEDED);

cudrop_status_t cudrop_norm_forward(cudrop_context_t *context,
                                    const cudrop_norm_forward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(check_shared(__func__, args->norm, args->reserved, args->mean));
  const bool is_alone = args->x == NULL && args->residual != NULL;
  const cudropi_norm_t options = {.kind = args->norm->kind,
                                  .epsilon = args->norm->epsilon};
  const cudropi_call_t call = {
      .op = is_alone ? &forward_alone : &forward,
      .tensor = {[CUDROPI_NORM_X] = args->x,
                 [CUDROPI_NORM_BIAS] = is_alone ? NULL : args->norm->bias,
                 [CUDROPI_NORM_RESIDUAL] = args->residual,
                 [CUDROPI_NORM_GAMMA] = args->norm->gamma,
                 [CUDROPI_NORM_BETA] = args->norm->beta,
                 [CUDROPI_NORM_H] = args->h,
                 [CUDROPI_NORM_Y] = args->y,
                 [CUDROPI_NORM_MEAN] = args->mean,
                 [CUDROPI_NORM_RSTD] = args->rstd},
      .mask = is_alone ? NULL : args->norm->mask,
      .options = &options};
  return cudropi_run(context, &call);
}

/* ---- The gradient ------------------------------------------------------------------------ */

static cudrop_status_t check_mean(const cudropi_call_t *call) {
  const cudropi_norm_t *options = call->options;
  REQUIRE(call->tensor[CUDROPI_NORM_GRADIENT_MEAN] != NULL ||
              options->kind == CUDROP_RMS_NORM,
          CUDROP_ERROR_NULL_POINTER, "%s: mean is NULL", call->op->function);
  return CUDROP_OK;
}

static const cudropi_op_t backward = {
    .function = "cudrop_norm_backward",
    .slot = {[CUDROPI_NORM_GRADIENT_DY] = CUDROPI_FULL("dy", CUDROPI_NEEDED),
             [CUDROPI_NORM_GRADIENT_DH] = CUDROPI_FULL("dh", CUDROPI_STREAM),
             [CUDROPI_NORM_GRADIENT_H] =
                 CUDROPI_FULL("h", CUDROPI_NEEDED | CUDROPI_STREAM),
             [CUDROPI_NORM_GRADIENT_MEAN] = EACH("mean", 0),
             [CUDROPI_NORM_GRADIENT_RSTD] = EACH("rstd", CUDROPI_NEEDED),
             [CUDROPI_NORM_GRADIENT_GAMMA] = CUDROPI_VECTOR("gamma", 0),
             [CUDROPI_NORM_GRADIENT_DX] = CUDROPI_FULL("dx", CUDROPI_OUTPUT),
             [CUDROPI_NORM_GRADIENT_DRESIDUAL] =
                 CUDROPI_FULL("dresidual", CUDROPI_OUTPUT | CUDROPI_STREAM),
             [CUDROPI_NORM_GRADIENT_DBIAS] =
                 CUDROPI_VECTOR("dbias", CUDROPI_OUTPUT | CUDROPI_SUM),
             [CUDROPI_NORM_GRADIENT_DGAMMA] =
                 CUDROPI_VECTOR("dgamma", CUDROPI_OUTPUT | CUDROPI_SUM),
             [CUDROPI_NORM_GRADIENT_DBETA] =
                 CUDROPI_VECTOR("dbeta", CUDROPI_OUTPUT | CUDROPI_SUM)},
    .leader = CUDROPI_NORM_GRADIENT_DY,
    .has_rows = true,
    .has_whole_rows = true,
    .has_workspace = true,
    .floats_a_row = CUDROPI_NORM_FLOATS,
    .check = check_mean,
    .plan = plan_options,
    .host = CUDROPI_HOST(cudropi_norm_gradient),
    .launch = CUDROPI_LAUNCH(cudropi_launch_norm_gradient)};

static cudropi_call_t describe(const cudrop_norm_backward_t *args,
                               const cudropi_norm_t *options) {
  return (cudropi_call_t){.op = &backward,
                          .tensor = {[CUDROPI_NORM_GRADIENT_DY] = args->dy,
                                     [CUDROPI_NORM_GRADIENT_DH] = args->dh,
                                     [CUDROPI_NORM_GRADIENT_H] = args->h,
                                     [CUDROPI_NORM_GRADIENT_MEAN] = args->mean,
                                     [CUDROPI_NORM_GRADIENT_RSTD] = args->rstd,
                                     [CUDROPI_NORM_GRADIENT_GAMMA] = args->norm->gamma,
                                     [CUDROPI_NORM_GRADIENT_DX] = args->dx,
                                     [CUDROPI_NORM_GRADIENT_DRESIDUAL] = args->dresidual,
                                     [CUDROPI_NORM_GRADIENT_DBIAS] = args->dbias,
                                     [CUDROPI_NORM_GRADIENT_DGAMMA] = args->dgamma,
                                     [CUDROPI_NORM_GRADIENT_DBETA] = args->dbeta},
                          .mask = args->norm->mask,
                          .accumulate = args->accumulate,
                          .options = options,
                          .workspace = args->workspace,
                          .workspace_bytes = args->workspace_bytes};
}

/* Check that the call has an output, and that accumulating to dresidual does not add dh twice. */
static cudrop_status_t check_outputs(const char *function,
                                     const cudrop_norm_backward_t *args) {
  REQUIRE(args->dx != NULL || args->dresidual != NULL || args->dbias != NULL ||
              args->dgamma != NULL || args->dbeta != NULL,
          CUDROP_ERROR_NULL_POINTER,
          "%s: dx, dresidual, dbias, dgamma and dbeta are all NULL", function);
  REQUIRE((args->accumulate & CUDROP_ACCUMULATE_DATA) == 0 || args->dh == NULL ||
              args->dresidual == NULL || args->dh->data == NULL ||
              args->dh->data != args->dresidual->data,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: dresidual is dh, which CUDROP_ACCUMULATE_DATA would add once more",
          function);
  return CUDROP_OK;
}

cudrop_status_t cudrop_norm_backward(cudrop_context_t *context,
                                     const cudrop_norm_backward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(check_shared(__func__, args->norm, args->reserved, args->mean));
  TRY(check_outputs(__func__, args));
  const cudropi_norm_t options = {.kind = args->norm->kind};
  const cudropi_call_t call = describe(args, &options);
  return cudropi_run(context, &call);
}

cudrop_status_t cudrop_norm_backward_workspace(int64_t rows, int64_t cols,
                                               size_t *bytes) {
  return cudropi_query(__func__, &backward, rows, cols, bytes);
}
