/* llmc.c - the four dropouts of GPT-2, at the places that llm.c leaves for them. */
#include <stdlib.h>

#include "recipes.h"

static cudrop_tensor_t tensor3(const void *data, int a, int b, int c) {
  return cudrop_tensor(data, FLOATX, 3, (int64_t[]){a, b, c});
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
  recipe_check(
      cudrop_embedding_forward(ctx, &(cudrop_embedding_forward_t){.ids = &ids,
                                                                  .tokens = &tokens,
                                                                  .positions = &positions,
                                                                  .mask = mask,
                                                                  .y = &y}));
}

void encoder_backward(floatX *dwte, floatX *dwpe, const floatX *dout, const int *inp,
                      int B, int T, int C, int V, cudrop_context_t *ctx,
                      const cudrop_mask_t *mask) {
  const cudrop_tensor_t ids = cudrop_matrix(inp, CUDROP_I32, B, T);
  const cudrop_tensor_t dy = tensor3(dout, B, T, C);
  const cudrop_tensor_t dtokens = cudrop_matrix(dwte, FLOATX, V, C);
  const cudrop_tensor_t dpositions = cudrop_matrix(dwpe, FLOATX, T, C);
  cudrop_embedding_backward_t args = {.ids = &ids,
                                      .dy = &dy,
                                      .mask = mask,
                                      .dtokens = &dtokens,
                                      .dpositions = &dpositions,
                                      .accumulate = CUDROP_ACCUMULATE_PARAMETERS};
  recipe_check(cudrop_embedding_backward_workspace(&args, &args.workspace_bytes));
  args.workspace = lend(ctx, args.workspace_bytes);
  recipe_check(cudrop_embedding_backward(ctx, &args));
  recipe_check(cudrop_free(ctx, &args.workspace));
}

/* ---- The two residuals ------------------------------------------------------------ */

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
  recipe_check(cudrop_norm_forward(ctx, &(cudrop_norm_forward_t){.x = &x,
                                                                 .mask = mask,
                                                                 .residual = &before,
                                                                 .gamma = &gamma,
                                                                 .beta = &beta,
                                                                 .epsilon = 1e-5f,
                                                                 .h = &h,
                                                                 .y = &y,
                                                                 .mean = &means,
                                                                 .rstd = &rstds}));
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
  cudrop_norm_backward_t args = {.dy = &dy,
                                 .dh = &dh, /* what has come down the residual so far */
                                 .h = &h,
                                 .mean = &means,
                                 .rstd = &rstds,
                                 .gamma = &gamma,
                                 .mask = mask,
                                 .dx = &dx,
                                 .dresidual = &dh, /* in place: dinp += */
                                 .dgamma = &dgamma,
                                 .dbeta = &dbeta,
                                 .accumulate = CUDROP_ACCUMULATE_PARAMETERS};
  recipe_check(cudrop_norm_backward_workspace(&args, &args.workspace_bytes));
  args.workspace = lend(ctx, args.workspace_bytes);
  recipe_check(cudrop_norm_backward(ctx, &args));
  recipe_check(cudrop_free(ctx, &args.workspace));
}

/* ---- Attention -------------------------------------------------------------------- */

void softmax_forward(floatX *att, floatX *drop_att, float inv_temperature,
                     const floatX *preatt, int B, int NH, int T, cudrop_context_t *ctx,
                     const cudrop_mask_t *mask) {
  const cudrop_tensor_t scores = tensor3(preatt, B * NH, T, T);
  const cudrop_tensor_t weights = tensor3(att, B * NH, T, T);
  const cudrop_tensor_t y = tensor3(drop_att, B * NH, T, T);
  recipe_check(cudrop_attention_forward(
      ctx, &(cudrop_attention_forward_t){.scores = &scores,
                                         .scale = inv_temperature,
                                         .causal = 1,
                                         .mask = mask,
                                         .weights = &weights,
                                         .y = &y}));
}

void softmax_reapply(floatX *drop_att, const floatX *att, int B, int NH, int T,
                     cudrop_context_t *ctx, const cudrop_mask_t *mask) {
  const cudrop_tensor_t weights = tensor3(att, B * NH, T, T);
  const cudrop_tensor_t y = tensor3(drop_att, B * NH, T, T);
  recipe_check(cudrop_attention_reapply(
      ctx, &(cudrop_attention_reapply_t){
               .weights = &weights, .causal = 1, .mask = mask, .y = &y}));
}

void softmax_autoregressive_backward_inplace(floatX *datt, const floatX *att, int B,
                                             int NH, int T, float scale,
                                             cudrop_context_t *ctx,
                                             const cudrop_mask_t *mask) {
  const cudrop_tensor_t dy = tensor3(datt, B * NH, T, T);
  const cudrop_tensor_t weights = tensor3(att, B * NH, T, T);
  recipe_check(
      cudrop_attention_backward(ctx, &(cudrop_attention_backward_t){.dy = &dy,
                                                                    .weights = &weights,
                                                                    .scale = scale,
                                                                    .causal = 1,
                                                                    .mask = mask,
                                                                    .dscores = &dy}));
}
