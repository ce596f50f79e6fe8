/* forward.c - from ids to losses. */
#include "attention.h"
#include "gpt.h"
#include "sites.h"

/* ---- The embedding ------------------------------------------------------------------ */

static cudrop_status_t embed(gpt_t *gpt) {
  const size_t bytes = (size_t)gpt->shape.tokens * sizeof *gpt->ids;
  const cudrop_tensor_t ids =
      cudrop_matrix(gpt->device_ids, CUDROP_I32, gpt->shape.rows, gpt->config.length);
  const cudrop_tensor_t tokens = gpt_table(gpt, gpt->parameter, GPT_TOKENS);
  const cudrop_tensor_t positions = gpt_table(gpt, gpt->parameter, GPT_POSITIONS);
  const cudrop_tensor_t h = gpt_rows(gpt, gpt->norm[0].h, gpt->config.width);
  cudrop_mask_t mask;
  const cudrop_mask_t *used = NULL;
  TRY(gpt_site_mask(gpt, 0, &mask, &used));
  TRY(cudrop_upload(gpt->context, gpt->device_ids, gpt->ids, bytes));
  TRY(cudrop_upload(gpt->context, gpt->device_targets, gpt->targets, bytes));
  TRY(gpt_lap(gpt, GPT_LAP_REST));
  return gpt->sites->embedding_forward(
      gpt, 0,
      &(cudrop_embedding_forward_t){.ids = &ids,
                                    .tokens = &tokens,
                                    .positions = &positions,
                                    .mask = used,
                                    .y = &h});
}

/* y[0] = LayerNorm(h[0]), which nothing is added to. */
static cudrop_status_t normalise_first(gpt_t *gpt) {
  const gpt_norm_t *of = &gpt->norm[0];
  const cudrop_tensor_t h = gpt_rows(gpt, of->h, gpt->config.width);
  const cudrop_tensor_t y = gpt_rows(gpt, of->y, gpt->config.width);
  const cudrop_tensor_t mean = gpt_means(gpt, of->mean);
  const cudrop_tensor_t rstd = gpt_means(gpt, of->rstd);
  const gpt_vectors_t parameters = gpt_norm_vectors(gpt, gpt->parameter, 0);
  cudrop_mask_t mask;
  cudrop_norm_t norm;
  TRY(gpt_get_norm(gpt, 0, &parameters, &mask, &norm));
  return gpt->sites->norm_forward(
      gpt, gpt_norm_site(0),
      &(cudrop_norm_forward_t){
          .norm = &norm, .x = &h, .y = &y, .mean = &mean, .rstd = &rstd});
}

/* ---- A shortcut --------------------------------------------------------------------- */

/* h[k] = h[k-1] + drop(x + bias), y[k] = LayerNorm(h[k]) */
static cudrop_status_t add_shortcut(gpt_t *gpt, int k) {
  const int64_t width = gpt->config.width;
  const gpt_norm_t *of = &gpt->norm[k];
  const cudrop_tensor_t x = gpt_rows(gpt, gpt->scratch.x, width);
  const cudrop_tensor_t residual = gpt_rows(gpt, gpt->norm[k - 1].h, width);
  const cudrop_tensor_t h = gpt_rows(gpt, of->h, width);
  const cudrop_tensor_t y = gpt_rows(gpt, of->y, width);
  const cudrop_tensor_t mean = gpt_means(gpt, of->mean);
  const cudrop_tensor_t rstd = gpt_means(gpt, of->rstd);
  const gpt_vectors_t parameters = gpt_norm_vectors(gpt, gpt->parameter, k);
  cudrop_mask_t mask;
  cudrop_norm_t norm;
  TRY(gpt_sum_parts(gpt, gpt->scratch.x));
  TRY(gpt_get_norm(gpt, k, &parameters, &mask, &norm));
  return gpt->sites->norm_forward(gpt, gpt_norm_site(k),
                                  &(cudrop_norm_forward_t){.norm = &norm,
                                                           .x = &x,
                                                           .residual = &residual,
                                                           .h = &h,
                                                           .y = &y,
                                                           .mean = &mean,
                                                           .rstd = &rstd});
}

/* ---- A block ------------------------------------------------------------------------ */

/* active = GELU(hidden + bias) */
static cudrop_status_t activate(gpt_t *gpt, int layer) {
  const gpt_block_t *block = &gpt->block[layer];
  const cudrop_tensor_t x = gpt_rows(gpt, block->hidden, gpt->shape.hidden);
  const cudrop_tensor_t bias = gpt_vector(gpt, gpt->parameter, GPT_HIDDEN_BIAS, layer);
  const cudrop_tensor_t y = gpt_rows(gpt, block->active, gpt->shape.hidden);
  const cudrop_fused_t fused = gpt_get_activation(&bias);
  TRY(cudrop_fused_forward(gpt->context,
                           &(cudrop_fused_forward_t){.fused = &fused, .x = &x, .y = &y}));
  return gpt_lap(gpt, GPT_LAP_REST);
}

static cudrop_status_t run_block(gpt_t *gpt, int layer) {
  const gpt_block_t *block = &gpt->block[layer];
  const int k = 2 * layer;
  TRY(gpt_multiply(gpt, gpt->norm[k].y, GPT_QKV_WEIGHT, layer, block->qkv));
  TRY(gpt_attention_forward(gpt, layer));
  TRY(gpt_multiply(gpt, block->attended, GPT_PROJECTION_WEIGHT, layer, gpt->scratch.x));
  TRY(add_shortcut(gpt, k + 1));
  TRY(gpt_multiply(gpt, gpt->norm[k + 1].y, GPT_HIDDEN_WEIGHT, layer, block->hidden));
  TRY(activate(gpt, layer));
  TRY(gpt_multiply(gpt, block->active, GPT_OUTPUT_WEIGHT, layer, gpt->scratch.x));
  return add_shortcut(gpt, k + 2);
}

/* ---- All of it ---------------------------------------------------------------------- */

static cudrop_status_t judge(gpt_t *gpt) {
  const engine_judged_t judged = {
      .logits = gpt->logits,
      .dtype = gpt->config.dtype,
      .rows = gpt->shape.tokens,
      .classes = gpt->config.vocabulary,
      .target = gpt->device_targets,
      .loss = gpt->device_loss,
      .scale = 1.0f / ((float)gpt->config.batch * (float)gpt->config.length),
  };
  TRY(gpt->engine.table->judge(&gpt->engine, &judged));
  TRY(cudrop_download(gpt->context, gpt->loss, gpt->device_loss,
                      (size_t)gpt->shape.tokens * sizeof *gpt->loss));
  return gpt_lap(gpt, GPT_LAP_REST);
}

static cudrop_status_t run(gpt_t *gpt) {
  const int last = 2 * gpt->config.layers;
  TRY(embed(gpt));
  TRY(normalise_first(gpt));
  for (int layer = 0; layer < gpt->config.layers; ++layer) TRY(run_block(gpt, layer));
  TRY(gpt_multiply(gpt, gpt->norm[last].y, GPT_HEAD_WEIGHT, 0, gpt->logits));
  return judge(gpt);
}

cudrop_status_t gpt_forward(gpt_t *gpt, uint64_t step) {
  gpt->step = step;
  gpt->is_training = true;
  return run(gpt);
}

cudrop_status_t gpt_infer(gpt_t *gpt) {
  gpt->is_training = false;
  return run(gpt);
}
