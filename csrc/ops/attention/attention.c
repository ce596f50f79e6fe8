/* attention.c - attention weights: the public calls. */
#include "ops/attention/attention.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "core/tensor.h"

#define REQUIRE_ATTENTION(args)                                                     \
  REQUIRE((args) != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__); \
  TRY(cudropi_check_shared_attention(__func__, (args)->attention, (args)->reserved))

cudrop_status_t cudropi_check_shared_attention(const char *function,
                                               const cudrop_attention_t *attention,
                                               const uint64_t *reserved) {
  REQUIRE(attention != NULL, CUDROP_ERROR_NULL_POINTER, "%s: attention is NULL",
          function);
  TRY(cudropi_check_reserved(function, "attention", attention->reserved));
  return cudropi_check_reserved(function, "args", reserved);
}

cudropi_attention_options_t cudropi_find_options(const cudrop_attention_t *attention) {
  return (cudropi_attention_options_t){attention->scale, attention->causal,
                                       attention->query_offset, attention->window};
}

static cudrop_status_t check_options(const cudropi_call_t *call) {
  const char *function = call->op->function;
  const cudropi_attention_options_t *options = call->options;
  REQUIRE(call->tensor[call->op->leader]->rank >= 2, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 1, and queries and keys are 2 dimensions", function,
          call->op->slot[call->op->leader].name);
  REQUIRE(isfinite(options->scale), CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: scale = %g is not finite", function, (double)options->scale);
  REQUIRE(options->causal == CUDROP_NOT_CAUSAL || options->causal == CUDROP_CAUSAL ||
              options->causal == CUDROP_CAUSAL_LAST,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: causal = %d does not exist", function,
          (int)options->causal);
  REQUIRE(options->query_offset >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: query_offset = %lld is negative", function,
          (long long)options->query_offset);
  REQUIRE(options->query_offset == 0 || options->causal == CUDROP_CAUSAL,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: query_offset = %lld means nothing without CUDROP_CAUSAL", function,
          (long long)options->query_offset);
  REQUIRE(options->window >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: window = %lld is negative", function, (long long)options->window);
  REQUIRE(options->window == 0 || options->causal != CUDROP_NOT_CAUSAL,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: window = %lld means nothing without CUDROP_CAUSAL or CUDROP_CAUSAL_LAST",
          function, (long long)options->window);
  return CUDROP_OK;
}

/* Write to *stride how many elements the lengths are apart; false if that differs among them. */
static bool find_stride(const cudrop_tensor_t *lengths, int64_t *stride) {
  int64_t n = 0, inner = 1, wanted = 0; /* inner: lengths in the dimensions behind d */
  bool is_even = true;
  *stride = 0;
  if (cudropi_count(lengths->rank, lengths->shape, &n) && n == 0) return true;
  for (int d = lengths->rank - 1; d >= 0; --d) {
    if (lengths->shape[d] == 1) continue;
    if (inner == 1) *stride = lengths->stride[d];
    is_even = is_even && !__builtin_mul_overflow(*stride, inner, &wanted) &&
              lengths->stride[d] == wanted;
    inner *= lengths->shape[d];
  }
  return is_even;
}

static cudrop_status_t check_lengths(const cudropi_call_t *call) {
  const cudrop_tensor_t *lengths = call->tensor[CUDROPI_ATTENTION_LENGTHS];
  int64_t stride = 0;
  REQUIRE(lengths == NULL || find_stride(lengths, &stride), CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: lengths has strides that do not put them evenly apart",
          call->op->function);
  return CUDROP_OK;
}

/* Find which keys the queries see. */
static cudropi_visible_t find_visible(const cudropi_attention_options_t *options,
                                      const cudrop_tensor_t *leader,
                                      const cudrop_tensor_t *lengths,
                                      const cudropi_plan_t *plan) {
  const int64_t keys = plan->mask_cols, queries = leader->shape[leader->rank - 2];
  const int64_t offset =
      options->causal == CUDROP_CAUSAL_LAST ? keys - queries : options->query_offset;
  int64_t skip = -queries;
  if (options->window == 0 || __builtin_sub_overflow(offset, options->window - 1, &skip))
    skip = -queries;
  cudropi_visible_t visible = {.keys = keys,
                               .queries = queries,
                               .batch_rows = plan->rows,
                               .is_causal = options->causal != CUDROP_NOT_CAUSAL,
                               .query_offset = offset < keys ? offset : keys,
                               .query_skip = skip < -queries ? -queries
                                             : skip < keys   ? skip
                                                             : keys};
  if (lengths == NULL) return visible;
  for (int d = 0; d < lengths->rank; ++d) visible.batch_rows /= lengths->shape[d];
  visible.lengths = lengths->data;
  visible.has_wide_lengths = lengths->dtype == CUDROP_I64;
  find_stride(lengths, &visible.length_stride);
  return visible;
}

cudropi_attention_t cudropi_plan_attention(const cudropi_call_t *call,
                                           const cudropi_plan_t *plan) {
  const cudropi_attention_options_t *options = call->options;
  const cudrop_tensor_t *leader = call->tensor[call->op->leader];
  cudropi_attention_t made = {.scores_scale =
                                  options->scale != 0.0f ? options->scale : 1.0f};
  if (plan->rows > 0)
    made.visible =
        find_visible(options, leader, call->tensor[CUDROPI_ATTENTION_LENGTHS], plan);
  return made;
}

static void plan_options(const cudropi_call_t *call, cudropi_plan_t *plan) {
  const cudropi_attention_t made = cudropi_plan_attention(call, plan);
  memcpy(plan->options, &made, sizeof made);
}

cudrop_status_t cudropi_check_attention(const cudropi_call_t *call) {
  TRY(check_options(call));
  return check_lengths(call);
}

/* Describe packed bits of the shape of `full` in *made; NULL if there are none. */
static const cudrop_tensor_t *describe_bits(const void *bits, const cudrop_tensor_t *full,
                                            cudrop_tensor_t *made) {
  if (bits == NULL || full == NULL) return NULL;
  *made = cudropi_pack(bits, full->rank, full->shape);
  return made;
}

/* ---- Forward ----------------------------------------------------------------------------- */

cudrop_status_t cudrop_attention_forward(cudrop_context_t *context,
                                         const cudrop_attention_forward_t *args) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {[CUDROPI_ATTENTION_SCORES] = CUDROPI_FULL("scores", CUDROPI_NEEDED),
               [CUDROPI_ATTENTION_LENGTHS] = CUDROPI_LENGTHS,
               [CUDROPI_ATTENTION_BITS] = CUDROPI_KEEP_BITS,
               [CUDROPI_ATTENTION_WEIGHTS] = CUDROPI_FULL("weights", CUDROPI_OUTPUT),
               [CUDROPI_ATTENTION_Y] = CUDROPI_FULL("y", CUDROPI_OUTPUT)},
      .leader = CUDROPI_ATTENTION_SCORES,
      .keep = CUDROPI_ATTENTION_BITS,
      .has_rows = true,
      .check = cudropi_check_attention,
      .plan = plan_options,
      .host = CUDROPI_HOST(cudropi_attention_forward),
      .launch = CUDROPI_LAUNCH(cudropi_launch_attention)};
  cudrop_tensor_t packed;
  REQUIRE_ATTENTION(args);
  REQUIRE(args->scores == NULL || args->weights != NULL || args->y != NULL,
          CUDROP_ERROR_NULL_POINTER, "%s: weights and y are both NULL", __func__);
  const cudrop_attention_t *attention = args->attention;
  const cudropi_attention_options_t options = cudropi_find_options(attention);
  const cudropi_call_t call = {
      .op = &op,
      .tensor = {[CUDROPI_ATTENTION_SCORES] = args->scores,
                 [CUDROPI_ATTENTION_LENGTHS] = attention->lengths,
                 [CUDROPI_ATTENTION_BITS] =
                     describe_bits(attention->bits, args->scores, &packed),
                 [CUDROPI_ATTENTION_WEIGHTS] = args->weights,
                 [CUDROPI_ATTENTION_Y] = args->y},
      .mask = attention->mask,
      .p = attention->p,
      .options = &options};
  return cudropi_run(context, &call);
}

/* ---- Reapply ----------------------------------------------------------------------------- */

cudrop_status_t cudrop_attention_reapply(cudrop_context_t *context,
                                         const cudrop_attention_reapply_t *args) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {[CUDROPI_REAPPLY_WEIGHTS] = CUDROPI_FULL("weights", CUDROPI_NEEDED),
               [CUDROPI_REAPPLY_LENGTHS] = CUDROPI_LENGTHS,
               [CUDROPI_REAPPLY_BITS] = CUDROPI_KEEP_BITS,
               [CUDROPI_REAPPLY_Y] = CUDROPI_FULL("y", CUDROPI_NEEDED | CUDROPI_OUTPUT)},
      .leader = CUDROPI_REAPPLY_WEIGHTS,
      .keep = CUDROPI_REAPPLY_BITS,
      .has_rows = true,
      .check = cudropi_check_attention,
      .plan = plan_options,
      .host = CUDROPI_HOST(cudropi_attention_reapply),
      .launch = CUDROPI_LAUNCH(cudropi_launch_attention_reapply)};
  cudrop_tensor_t packed;
  REQUIRE_ATTENTION(args);
  const cudrop_attention_t *attention = args->attention;
  cudropi_attention_options_t options = cudropi_find_options(attention);
  options.scale = 1.0f;
  const cudropi_call_t call = {.op = &op,
                               .tensor = {[CUDROPI_REAPPLY_WEIGHTS] = args->weights,
                                          [CUDROPI_REAPPLY_LENGTHS] = attention->lengths,
                                          [CUDROPI_REAPPLY_BITS] = describe_bits(
                                              attention->bits, args->weights, &packed),
                                          [CUDROPI_REAPPLY_Y] = args->y},
                               .mask = attention->mask,
                               .p = attention->p,
                               .options = &options};
  return cudropi_run(context, &call);
}

/* ---- The gradient ------------------------------------------------------------------------ */

cudrop_status_t cudrop_attention_backward(cudrop_context_t *context,
                                          const cudrop_attention_backward_t *args) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {[CUDROPI_ATTENTION_GRADIENT_DY] = CUDROPI_FULL("dy", CUDROPI_NEEDED),
               [CUDROPI_ATTENTION_GRADIENT_WEIGHTS] =
                   CUDROPI_FULL("weights", CUDROPI_NEEDED),
               [CUDROPI_ATTENTION_GRADIENT_LENGTHS] = CUDROPI_LENGTHS,
               [CUDROPI_ATTENTION_GRADIENT_BITS] = CUDROPI_KEEP_BITS,
               [CUDROPI_ATTENTION_GRADIENT_DSCORES] =
                   CUDROPI_FULL("dscores", CUDROPI_NEEDED | CUDROPI_OUTPUT)},
      .leader = CUDROPI_ATTENTION_GRADIENT_DY,
      .keep = CUDROPI_ATTENTION_GRADIENT_BITS,
      .has_rows = true,
      .check = cudropi_check_attention,
      .plan = plan_options,
      .host = CUDROPI_HOST(cudropi_attention_gradient),
      .launch = CUDROPI_LAUNCH(cudropi_launch_attention_gradient)};
  cudrop_tensor_t packed;
  REQUIRE_ATTENTION(args);
  const cudrop_attention_t *attention = args->attention;
  const cudropi_attention_options_t options = cudropi_find_options(attention);
  const cudropi_call_t call = {
      .op = &op,
      .tensor = {[CUDROPI_ATTENTION_GRADIENT_DY] = args->dy,
                 [CUDROPI_ATTENTION_GRADIENT_WEIGHTS] = args->weights,
                 [CUDROPI_ATTENTION_GRADIENT_LENGTHS] = attention->lengths,
                 [CUDROPI_ATTENTION_GRADIENT_BITS] =
                     describe_bits(attention->bits, args->dy, &packed),
                 [CUDROPI_ATTENTION_GRADIENT_DSCORES] = args->dscores},
      .mask = attention->mask,
      .p = attention->p,
      .options = &options};
  return cudropi_run(context, &call);
}
