/* attention.c - products for each head, and the weights between them. */
#include "attention.h"

#include <math.h>

#include "sites.h"

/* ---- Matrices of heads ---------------------------------------------------------------- */

typedef enum { QUERY, KEY, VALUE } third_t;

/* [rows][heads] matrices [length][head width], in the columns of a [tokens][cols]. */
static engine_matrix_t cut_heads(const gpt_t *gpt, void *data, int64_t first,
                                 int64_t cols) {
  return (engine_matrix_t){
      .data = (char *)data + (size_t)first * cudrop_dtype_bytes(gpt->config.dtype),
      .dtype = gpt->config.dtype,
      .row = cols,
      .next = {gpt->config.length * cols, gpt->shape.head_width},
  };
}

static engine_matrix_t cut_third(const gpt_t *gpt, void *qkv, third_t third) {
  const int64_t inner = gpt->shape.inner;
  return cut_heads(gpt, qkv, (int64_t)third * inner, 3 * inner);
}

/* [rows][heads] matrices [length][length]. */
static engine_matrix_t make_weights(const gpt_t *gpt, void *data) {
  const int64_t length = gpt->config.length;
  return (engine_matrix_t){
      .data = data,
      .dtype = gpt->config.dtype,
      .row = length,
      .next = {gpt->shape.heads * length * length, length * length},
  };
}

/* c = a b, by heads, where `inner` and `cols` are not both sizes of a head. */
static cudrop_status_t multiply(gpt_t *gpt, engine_product_t product) {
  product.rows = gpt->config.length;
  product.count[0] = gpt->shape.rows;
  product.count[1] = gpt->shape.heads;
  TRY(gpt->engine.table->multiply(&gpt->engine, &product));
  return gpt_lap(gpt, GPT_LAP_PRODUCTS);
}

/* [length][length] = a b^T, of matrices of heads. */
static cudrop_status_t multiply_heads(gpt_t *gpt, engine_matrix_t a, engine_matrix_t b,
                                      void *c) {
  return multiply(gpt, (engine_product_t){.transposes_b = true,
                                          .cols = gpt->config.length,
                                          .inner = gpt->shape.head_width,
                                          .a = a,
                                          .b = b,
                                          .c = make_weights(gpt, c)});
}

/* c = w b, or w^T b, of weights and matrices of heads. */
static cudrop_status_t multiply_weights(gpt_t *gpt, bool transposes, void *weights,
                                        engine_matrix_t b, engine_matrix_t c) {
  return multiply(gpt, (engine_product_t){.transposes_a = transposes,
                                          .cols = gpt->shape.head_width,
                                          .inner = gpt->config.length,
                                          .a = make_weights(gpt, weights),
                                          .b = b,
                                          .c = c});
}

static float find_scale(const gpt_t *gpt) {
  return 1.0f / sqrtf((float)gpt->shape.head_width);
}

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

/* ---- Forward and backward ----------------------------------------------------------- */

/* What forward and backward share, with the site's mask in *mask. */
static cudrop_status_t get_attention(const gpt_t *gpt, int site, cudrop_mask_t *mask,
                                     cudrop_attention_t *attention) {
  const cudrop_mask_t *used = NULL;
  TRY(gpt_site_mask(gpt, site, mask, &used));
  *attention = (cudrop_attention_t){
      .scale = find_scale(gpt), .causal = CUDROP_CAUSAL, .mask = used};
  return CUDROP_OK;
}

cudrop_status_t gpt_attention_forward(gpt_t *gpt, int layer) {
  const gpt_block_t *block = &gpt->block[layer];
  const int site = gpt_attention_site(layer);
  void *dropped = gpt->scratch.dropped;
  const cudrop_tensor_t weights = gpt_scores(gpt, block->weights);
  const cudrop_tensor_t y = gpt_scores(gpt, dropped);
  cudrop_mask_t mask;
  cudrop_attention_t attention;
  TRY(add_bias(gpt, layer));
  TRY(multiply_heads(gpt, cut_third(gpt, block->qkv, QUERY),
                     cut_third(gpt, block->qkv, KEY), block->weights));
  TRY(get_attention(gpt, site, &mask, &attention));
  TRY(gpt->sites->attention_forward(
      gpt, site,
      &(cudrop_attention_forward_t){
          .attention = &attention,
          .scores = &weights, /* P takes the place of the scores */
          .weights = &weights,
          .y = &y}));
  return multiply_weights(gpt, false, dropped, cut_third(gpt, block->qkv, VALUE),
                          cut_heads(gpt, block->attended, 0, gpt->shape.inner));
}

/*
 * drop(P) is made again for the gradient of v. Then its place is the gradient's of drop(P), and of
 * the scores.
 */
cudrop_status_t gpt_attention_backward(gpt_t *gpt, int layer) {
  const gpt_block_t *block = &gpt->block[layer];
  const int site = gpt_attention_site(layer);
  void *dropped = gpt->scratch.dropped, *dqkv = gpt->scratch.wide;
  const engine_matrix_t dy = cut_heads(gpt, gpt->scratch.dy, 0, gpt->shape.inner);
  const cudrop_tensor_t weights = gpt_scores(gpt, block->weights);
  const cudrop_tensor_t d = gpt_scores(gpt, dropped);
  cudrop_mask_t mask;
  cudrop_attention_t attention;
  TRY(get_attention(gpt, site, &mask, &attention));
  TRY(gpt->sites->attention_reapply(
      gpt, site,
      &(cudrop_attention_reapply_t){
          .attention = &attention, .weights = &weights, .y = &d}));
  TRY(multiply_weights(gpt, true, dropped, dy, cut_third(gpt, dqkv, VALUE)));
  TRY(multiply_heads(gpt, dy, cut_third(gpt, block->qkv, VALUE), dropped));
  TRY(gpt->sites->attention_backward(
      gpt, site,
      &(cudrop_attention_backward_t){
          .attention = &attention, .dy = &d, .weights = &weights, .dscores = &d}));
  TRY(multiply_weights(gpt, false, dropped, cut_third(gpt, block->qkv, KEY),
                       cut_third(gpt, dqkv, QUERY)));
  TRY(multiply_weights(gpt, true, dropped, cut_third(gpt, block->qkv, QUERY),
                       cut_third(gpt, dqkv, KEY)));
  return differentiate_bias(gpt, layer);
}
