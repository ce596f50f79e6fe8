/* attention_fused.c - one call for all heads, which keeps lse in place of their weights. */
#include "attention.h"

static cudrop_tensor_t make_lse(const gpt_t *gpt, const float *lse) {
  const int64_t shape[] = {gpt->shape.rows, gpt->shape.heads, gpt->config.length};
  return cudrop_tensor(lse, CUDROP_F32, 3, shape);
}

static cudrop_status_t forward(gpt_t *gpt, int layer,
                               const cudrop_attention_t *attention) {
  const gpt_block_t *block = &gpt->block[layer];
  const cudrop_tensor_t q = gpt_third(gpt, block->qkv, GPT_QUERY);
  const cudrop_tensor_t k = gpt_third(gpt, block->qkv, GPT_KEY);
  const cudrop_tensor_t v = gpt_third(gpt, block->qkv, GPT_VALUE);
  const cudrop_tensor_t o = gpt_heads(gpt, block->attended);
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
  const cudrop_tensor_t q = gpt_third(gpt, block->qkv, GPT_QUERY);
  const cudrop_tensor_t k = gpt_third(gpt, block->qkv, GPT_KEY);
  const cudrop_tensor_t v = gpt_third(gpt, block->qkv, GPT_VALUE);
  const cudrop_tensor_t o = gpt_heads(gpt, block->attended);
  const cudrop_tensor_t lse = make_lse(gpt, block->lse);
  const cudrop_tensor_t dout = gpt_heads(gpt, scratch->dy);
  const cudrop_tensor_t dq = gpt_third(gpt, scratch->wide, GPT_QUERY);
  const cudrop_tensor_t dk = gpt_third(gpt, scratch->wide, GPT_KEY);
  const cudrop_tensor_t dv = gpt_third(gpt, scratch->wide, GPT_VALUE);
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
