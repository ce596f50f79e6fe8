/* attention_fused.c - one call for all heads, which keeps lse in place of their weights. */
#include "attention.h"

/* [rows][heads] matrices [length][head width], in the columns of a [tokens][cols]. */
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

static cudrop_tensor_t cut_third(const gpt_t *gpt, void *qkv, gpt_third_t third) {
  const int64_t inner = gpt->shape.inner;
  return cut_heads(gpt, qkv, (int64_t)third * inner, 3 * inner);
}

static cudrop_tensor_t make_lse(const gpt_t *gpt, const float *lse) {
  const int64_t shape[] = {gpt->shape.rows, gpt->shape.heads, gpt->config.length};
  return cudrop_tensor(lse, CUDROP_F32, 3, shape);
}

static cudrop_status_t forward(gpt_t *gpt, int layer,
                               const cudrop_attention_t *attention) {
  const gpt_block_t *block = &gpt->block[layer];
  const cudrop_tensor_t q = cut_third(gpt, block->qkv, GPT_QUERY);
  const cudrop_tensor_t k = cut_third(gpt, block->qkv, GPT_KEY);
  const cudrop_tensor_t v = cut_third(gpt, block->qkv, GPT_VALUE);
  const cudrop_tensor_t o = cut_heads(gpt, block->attended, 0, gpt->shape.inner);
  const cudrop_tensor_t lse = make_lse(gpt, block->lse);
  TRY(cudrop_attend_forward(
      gpt->context,
      &(cudrop_attend_forward_t){
          .attention = attention, .q = &q, .k = &k, .v = &v, .o = &o, .lse = &lse}));
  return gpt_lap(gpt, GPT_LAP_ATTENTION);
}

static cudrop_status_t backward(gpt_t *gpt, int layer,
                                const cudrop_attention_t *attention) {
  const gpt_block_t *block = &gpt->block[layer];
  const gpt_scratch_t *scratch = &gpt->scratch;
  const cudrop_tensor_t q = cut_third(gpt, block->qkv, GPT_QUERY);
  const cudrop_tensor_t k = cut_third(gpt, block->qkv, GPT_KEY);
  const cudrop_tensor_t v = cut_third(gpt, block->qkv, GPT_VALUE);
  const cudrop_tensor_t o = cut_heads(gpt, block->attended, 0, gpt->shape.inner);
  const cudrop_tensor_t lse = make_lse(gpt, block->lse);
  const cudrop_tensor_t dout = cut_heads(gpt, scratch->dy, 0, gpt->shape.inner);
  const cudrop_tensor_t dq = cut_third(gpt, scratch->wide, GPT_QUERY);
  const cudrop_tensor_t dk = cut_third(gpt, scratch->wide, GPT_KEY);
  const cudrop_tensor_t dv = cut_third(gpt, scratch->wide, GPT_VALUE);
  TRY(cudrop_attend_backward(
      gpt->context,
      &(cudrop_attend_backward_t){.attention = attention,
                                  .q = &q,
                                  .k = &k,
                                  .v = &v,
                                  .o = &o,
                                  .lse = &lse,
                                  .dout = &dout,
                                  .dq = &dq,
                                  .dk = &dk,
                                  .dv = &dv,
                                  .workspace = scratch->workspace,
                                  .workspace_bytes = scratch->workspace_bytes}));
  return gpt_lap(gpt, GPT_LAP_ATTENTION);
}

const gpt_attention_t gpt_attention_fused = {.forward = forward, .backward = backward};
