/* attention_separate.c - products for each head, and the weights between them. */
#include "attention.h"
#include "sites.h"

/* ---- Matrices of heads ---------------------------------------------------------------- */

/* [rows][heads] matrices [length][head width]. */
static engine_matrix_t take_heads(cudrop_tensor_t heads) {
  return (engine_matrix_t){.data = heads.data,
                           .dtype = heads.dtype,
                           .row = heads.stride[2],
                           .next = {heads.stride[0], heads.stride[1]}};
}

static engine_matrix_t take_third(const gpt_t *gpt, void *qkv, gpt_third_t third) {
  return take_heads(gpt_third(gpt, qkv, third));
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

/* ---- Forward and backward ----------------------------------------------------------- */

static cudrop_status_t forward(gpt_t *gpt, int layer,
                               const cudrop_attention_t *attention) {
  const gpt_block_t *block = &gpt->block[layer];
  const int site = gpt_attention_site(layer);
  void *dropped = gpt->scratch.dropped;
  const cudrop_tensor_t weights = gpt_scores(gpt, block->weights);
  const cudrop_tensor_t y = gpt_scores(gpt, dropped);
  TRY(multiply_heads(gpt, take_third(gpt, block->qkv, GPT_QUERY),
                     take_third(gpt, block->qkv, GPT_KEY), block->weights));
  TRY(gpt->sites->attention_forward(
      gpt, site,
      &(cudrop_attention_forward_t){
          .attention = attention,
          .scores = &weights, /* P takes the place of the scores */
          .weights = &weights,
          .y = &y}));
  return multiply_weights(gpt, false, dropped, take_third(gpt, block->qkv, GPT_VALUE),
                          take_heads(gpt_heads(gpt, block->attended)));
}

/*
 * drop(P) is made again for the gradient of v. Then its place is the gradient's of drop(P), and of
 * the scores.
 */
static cudrop_status_t backward(gpt_t *gpt, int layer,
                                const cudrop_attention_t *attention) {
  const gpt_block_t *block = &gpt->block[layer];
  const int site = gpt_attention_site(layer);
  void *dropped = gpt->scratch.dropped, *dqkv = gpt->scratch.wide;
  const engine_matrix_t dy = take_heads(gpt_heads(gpt, gpt->scratch.dy));
  const cudrop_tensor_t weights = gpt_scores(gpt, block->weights);
  const cudrop_tensor_t d = gpt_scores(gpt, dropped);
  TRY(gpt->sites->attention_reapply(
      gpt, site,
      &(cudrop_attention_reapply_t){
          .attention = attention, .weights = &weights, .y = &d}));
  TRY(multiply_weights(gpt, true, dropped, dy, take_third(gpt, dqkv, GPT_VALUE)));
  TRY(multiply_heads(gpt, dy, take_third(gpt, block->qkv, GPT_VALUE), dropped));
  TRY(gpt->sites->attention_backward(
      gpt, site,
      &(cudrop_attention_backward_t){
          .attention = attention, .dy = &d, .weights = &weights, .dscores = &d}));
  TRY(multiply_weights(gpt, false, dropped, take_third(gpt, block->qkv, GPT_KEY),
                       take_third(gpt, dqkv, GPT_QUERY)));
  return multiply_weights(gpt, true, dropped, take_third(gpt, block->qkv, GPT_QUERY),
                          take_third(gpt, dqkv, GPT_KEY));
}

const gpt_attention_t gpt_attention_separate = {.forward = forward, .backward = backward};
