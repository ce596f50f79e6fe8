/* backward.c - from the gradient of the logits to those of all parameters. */
#include "attention.h"
#include "gpt.h"
#include "sites.h"

/* ---- A shortcut --------------------------------------------------------------------- */

/*
 * From scratch.dy, the gradient of y[k], and scratch.dh, that of h[k] from the next shortcut, to
 * the gradients of h[k-1], in scratch.dh, and of x, in scratch.x.
 */
static cudrop_status_t differentiate_shortcut(gpt_t *gpt, int k) {
  const int64_t width = gpt->config.width;
  const gpt_norm_t *of = &gpt->norm[k];
  const cudrop_tensor_t dy = gpt_rows(gpt, gpt->scratch.dy, width);
  const cudrop_tensor_t dh = gpt_rows(gpt, gpt->scratch.dh, width);
  const cudrop_tensor_t dx = gpt_rows(gpt, gpt->scratch.x, width);
  const cudrop_tensor_t h = gpt_rows(gpt, of->h, width);
  const cudrop_tensor_t mean = gpt_means(gpt, of->mean);
  const cudrop_tensor_t rstd = gpt_means(gpt, of->rstd);
  const gpt_vectors_t parameters = gpt_norm_vectors(gpt, gpt->parameter, k);
  const gpt_vectors_t gradients = gpt_norm_vectors(gpt, gpt->gradient, k);
  const bool is_last = k == 2 * gpt->config.layers; /* no shortcut comes behind it */
  cudrop_mask_t mask;
  cudrop_norm_t norm;
  TRY(gpt_get_norm(gpt, k, &parameters, &mask, &norm));
  return gpt->sites->norm_backward(
      gpt, gpt_norm_site(k),
      &(cudrop_norm_backward_t){.norm = &norm,
                                .dy = &dy,
                                .dh = is_last ? NULL : &dh,
                                .h = &h,
                                .mean = &mean,
                                .rstd = &rstd,
                                .dx = &dx,
                                .dresidual = &dh,
                                .dbias = &gradients.bias,
                                .dgamma = &gradients.gamma,
                                .dbeta = &gradients.beta,
                                .workspace = gpt->scratch.workspace,
                                .workspace_bytes = gpt->scratch.workspace_bytes});
}

/* ---- A block ------------------------------------------------------------------------ */

/* Of hidden + bias, from that of `active`, both in scratch.wide. */
static cudrop_status_t differentiate_activation(gpt_t *gpt, int layer) {
  const gpt_scratch_t *scratch = &gpt->scratch;
  const cudrop_tensor_t d = gpt_rows(gpt, scratch->wide, gpt->shape.hidden);
  const cudrop_tensor_t x = gpt_rows(gpt, gpt->block[layer].hidden, gpt->shape.hidden);
  const cudrop_tensor_t bias = gpt_vector(gpt, gpt->parameter, GPT_HIDDEN_BIAS, layer);
  const cudrop_tensor_t dbias = gpt_vector(gpt, gpt->gradient, GPT_HIDDEN_BIAS, layer);
  const cudrop_fused_t fused = gpt_get_activation(&bias);
  TRY(cudrop_fused_backward(
      gpt->context,
      &(cudrop_fused_backward_t){.fused = &fused,
                                 .dy = &d,
                                 .x = &x,
                                 .dx = &d,
                                 .dbias = &dbias,
                                 .workspace = scratch->workspace,
                                 .workspace_bytes = scratch->workspace_bytes}));
  return gpt_lap(gpt, GPT_LAP_REST);
}

static cudrop_status_t differentiate_block(gpt_t *gpt, int layer) {
  const gpt_block_t *block = &gpt->block[layer];
  const gpt_scratch_t *scratch = &gpt->scratch;
  const int k = 2 * layer;
  TRY(differentiate_shortcut(gpt, k + 2));
  TRY(gpt_differentiate(gpt, block->active, GPT_OUTPUT_WEIGHT, layer, scratch->x,
                        scratch->wide));
  TRY(differentiate_activation(gpt, layer));
  TRY(gpt_differentiate(gpt, gpt->norm[k + 1].y, GPT_HIDDEN_WEIGHT, layer, scratch->wide,
                        scratch->dy));
  TRY(gpt_sum_parts(gpt, scratch->dy));
  TRY(differentiate_shortcut(gpt, k + 1));
  TRY(gpt_differentiate(gpt, block->attended, GPT_PROJECTION_WEIGHT, layer, scratch->x,
                        scratch->dy));
  TRY(gpt_attention_backward(gpt, layer));
  TRY(gpt_differentiate(gpt, gpt->norm[k].y, GPT_QKV_WEIGHT, layer, scratch->wide,
                        scratch->dy));
  return gpt_sum_parts(gpt, scratch->dy);
}

/* ---- The embedding ------------------------------------------------------------------ */

/* Of h[0], in scratch.dh. */
static cudrop_status_t differentiate_first_norm(gpt_t *gpt) {
  const gpt_norm_t *of = &gpt->norm[0];
  const cudrop_tensor_t dy = gpt_rows(gpt, gpt->scratch.dy, gpt->config.width);
  const cudrop_tensor_t dh = gpt_rows(gpt, gpt->scratch.dh, gpt->config.width);
  const cudrop_tensor_t h = gpt_rows(gpt, of->h, gpt->config.width);
  const cudrop_tensor_t mean = gpt_means(gpt, of->mean);
  const cudrop_tensor_t rstd = gpt_means(gpt, of->rstd);
  const gpt_vectors_t parameters = gpt_norm_vectors(gpt, gpt->parameter, 0);
  const gpt_vectors_t gradients = gpt_norm_vectors(gpt, gpt->gradient, 0);
  cudrop_mask_t mask;
  cudrop_norm_t norm;
  TRY(gpt_get_norm(gpt, 0, &parameters, &mask, &norm));
  return gpt->sites->norm_backward(
      gpt, gpt_norm_site(0),
      &(cudrop_norm_backward_t){.norm = &norm,
                                .dy = &dy,
                                .dh = &dh,
                                .h = &h,
                                .mean = &mean,
                                .rstd = &rstd,
                                .dresidual = &dh,
                                .dgamma = &gradients.gamma,
                                .dbeta = &gradients.beta,
                                .workspace = gpt->scratch.workspace,
                                .workspace_bytes = gpt->scratch.workspace_bytes});
}

static cudrop_status_t differentiate_embedding(gpt_t *gpt) {
  const cudrop_tensor_t ids =
      cudrop_matrix(gpt->device_ids, CUDROP_I32, gpt->shape.rows, gpt->config.length);
  const cudrop_tensor_t dh = gpt_rows(gpt, gpt->scratch.dh, gpt->config.width);
  const cudrop_tensor_t dtokens = gpt_table(gpt, gpt->gradient, GPT_TOKENS);
  const cudrop_tensor_t dpositions = gpt_table(gpt, gpt->gradient, GPT_POSITIONS);
  cudrop_mask_t mask;
  const cudrop_mask_t *used = NULL;
  TRY(gpt_site_mask(gpt, 0, &mask, &used));
  return gpt->sites->embedding_backward(
      gpt, 0,
      &(cudrop_embedding_backward_t){.ids = &ids,
                                     .dy = &dh,
                                     .mask = used,
                                     .dtokens = &dtokens,
                                     .dpositions = &dpositions,
                                     .workspace = gpt->scratch.workspace,
                                     .workspace_bytes = gpt->scratch.workspace_bytes});
}

/* ---- All of it ---------------------------------------------------------------------- */

cudrop_status_t gpt_backward(gpt_t *gpt) {
  const int last = 2 * gpt->config.layers;
  TRY(gpt_differentiate(gpt, gpt->norm[last].y, GPT_HEAD_WEIGHT, 0, gpt->logits,
                        gpt->scratch.dy));
  for (int layer = gpt->config.layers - 1; layer >= 0; --layer)
    TRY(differentiate_block(gpt, layer));
  TRY(differentiate_first_norm(gpt));
  TRY(differentiate_embedding(gpt));
  if (gpt->parallel.split == PARALLEL_DATA)
    parallel_sum(&gpt->parallel, gpt->gradient, gpt->parameters);
  return gpt_lap(gpt, GPT_LAP_REST);
}
