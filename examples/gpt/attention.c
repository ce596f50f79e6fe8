/* attention.c - the bias of q, k and v, and who sees whom, whatever the way. */
#include "attention.h"

#include <math.h>

/* ---- The bias of q, k and v --------------------------------------------------------- */

static cudrop_status_t add_bias(gpt_t *gpt, int layer) {
  const cudrop_tensor_t qkv = gpt_rows(gpt, gpt->block[layer].qkv, 3 * gpt->shape.inner);
  const cudrop_tensor_t bias = gpt_vector(gpt, gpt->parameter, GPT_QKV_BIAS, layer);
  const cudrop_fused_t fused = {.bias = &bias};
  if (!gpt->config.has_qkv_bias) return CUDROP_OK;
  TRY(cudrop_fused_forward(
      gpt->context, &(cudrop_fused_forward_t){.fused = &fused, .x = &qkv, .y = &qkv}));
  return gpt_lap(gpt, GPT_LAP_REST);
}

static cudrop_status_t differentiate_bias(gpt_t *gpt, int layer) {
  const gpt_scratch_t *scratch = &gpt->scratch;
  const cudrop_tensor_t dqkv = gpt_rows(gpt, scratch->wide, 3 * gpt->shape.inner);
  const cudrop_tensor_t bias = gpt_vector(gpt, gpt->parameter, GPT_QKV_BIAS, layer);
  const cudrop_tensor_t dbias = gpt_vector(gpt, gpt->gradient, GPT_QKV_BIAS, layer);
  const cudrop_fused_t fused = {.bias = &bias};
  if (!gpt->config.has_qkv_bias) return CUDROP_OK;
  TRY(cudrop_fused_backward(
      gpt->context,
      &(cudrop_fused_backward_t){.fused = &fused,
                                 .dy = &dqkv,
                                 .dbias = &dbias,
                                 .workspace = scratch->workspace,
                                 .workspace_bytes = scratch->workspace_bytes}));
  return gpt_lap(gpt, GPT_LAP_REST);
}

/* ---- Heads -------------------------------------------------------------------------- */

static cudrop_tensor_t cut_heads(const gpt_t *gpt, void *data, int64_t first,
                                 int64_t cols) {
  const gpt_shape_t *shape = &gpt->shape;
  const int64_t length = gpt->config.length;
  return (cudrop_tensor_t){
      .data = (char *)data + (size_t)first * cudrop_dtype_bytes(gpt->config.dtype),
      .dtype = gpt->config.dtype,
      .rank = 4,
      .shape = {shape->rows, shape->heads, length, shape->head_width},
      .stride = {length * cols, shape->head_width, cols, 1},
  };
}

cudrop_tensor_t gpt_heads(const gpt_t *gpt, void *data) {
  return cut_heads(gpt, data, 0, gpt->shape.inner);
}

cudrop_tensor_t gpt_third(const gpt_t *gpt, void *qkv, gpt_third_t third) {
  const int64_t inner = gpt->shape.inner;
  return cut_heads(gpt, qkv, (int64_t)third * inner, 3 * inner);
}

/* ---- Forward and backward ----------------------------------------------------------- */

/* What forward and backward share, with the site's mask in *mask. */
static cudrop_status_t get_attention(const gpt_t *gpt, int layer, cudrop_mask_t *mask,
                                     cudrop_attention_t *attention) {
  const cudrop_mask_t *used = NULL;
  TRY(gpt_site_mask(gpt, gpt_attention_site(layer), mask, &used));
  *attention = (cudrop_attention_t){
      .scale = 1.0f / sqrtf((float)gpt->shape.head_width),
      .causal = CUDROP_CAUSAL,
      .mask = used,
  };
  return CUDROP_OK;
}

cudrop_status_t gpt_attention_forward(gpt_t *gpt, int layer) {
  cudrop_mask_t mask;
  cudrop_attention_t attention;
  TRY(add_bias(gpt, layer));
  TRY(get_attention(gpt, layer, &mask, &attention));
  return gpt->attention->forward(gpt, layer, &attention);
}

cudrop_status_t gpt_attention_backward(gpt_t *gpt, int layer) {
  cudrop_mask_t mask;
  cudrop_attention_t attention;
  TRY(get_attention(gpt, layer, &mask, &attention));
  TRY(gpt->attention->backward(gpt, layer, &attention));
  return differentiate_bias(gpt, layer);
}
