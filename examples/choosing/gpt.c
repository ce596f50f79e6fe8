/* gpt.c - the dropouts of a GPT. */
#include <math.h>

#include "choosing.h"

/* h = drop(words[id] + positions[t]) */
cudrop_status_t gpt_embedding(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              sizes_t of, const int32_t *ids, const float *words,
                              int64_t vocabulary, const float *positions, float *h) {
  const int64_t shape[] = {of.batch, of.tokens, of.width};
  const cudrop_tensor_t id = cudrop_matrix(ids, CUDROP_I32, of.batch, of.tokens);
  const cudrop_tensor_t word = cudrop_matrix(words, CUDROP_F32, vocabulary, of.width);
  const cudrop_tensor_t position =
      cudrop_matrix(positions, CUDROP_F32, of.tokens, of.width);
  const cudrop_tensor_t y = cudrop_tensor(h, CUDROP_F32, 3, shape);
  return cudrop_embedding_forward(
      ctx,
      &(cudrop_embedding_forward_t){
          .ids = &id, .tokens = &word, .positions = &position, .mask = mask, .y = &y});
}

/* o = drop(softmax(q kT / sqrt(D))) v, causal; q, k, v and o are [batch, heads, tokens, D] */
cudrop_status_t gpt_attention(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              sizes_t of, const float *q, const float *k, const float *v,
                              float *o, float *lse) {
  const int64_t shape[] = {of.batch, of.heads, of.tokens, of.width / of.heads};
  const cudrop_tensor_t tq = cudrop_tensor(q, CUDROP_F32, 4, shape);
  const cudrop_tensor_t tk = cudrop_tensor(k, CUDROP_F32, 4, shape);
  const cudrop_tensor_t tv = cudrop_tensor(v, CUDROP_F32, 4, shape);
  const cudrop_tensor_t to = cudrop_tensor(o, CUDROP_F32, 4, shape);
  const cudrop_tensor_t sums = cudrop_tensor(lse, CUDROP_F32, 3, shape);
  const cudrop_attention_t attention = {
      .scale = 1.0f / sqrtf((float)shape[3]), .causal = CUDROP_CAUSAL, .mask = mask};
  return cudrop_attend_forward(
      ctx,
      &(cudrop_attend_forward_t){
          .attention = &attention, .q = &tq, .k = &tk, .v = &tv, .o = &to, .lse = &sums});
}

/* h += drop(x + bias), y = LayerNorm(h): the end of one branch and the norm of the next */
cudrop_status_t gpt_shortcut(cudrop_context_t *ctx, const cudrop_mask_t *mask, sizes_t of,
                             const float *x, const float *bias, const float *gamma,
                             const float *beta, float *h, float *y, float *mean,
                             float *rstd) {
  const int64_t rows = of.batch * of.tokens;
  const cudrop_tensor_t branch = cudrop_matrix(x, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t stream = cudrop_matrix(h, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t normed = cudrop_matrix(y, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t b = cudrop_vector(bias, CUDROP_F32, of.width);
  const cudrop_tensor_t g = cudrop_vector(gamma, CUDROP_F32, of.width);
  const cudrop_tensor_t s = cudrop_vector(beta, CUDROP_F32, of.width);
  const cudrop_tensor_t m = cudrop_vector(mean, CUDROP_F32, rows);
  const cudrop_tensor_t r = cudrop_vector(rstd, CUDROP_F32, rows);
  const cudrop_norm_t norm = {
      .bias = &b, .mask = mask, .gamma = &g, .beta = &s, .epsilon = 1e-5f};
  return cudrop_norm_forward(ctx, &(cudrop_norm_forward_t){.norm = &norm,
                                                           .x = &branch,
                                                           .residual = &stream,
                                                           .h = &stream,
                                                           .y = &normed,
                                                           .mean = &m,
                                                           .rstd = &r});
}

/* From dy and dh: dx of the branch, dh of the stream before it, and those of the parameters */
cudrop_status_t gpt_shortcut_backward(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                                      sizes_t of, const float *dy, float *dh,
                                      const float *h, const float *mean,
                                      const float *rstd, const float *gamma, float *dx,
                                      float *dbias, float *dgamma, float *dbeta) {
  const int64_t rows = of.batch * of.tokens;
  const cudrop_tensor_t normed = cudrop_matrix(dy, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t stream = cudrop_matrix(dh, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t kept = cudrop_matrix(h, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t branch = cudrop_matrix(dx, CUDROP_F32, rows, of.width);
  const cudrop_tensor_t m = cudrop_vector(mean, CUDROP_F32, rows);
  const cudrop_tensor_t r = cudrop_vector(rstd, CUDROP_F32, rows);
  const cudrop_tensor_t g = cudrop_vector(gamma, CUDROP_F32, of.width);
  const cudrop_tensor_t db = cudrop_vector(dbias, CUDROP_F32, of.width);
  const cudrop_tensor_t dg = cudrop_vector(dgamma, CUDROP_F32, of.width);
  const cudrop_tensor_t ds = cudrop_vector(dbeta, CUDROP_F32, of.width);
  const cudrop_norm_t norm = {.mask = mask,
                              .gamma = &g}; /* the mask of the forward call */
  cudrop_norm_backward_t args = {.norm = &norm,
                                 .dy = &normed,
                                 .dh = &stream,
                                 .h = &kept,
                                 .mean = &m,
                                 .rstd = &r,
                                 .dx = &branch,
                                 .dresidual = &stream,
                                 .dbias = &db,
                                 .dgamma = &dg,
                                 .dbeta = &ds};
  cudrop_status_t status =
      cudrop_norm_backward_workspace(rows, of.width, &args.workspace_bytes);
  if (status == CUDROP_OK) /* a training allocates once, for all of its calls */
    status = cudrop_alloc(ctx, args.workspace_bytes, &args.workspace);
  if (status == CUDROP_OK) status = cudrop_norm_backward(ctx, &args);
  cudrop_free(ctx, &args.workspace);
  return status;
}
