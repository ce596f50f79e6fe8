/*
 * llmc.c - the four dropouts of GPT-2, at the places that llm.c leaves for them. C and C++, which
 * llm.c is, both read it.
 */
#include <string.h>

#include "recipes.h"

static cudrop_tensor_t tensor3(const void *data, int a, int b, int c) {
  const int64_t shape[] = {a, b, c};
  return cudrop_tensor(data, FLOATX, 3, shape);
}

/* A workspace for one call, in stream order. llm.c would take its scratch buffer instead. */
static void *lend(cudrop_context_t *ctx, size_t bytes) {
  void *workspace = NULL;
  recipe_check(cudrop_alloc(ctx, bytes, &workspace));
  return workspace;
}

/* ---- The embedding ---------------------------------------------------------------- */

void encoder_forward(floatX *out, const int *inp, const floatX *wte, const floatX *wpe,
                     int B, int T, int C, int V, cudrop_context_t *ctx,
                     const cudrop_mask_t *mask) {
  const cudrop_tensor_t ids = cudrop_matrix(inp, CUDROP_I32, B, T);
  const cudrop_tensor_t tokens = cudrop_matrix(wte, FLOATX, V, C);
  const cudrop_tensor_t positions = cudrop_matrix(wpe, FLOATX, T, C);
  const cudrop_tensor_t y = tensor3(out, B, T, C);
  cudrop_embedding_forward_t args = {0};
  args.ids = &ids;
  args.tokens = &tokens;
  args.positions = &positions;
  args.mask = mask;
  args.y = &y;
  recipe_check(cudrop_embedding_forward(ctx, &args));
}

void encoder_backward(floatX *dwte, floatX *dwpe, const floatX *dout, const int *inp,
                      int B, int T, int C, int V, cudrop_context_t *ctx,
                      const cudrop_mask_t *mask) {
  const cudrop_tensor_t ids = cudrop_matrix(inp, CUDROP_I32, B, T);
  const cudrop_tensor_t dy = tensor3(dout, B, T, C);
  const cudrop_tensor_t dtokens = cudrop_matrix(dwte, FLOATX, V, C);
  const cudrop_tensor_t dpositions = cudrop_matrix(dwpe, FLOATX, T, C);
  cudrop_embedding_backward_t args = {0};
  args.ids = &ids;
  args.dy = &dy;
  args.mask = mask;
  args.dtokens = &dtokens;
  args.dpositions = &dpositions;
  args.accumulate = CUDROP_ACCUMULATE_PARAMETERS;
  recipe_check(
      cudrop_embedding_backward_workspace((int64_t)B * T, C, &args.workspace_bytes));
  args.workspace = lend(ctx, args.workspace_bytes);
  recipe_check(cudrop_embedding_backward(ctx, &args));
  recipe_check(cudrop_free(ctx, &args.workspace));
}

/* ---- The two residuals ------------------------------------------------------------ */

/* What forward and backward share; backward does not look at beta. It begins with an enum, and so
 * C++ takes no {0} for it. */
static cudrop_norm_t make_norm(const cudrop_tensor_t *gamma, const cudrop_tensor_t *beta,
                               const cudrop_mask_t *mask) {
  cudrop_norm_t norm;
  memset(&norm, 0, sizeof norm);
  norm.kind = CUDROP_LAYER_NORM;
  norm.epsilon = 1e-5f;
  norm.gamma = gamma;
  norm.beta = beta;
  norm.mask = mask;
  return norm;
}

void fused_residual_forward5(floatX *residual, floatX *normed, float *mean, float *rstd,
                             const floatX *inp1, const floatX *inp2, const floatX *weight,
                             const floatX *bias, int N, int C, cudrop_context_t *ctx,
                             const cudrop_mask_t *mask) {
  const cudrop_tensor_t x = cudrop_matrix(inp2, FLOATX, N, C);
  const cudrop_tensor_t before = cudrop_matrix(inp1, FLOATX, N, C);
  const cudrop_tensor_t gamma = cudrop_vector(weight, FLOATX, C);
  const cudrop_tensor_t beta = cudrop_vector(bias, FLOATX, C);
  const cudrop_tensor_t h = cudrop_matrix(residual, FLOATX, N, C);
  const cudrop_tensor_t y = cudrop_matrix(normed, FLOATX, N, C);
  const cudrop_tensor_t means = cudrop_vector(mean, CUDROP_F32, N);
  const cudrop_tensor_t rstds = cudrop_vector(rstd, CUDROP_F32, N);
  const cudrop_norm_t norm = make_norm(&gamma, &beta, mask);
  cudrop_norm_forward_t args = {0};
  args.norm = &norm;
  args.x = &x;
  args.residual = &before;
  args.h = &h;
  args.y = &y;
  args.mean = &means;
  args.rstd = &rstds;
  recipe_check(cudrop_norm_forward(ctx, &args));
}

void layernorm_backward(floatX *dinp, floatX *drop_dinp, floatX *dweight, floatX *dbias,
                        const floatX *dout, const floatX *inp, const floatX *weight,
                        const float *mean, const float *rstd, int B, int T, int C,
                        cudrop_context_t *ctx, const cudrop_mask_t *mask) {
  const int N = B * T;
  const cudrop_tensor_t dy = cudrop_matrix(dout, FLOATX, N, C);
  const cudrop_tensor_t dh = cudrop_matrix(dinp, FLOATX, N, C);
  const cudrop_tensor_t h = cudrop_matrix(inp, FLOATX, N, C);
  const cudrop_tensor_t dx = cudrop_matrix(drop_dinp, FLOATX, N, C);
  const cudrop_tensor_t gamma = cudrop_vector(weight, FLOATX, C);
  const cudrop_tensor_t dgamma = cudrop_vector(dweight, FLOATX, C);
  const cudrop_tensor_t dbeta = cudrop_vector(dbias, FLOATX, C);
  const cudrop_tensor_t means = cudrop_vector(mean, CUDROP_F32, N);
  const cudrop_tensor_t rstds = cudrop_vector(rstd, CUDROP_F32, N);
  const cudrop_norm_t norm = make_norm(&gamma, NULL, mask);
  cudrop_norm_backward_t args = {0};
  args.norm = &norm;
  args.dy = &dy;
  args.dh = &dh; /* what has come down the residual so far */
  args.h = &h;
  args.mean = &means;
  args.rstd = &rstds;
  args.dx = &dx;
  args.dresidual = &dh; /* in place: dinp += */
  args.dgamma = &dgamma;
  args.dbeta = &dbeta;
  args.accumulate = CUDROP_ACCUMULATE_PARAMETERS;
  recipe_check(cudrop_norm_backward_workspace(N, C, &args.workspace_bytes));
  args.workspace = lend(ctx, args.workspace_bytes);
  recipe_check(cudrop_norm_backward(ctx, &args));
  recipe_check(cudrop_free(ctx, &args.workspace));
}

/* ---- Attention -------------------------------------------------------------------- */

static cudrop_attention_t make_attention(float scale, const cudrop_mask_t *mask) {
  cudrop_attention_t attention = {0};
  attention.scale = scale;
  attention.causal = CUDROP_CAUSAL;
  attention.mask = mask;
  return attention;
}

void softmax_forward(floatX *att, floatX *drop_att, float inv_temperature,
                     const floatX *preatt, int B, int NH, int T, cudrop_context_t *ctx,
                     const cudrop_mask_t *mask) {
  const cudrop_tensor_t scores = tensor3(preatt, B * NH, T, T);
  const cudrop_tensor_t weights = tensor3(att, B * NH, T, T);
  const cudrop_tensor_t y = tensor3(drop_att, B * NH, T, T);
  const cudrop_attention_t attention = make_attention(inv_temperature, mask);
  cudrop_attention_forward_t args = {0};
  args.attention = &attention;
  args.scores = &scores;
  args.weights = &weights;
  args.y = &y;
  recipe_check(cudrop_attention_forward(ctx, &args));
}

void softmax_reapply(floatX *drop_att, const floatX *att, int B, int NH, int T,
                     cudrop_context_t *ctx, const cudrop_mask_t *mask) {
  const cudrop_tensor_t weights = tensor3(att, B * NH, T, T);
  const cudrop_tensor_t y = tensor3(drop_att, B * NH, T, T);
  const cudrop_attention_t attention = make_attention(1.0f, mask);
  cudrop_attention_reapply_t args = {0};
  args.attention = &attention;
  args.weights = &weights;
  args.y = &y;
  recipe_check(cudrop_attention_reapply(ctx, &args));
}

void softmax_autoregressive_backward_inplace(floatX *datt, const floatX *att, int B,
                                             int NH, int T, float scale,
                                             cudrop_context_t *ctx,
                                             const cudrop_mask_t *mask) {
  const cudrop_tensor_t dy = tensor3(datt, B * NH, T, T);
  const cudrop_tensor_t weights = tensor3(att, B * NH, T, T);
  const cudrop_attention_t attention = make_attention(scale, mask);
  cudrop_attention_backward_t args = {0};
  args.attention = &attention;
  args.dy = &dy;
  args.weights = &weights;
  args.dscores = &dy;
  recipe_check(cudrop_attention_backward(ctx, &args));
}
