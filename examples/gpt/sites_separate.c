/*
 * sites_separate.c - a call for each part of a site, as programs without fused operators make
 * them, and the three ways to drop: from the mask, from bytes and from bits.
 */
#include "sites.h"

/* ---- Dropping ----------------------------------------------------------------------- */

/* Backward drops, and does not store once more, what forward has stored. */
typedef enum { FORWARD, BACKWARD } pass_t;

static cudrop_status_t drop_by_bytes(gpt_t *gpt, pass_t pass, int site,
                                     const cudrop_tensor_t *x, const cudrop_mask_t *mask,
                                     const cudrop_tensor_t *y) {
  const cudrop_tensor_t keep =
      cudrop_tensor(gpt->keep[site], CUDROP_U8, x->rank, x->shape);
  if (pass == FORWARD) TRY(cudrop_export_bytes(gpt->context, mask, &keep));
  return cudrop_apply_bytes(gpt->context, x, &keep, mask->p, y);
}

static cudrop_status_t drop_by_bits(gpt_t *gpt, pass_t pass, int site,
                                    const cudrop_tensor_t *x, const cudrop_mask_t *mask,
                                    const cudrop_tensor_t *y) {
  void *bits = gpt->keep[site];
  if (pass == FORWARD)
    TRY(cudrop_export_bits(gpt->context, mask, x->rank, x->shape, bits));
  return cudrop_apply_bits(gpt->context, x, bits, mask->p, y);
}

static cudrop_status_t drop_by_way(gpt_t *gpt, pass_t pass, int site,
                                   const cudrop_tensor_t *x, const cudrop_mask_t *mask,
                                   const cudrop_tensor_t *y) {
  if (gpt->config.way == GPT_BYTES) return drop_by_bytes(gpt, pass, site, x, mask, y);
  if (gpt->config.way == GPT_BITS) return drop_by_bits(gpt, pass, site, x, mask, y);
  return pass == FORWARD ? cudrop_forward(gpt->context, x, mask, y)
                         : cudrop_backward(gpt->context, x, mask, y);
}

/* y = drop(x), with y being x or not. */
static cudrop_status_t drop(gpt_t *gpt, pass_t pass, int site, const cudrop_tensor_t *x,
                            const cudrop_mask_t *mask, const cudrop_tensor_t *y) {
  TRY(gpt_lap(gpt, GPT_LAP_SITES)); /* what has been called for the neighbours */
  if (mask != NULL) {
    TRY(drop_by_way(gpt, pass, site, x, mask, y));
  } else if (x->data != y->data) {
    TRY(cudrop_forward(gpt->context, x, NULL, y)); /* a copy */
  }
  return gpt_lap(gpt, GPT_LAP_DROPOUT);
}

/* ---- The embedding ------------------------------------------------------------------ */

static cudrop_status_t embedding_forward(gpt_t *gpt, int site,
                                         const cudrop_embedding_forward_t *args) {
  cudrop_embedding_forward_t embedding = *args;
  embedding.mask = NULL;
  TRY(cudrop_embedding_forward(gpt->context, &embedding));
  return drop(gpt, FORWARD, site, args->y, args->mask, args->y);
}

static cudrop_status_t embedding_backward(gpt_t *gpt, int site,
                                          const cudrop_embedding_backward_t *args) {
  cudrop_embedding_backward_t embedding = *args;
  embedding.mask = NULL;
  TRY(drop(gpt, BACKWARD, site, args->dy, args->mask, args->dy));
  TRY(cudrop_embedding_backward(gpt->context, &embedding));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

/* ---- A shortcut and its norm -------------------------------------------------------- */

/* h = residual + drop(x + bias), and x is overwritten. */
static cudrop_status_t add_shortcut(gpt_t *gpt, int site,
                                    const cudrop_norm_forward_t *args) {
  const cudrop_fused_t biased = {.bias = args->norm->bias}, plain = {.bias = NULL};
  TRY(cudrop_fused_forward(
      gpt->context,
      &(cudrop_fused_forward_t){.fused = &biased, .x = args->x, .y = args->x}));
  TRY(drop(gpt, FORWARD, site, args->x, args->norm->mask, args->x));
  return cudrop_fused_forward(
      gpt->context,
      &(cudrop_fused_forward_t){
          .fused = &plain, .x = args->x, .residual = args->residual, .y = args->h});
}

/* The norm alone. */
static cudrop_norm_t strip(const cudrop_norm_t *norm) {
  cudrop_norm_t alone = *norm;
  alone.bias = NULL;
  alone.mask = NULL;
  return alone;
}

static cudrop_status_t norm_forward(gpt_t *gpt, int site,
                                    const cudrop_norm_forward_t *args) {
  const cudrop_norm_t alone = strip(args->norm);
  cudrop_norm_forward_t parts = *args;
  if (args->residual != NULL) {
    TRY(add_shortcut(gpt, site, args));
    parts.x = args->h;
  }
  parts.norm = &alone;
  parts.residual = NULL;
  parts.h = NULL;
  TRY(cudrop_norm_forward(gpt->context, &parts));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t norm_backward(gpt_t *gpt, int site,
                                     const cudrop_norm_backward_t *args) {
  const cudrop_norm_t alone = strip(args->norm);
  const cudrop_fused_t biased = {.bias = args->norm->bias};
  cudrop_norm_backward_t parts = *args;
  parts.norm = &alone;
  parts.dx = NULL;
  parts.dbias = NULL;
  TRY(cudrop_norm_backward(gpt->context, &parts));
  if (args->dx == NULL) return gpt_lap(gpt, GPT_LAP_SITES);
  TRY(drop(gpt, BACKWARD, site, args->dresidual, args->norm->mask, args->dx));
  TRY(cudrop_fused_backward(gpt->context, &(cudrop_fused_backward_t){
                                              .fused = &biased,
                                              .dy = args->dx,
                                              .dbias = args->dbias,
                                              .workspace = args->workspace,
                                              .workspace_bytes = args->workspace_bytes}));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

/* ---- Attention weights -------------------------------------------------------------- */

/* P in `weights`, +0 where a key is not seen, so that dropping may look there. */
static cudrop_status_t attention_forward(gpt_t *gpt, int site,
                                         const cudrop_attention_forward_t *args) {
  cudrop_attention_t undropped = *args->attention;
  cudrop_attention_forward_t parts = *args;
  undropped.mask = NULL;
  parts.attention = &undropped;
  parts.weights = NULL;
  parts.y = args->weights;
  TRY(cudrop_attention_forward(gpt->context, &parts));
  return drop(gpt, FORWARD, site, args->weights, args->attention->mask, args->y);
}

static cudrop_status_t attention_reapply(gpt_t *gpt, int site,
                                         const cudrop_attention_reapply_t *args) {
  return drop(gpt, BACKWARD, site, args->weights, args->attention->mask, args->y);
}

static cudrop_status_t attention_backward(gpt_t *gpt, int site,
                                          const cudrop_attention_backward_t *args) {
  cudrop_attention_t undropped = *args->attention;
  cudrop_attention_backward_t parts = *args;
  undropped.mask = NULL;
  parts.attention = &undropped;
  TRY(drop(gpt, BACKWARD, site, args->dy, args->attention->mask, args->dy));
  TRY(cudrop_attention_backward(gpt->context, &parts));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

const gpt_sites_t gpt_sites_separate = {
    .embedding_forward = embedding_forward,
    .embedding_backward = embedding_backward,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .attention_forward = attention_forward,
    .attention_reapply = attention_reapply,
    .attention_backward = attention_backward,
};
