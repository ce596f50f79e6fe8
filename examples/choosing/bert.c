/* bert.c - the dropouts of a BERT: padding, and norms behind the shortcuts. */
#include <math.h>

#include "choosing.h"

/* y = drop(LayerNorm(words[id] + positions[t] + kinds[segment])); sum is kept for backward */
cudrop_status_t bert_embedding(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                               sizes_t of, const int32_t *ids, const float *words,
                               int64_t vocabulary, const float *positions,
                               const int32_t *segments, const float *kinds, float *sum,
                               float *y, float *mean, float *rstd, const float *gamma,
                               const float *beta) {
  const int64_t shape[] = {of.batch, of.tokens, of.width};
  const cudrop_tensor_t id = cudrop_matrix(ids, CUDROP_I32, of.batch, of.tokens);
  const cudrop_tensor_t segment =
      cudrop_matrix(segments, CUDROP_I32, of.batch, of.tokens);
  const cudrop_tensor_t word = cudrop_matrix(words, CUDROP_F32, vocabulary, of.width);
  const cudrop_tensor_t kind = cudrop_matrix(kinds, CUDROP_F32, 2, of.width);
  const cudrop_tensor_t position =
      cudrop_matrix(positions, CUDROP_F32, of.tokens, of.width);
  const cudrop_tensor_t h = cudrop_tensor(sum, CUDROP_F32, 3, shape);
  const cudrop_tensor_t out = cudrop_tensor(y, CUDROP_F32, 3, shape);
  const cudrop_tensor_t m = cudrop_matrix(mean, CUDROP_F32, of.batch, of.tokens);
  const cudrop_tensor_t r = cudrop_matrix(rstd, CUDROP_F32, of.batch, of.tokens);
  const cudrop_tensor_t g = cudrop_vector(gamma, CUDROP_F32, of.width);
  const cudrop_tensor_t s = cudrop_vector(beta, CUDROP_F32, of.width);
  const cudrop_norm_t norm = {.gamma = &g, .beta = &s, .epsilon = 1e-12f};

  cudrop_status_t status = cudrop_embedding_forward(
      ctx, &(cudrop_embedding_forward_t){
               .ids = &id, .tokens = &word, .positions = &position, .y = &h});
  if (status != CUDROP_OK) return status;
  status = cudrop_embedding_forward(
      ctx, &(cudrop_embedding_forward_t){.ids = &segment, .tokens = &kind, .y = &out});
  if (status != CUDROP_OK) return status;
  status = cudrop_norm_forward(ctx, &(cudrop_norm_forward_t){.norm = &norm,
                                                             .x = &out,
                                                             .residual = &h,
                                                             .h = &h,
                                                             .y = &out,
                                                             .mean = &m,
                                                             .rstd = &r});
  if (status != CUDROP_OK) return status;
  return cudrop_forward(ctx, &out, mask, &out);
}

/* o = drop(softmax(q kT / sqrt(D))) v over the first lengths[b] keys of a sentence */
cudrop_status_t bert_attention(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                               sizes_t of, const int32_t *lengths, const float *q,
                               const float *k, const float *v, float *o, float *lse) {
  const int64_t shape[] = {of.batch, of.heads, of.tokens, of.width / of.heads};
  const cudrop_tensor_t tq = cudrop_tensor(q, CUDROP_F32, 4, shape);
  const cudrop_tensor_t tk = cudrop_tensor(k, CUDROP_F32, 4, shape);
  const cudrop_tensor_t tv = cudrop_tensor(v, CUDROP_F32, 4, shape);
  const cudrop_tensor_t to = cudrop_tensor(o, CUDROP_F32, 4, shape);
  const cudrop_tensor_t sums = cudrop_tensor(lse, CUDROP_F32, 3, shape);
  const cudrop_tensor_t seen = cudrop_vector(lengths, CUDROP_I32, of.batch);
  const cudrop_attention_t attention = {
      .scale = 1.0f / sqrtf((float)shape[3]), .lengths = &seen, .mask = mask};
  return cudrop_attend_forward(
      ctx,
      &(cudrop_attend_forward_t){
          .attention = &attention, .q = &tq, .k = &tk, .v = &tv, .o = &to, .lse = &sums});
}

/* y = LayerNorm(residual + drop(x + bias)); h is kept for backward */
cudrop_status_t bert_shortcut(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              sizes_t of, const float *x, const float *bias,
                              const float *residual, const float *gamma,
                              const float *beta, float *h, float *y, float *mean,
                              float *rstd) {
  const int64_t rows = of.batch * of.tokens;
  const cudrop_tensor_t branch = cudrop_matrix(x, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t stream = cudrop_matrix(residual, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t sum = cudrop_matrix(h, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t normed = cudrop_matrix(y, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t b = cudrop_vector(bias, CUDROP_F32, of.width);
  const cudrop_tensor_t g = cudrop_vector(gamma, CUDROP_F32, of.width);
  const cudrop_tensor_t s = cudrop_vector(beta, CUDROP_F32, of.width);
  const cudrop_tensor_t m = cudrop_vector(mean, CUDROP_F32, rows);
  const cudrop_tensor_t r = cudrop_vector(rstd, CUDROP_F32, rows);
  const cudrop_norm_t norm = {
      .bias = &b, .mask = mask, .gamma = &g, .beta = &s, .epsilon = 1e-12f};
  return cudrop_norm_forward(ctx, &(cudrop_norm_forward_t){.norm = &norm,
                                                           .x = &branch,
                                                           .residual = &stream,
                                                           .h = &sum,
                                                           .y = &normed,
                                                           .mean = &m,
                                                           .rstd = &r});
}
