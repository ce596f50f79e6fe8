/* norm.c - bias, dropout, residual and a norm: the public calls. */
#include "ops/norm/norm.h"

#include "call/rows.h"
#include "core/status.h"

static cudropi_rows_argument_t describe_vector(const char *name,
                                               const cudrop_tensor_t *tensor) {
  return (cudropi_rows_argument_t){.name = name,
                                   .tensor = tensor,
                                   .extent = CUDROPI_EXTENT_ROW,
                                   .type = CUDROPI_TYPE_SAME_OR_F32};
}

static cudropi_rows_argument_t describe_each(const char *name,
                                             const cudrop_tensor_t *tensor) {
  return (cudropi_rows_argument_t){.name = name,
                                   .tensor = tensor,
                                   .extent = CUDROPI_EXTENT_EACH,
                                   .type = CUDROPI_TYPE_F32};
}

static cudropi_rows_argument_t as_output(cudropi_rows_argument_t argument) {
  argument.is_output = true;
  return argument;
}

static cudropi_rows_argument_t as_needed(cudropi_rows_argument_t argument) {
  argument.is_needed = true;
  return argument;
}

static cudrop_status_t check_norm(const char *function, cudrop_norm_t norm,
                                  const cudrop_tensor_t *mean) {
  REQUIRE(norm == CUDROP_LAYER_NORM || norm == CUDROP_RMS_NORM,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: norm = %d does not exist", function,
          (int)norm);
  REQUIRE(norm == CUDROP_LAYER_NORM || mean == NULL, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: there is a mean, and CUDROP_RMS_NORM has none", function);
  return CUDROP_OK;
}

cudrop_status_t cudrop_norm_forward(cudrop_context_t *context,
                                    const cudrop_norm_forward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(check_norm(__func__, args->norm, args->mean));
  const cudropi_rows_call_t call = {
      .function = __func__,
      .op = CUDROPI_ROWS_NORM,
      .first = CUDROPI_ROWS_X,
      .argument = {[CUDROPI_ROWS_X] = {.name = "x", .tensor = args->x, .is_needed = true},
                   [CUDROPI_ROWS_BIAS] = describe_vector("bias", args->bias),
                   [CUDROPI_ROWS_RESIDUAL] = {.name = "residual",
                                              .tensor = args->residual},
                   [CUDROPI_ROWS_GAMMA] = describe_vector("gamma", args->gamma),
                   [CUDROPI_ROWS_BETA] = describe_vector("beta", args->beta),
                   [CUDROPI_ROWS_H] = {.name = "h", .tensor = args->h, .is_output = true},
                   [CUDROPI_ROWS_Y] = {.name = "y",
                                       .tensor = args->y,
                                       .is_needed = true,
                                       .is_output = true},
                   [CUDROPI_ROWS_MEAN] = as_output(describe_each("mean", args->mean)),
                   [CUDROPI_ROWS_RSTD] = as_output(describe_each("rstd", args->rstd))},
      .mask = args->mask,
      .norm = args->norm,
      .epsilon = args->epsilon};
  return cudropi_rows_run(context, &call);
}

static cudropi_rows_call_t describe_backward(const char *function,
                                             const cudrop_norm_backward_t *args) {
  cudropi_rows_call_t call = {
      .function = function,
      .op = CUDROPI_ROWS_NORM_GRADIENT,
      .first = CUDROPI_ROWS_DY,
      .argument =
          {[CUDROPI_ROWS_DY] = {.name = "dy", .tensor = args->dy, .is_needed = true},
           [CUDROPI_ROWS_DH] = {.name = "dh", .tensor = args->dh},
           [CUDROPI_ROWS_H] = {.name = "h", .tensor = args->h, .is_needed = true},
           [CUDROPI_ROWS_MEAN] = describe_each("mean", args->mean),
           [CUDROPI_ROWS_RSTD] = as_needed(describe_each("rstd", args->rstd)),
           [CUDROPI_ROWS_GAMMA] = describe_vector("gamma", args->gamma),
           [CUDROPI_ROWS_DX] = {.name = "dx", .tensor = args->dx, .is_output = true},
           [CUDROPI_ROWS_DRESIDUAL] = {.name = "dresidual",
                                       .tensor = args->dresidual,
                                       .is_output = true},
           [CUDROPI_ROWS_DBIAS] = as_output(describe_vector("dbias", args->dbias)),
           [CUDROPI_ROWS_DGAMMA] = as_output(describe_vector("dgamma", args->dgamma)),
           [CUDROPI_ROWS_DBETA] = as_output(describe_vector("dbeta", args->dbeta))},
      .mask = args->mask,
      .norm = args->norm,
      .accumulate = args->accumulate,
      .floats_a_row = CUDROPI_NORM_FLOATS,
      .workspace = {args->workspace, args->workspace_bytes}};
  call.argument[CUDROPI_ROWS_MEAN].is_needed = args->norm == CUDROP_LAYER_NORM;
  return call;
}

/* There is one, and what is to be added to dresidual is not in it already. */
static cudrop_status_t check_outputs(const char *function,
                                     const cudrop_norm_backward_t *args) {
  REQUIRE(args->dx != NULL || args->dresidual != NULL || args->dbias != NULL ||
              args->dgamma != NULL || args->dbeta != NULL,
          CUDROP_ERROR_NULL_POINTER,
          "%s: dx, dresidual, dbias, dgamma and dbeta are all NULL", function);
  REQUIRE((args->accumulate & CUDROP_ACCUMULATE_DATA) == 0 || args->dh == NULL ||
              args->dresidual == NULL || args->dh->data != args->dresidual->data,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: dresidual is dh, which CUDROP_ACCUMULATE_DATA would add once more",
          function);
  return CUDROP_OK;
}

cudrop_status_t cudrop_norm_backward(cudrop_context_t *context,
                                     const cudrop_norm_backward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(check_norm(__func__, args->norm, args->mean));
  TRY(check_outputs(__func__, args));
  const cudropi_rows_call_t call = describe_backward(__func__, args);
  return cudropi_rows_run(context, &call);
}

cudrop_status_t cudrop_norm_backward_workspace(const cudrop_norm_backward_t *args,
                                               size_t *bytes) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  const cudropi_rows_call_t call = describe_backward(__func__, args);
  return cudropi_rows_query(&call, bytes);
}
