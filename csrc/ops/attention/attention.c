/* attention.c - attention weights: the public calls. */
#include "ops/attention/attention.h"

#include "call/rows.h"
#include "core/status.h"

/* The arguments that each call has. */
#define LENGTHS(args)                                        \
  {                                                          \
    .name = "lengths", .tensor = (args)->attention->lengths, \
    .extent = CUDROPI_EXTENT_FIRST, .type = CUDROPI_TYPE_I32 \
  }
#define BITS(args, full)                                                               \
  {                                                                                    \
    .name = "bits", .tensor = describe_bits((args)->attention->bits, (full), &packed), \
    .type = CUDROPI_TYPE_INTERNAL                                                      \
  }
#define REQUIRE_ATTENTION(args)                                                          \
  REQUIRE((args) != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);      \
  REQUIRE((args)->attention != NULL, CUDROP_ERROR_NULL_POINTER, "%s: attention is NULL", \
          __func__)

/* The packed bits of a tensor like `full`, made in *made; NULL for none. */
static const cudrop_tensor_t *describe_bits(const void *bits, const cudrop_tensor_t *full,
                                            cudrop_tensor_t *made) {
  if (bits == NULL || full == NULL) return NULL;
  *made = cudrop_tensor(bits, CUDROPI_BIT, full->rank, full->shape);
  return made;
}

cudrop_status_t cudrop_attention_forward(cudrop_context_t *context,
                                         const cudrop_attention_forward_t *args) {
  cudrop_tensor_t packed;
  REQUIRE_ATTENTION(args);
  REQUIRE(args->scores == NULL || args->weights != NULL || args->y != NULL,
          CUDROP_ERROR_NULL_POINTER, "%s: weights and y are both NULL", __func__);
  const cudropi_attention_t attention = {args->attention->scale, args->attention->causal,
                                         args->attention->query_offset};
  const cudropi_rows_call_t call = {
      .function = __func__,
      .op = CUDROPI_ROWS_ATTENTION,
      .first = CUDROPI_ROWS_X,
      .argument = {[CUDROPI_ROWS_X] = {.name = "scores",
                                       .tensor = args->scores,
                                       .is_needed = true},
                   [CUDROPI_ROWS_LENGTHS] = LENGTHS(args),
                   [CUDROPI_ROWS_BITS] = BITS(args, args->scores),
                   [CUDROPI_ROWS_WEIGHTS] = {.name = "weights",
                                             .tensor = args->weights,
                                             .is_output = true},
                   [CUDROPI_ROWS_Y] = {.name = "y",
                                       .tensor = args->y,
                                       .is_output = true}},
      .mask = args->attention->mask,
      .p = args->attention->p,
      .attention = &attention};
  return cudropi_rows_run(context, &call);
}

cudrop_status_t cudrop_attention_reapply(cudrop_context_t *context,
                                         const cudrop_attention_reapply_t *args) {
  cudrop_tensor_t packed;
  REQUIRE_ATTENTION(args);
  const cudropi_attention_t attention = {1.0f, args->attention->causal,
                                         args->attention->query_offset};
  const cudropi_rows_call_t call = {
      .function = __func__,
      .op = CUDROPI_ROWS_ATTENTION_REAPPLY,
      .first = CUDROPI_ROWS_WEIGHTS,
      .argument = {[CUDROPI_ROWS_WEIGHTS] = {.name = "weights",
                                             .tensor = args->weights,
                                             .is_needed = true},
                   [CUDROPI_ROWS_LENGTHS] = LENGTHS(args),
                   [CUDROPI_ROWS_BITS] = BITS(args, args->weights),
                   [CUDROPI_ROWS_Y] = {.name = "y",
                                       .tensor = args->y,
                                       .is_needed = true,
                                       .is_output = true}},
      .mask = args->attention->mask,
      .p = args->attention->p,
      .attention = &attention};
  return cudropi_rows_run(context, &call);
}

cudrop_status_t cudrop_attention_backward(cudrop_context_t *context,
                                          const cudrop_attention_backward_t *args) {
  cudrop_tensor_t packed;
  REQUIRE_ATTENTION(args);
  const cudropi_attention_t attention = {args->attention->scale, args->attention->causal,
                                         args->attention->query_offset};
  const cudropi_rows_call_t call = {
      .function = __func__,
      .op = CUDROPI_ROWS_ATTENTION_GRADIENT,
      .first = CUDROPI_ROWS_DY,
      .argument = {[CUDROPI_ROWS_DY] = {.name = "dy",
                                        .tensor = args->dy,
                                        .is_needed = true},
                   [CUDROPI_ROWS_WEIGHTS] = {.name = "weights",
                                             .tensor = args->weights,
                                             .is_needed = true},
                   [CUDROPI_ROWS_LENGTHS] = LENGTHS(args),
                   [CUDROPI_ROWS_BITS] = BITS(args, args->dy),
                   [CUDROPI_ROWS_DX] = {.name = "dscores",
                                        .tensor = args->dscores,
                                        .is_needed = true,
                                        .is_output = true}},
      .mask = args->attention->mask,
      .p = args->attention->p,
      .attention = &attention};
  return cudropi_rows_run(context, &call);
}
