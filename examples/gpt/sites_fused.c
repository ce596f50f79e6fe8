/* sites_fused.c - one call a site. */
#include "sites.h"

static cudrop_status_t embedding_forward(gpt_t *gpt, int site,
                                         const cudrop_embedding_forward_t *args) {
  (void)site; /* the mask says it */
  TRY(cudrop_embedding_forward(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t embedding_backward(gpt_t *gpt, int site,
                                          const cudrop_embedding_backward_t *args) {
  (void)site;
  TRY(cudrop_embedding_backward(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t norm_forward(gpt_t *gpt, int site,
                                    const cudrop_norm_forward_t *args) {
  (void)site;
  TRY(cudrop_norm_forward(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t norm_backward(gpt_t *gpt, int site,
                                     const cudrop_norm_backward_t *args) {
  (void)site;
  TRY(cudrop_norm_backward(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t attention_forward(gpt_t *gpt, int site,
                                         const cudrop_attention_forward_t *args) {
  (void)site;
  TRY(cudrop_attention_forward(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t attention_reapply(gpt_t *gpt, int site,
                                         const cudrop_attention_reapply_t *args) {
  (void)site;
  TRY(cudrop_attention_reapply(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

static cudrop_status_t attention_backward(gpt_t *gpt, int site,
                                          const cudrop_attention_backward_t *args) {
  (void)site;
  TRY(cudrop_attention_backward(gpt->context, args));
  return gpt_lap(gpt, GPT_LAP_SITES);
}

const gpt_sites_t gpt_sites_fused = {
    .embedding_forward = embedding_forward,
    .embedding_backward = embedding_backward,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .attention_forward = attention_forward,
    .attention_reapply = attention_reapply,
    .attention_backward = attention_backward,
};

/* ---- The workspace ------------------------------------------------------------------ */

static void take_larger(size_t *largest, size_t bytes) {
  if (bytes > *largest) *largest = bytes;
}

cudrop_status_t gpt_sites_workspace(const gpt_t *gpt, size_t *bytes) {
  const int64_t tokens = gpt->shape.tokens, width = gpt->config.width;
  size_t embedding = 0, norm = 0, hidden = 0, projected = 0;
  TRY(cudrop_embedding_backward_workspace(tokens, width, &embedding));
  TRY(cudrop_norm_backward_workspace(tokens, width, &norm));
  TRY(cudrop_fused_backward_workspace(tokens, gpt->shape.hidden, &hidden));
  TRY(cudrop_fused_backward_workspace(tokens, 3 * gpt->shape.inner, &projected));
  *bytes = embedding;
  take_larger(bytes, norm);
  take_larger(bytes, hidden);
  take_larger(bytes, projected);
  return CUDROP_OK;
}
