/*
 * sites.h - a dropout and its neighbours, in the ways of gpt_way_t, as a table of functions.
 *
 * Each takes what the operator of cudrop takes that does all at once, and gives the same bits:
 * the table for GPT_FUSED calls it; the other one makes a call for each part, and drops with a
 * mask that is regenerated or stored. A mask of NULL, in all of them, drops nothing.
 */
#ifndef SITES_H
#define SITES_H

#include "gpt.h"

typedef struct gpt_sites {
  cudrop_status_t (*embedding_forward)(gpt_t *gpt, int site,
                                       const cudrop_embedding_forward_t *args);
  cudrop_status_t (*embedding_backward)(gpt_t *gpt, int site,
                                        const cudrop_embedding_backward_t *args);
  cudrop_status_t (*norm_forward)(gpt_t *gpt, int site,
                                  const cudrop_norm_forward_t *args);
  cudrop_status_t (*norm_backward)(gpt_t *gpt, int site,
                                   const cudrop_norm_backward_t *args);
  cudrop_status_t (*attention_forward)(gpt_t *gpt, int site,
                                       const cudrop_attention_forward_t *args);
  cudrop_status_t (*attention_reapply)(gpt_t *gpt, int site,
                                       const cudrop_attention_reapply_t *args);
  cudrop_status_t (*attention_backward)(gpt_t *gpt, int site,
                                        const cudrop_attention_backward_t *args);
} gpt_sites_t;

extern const gpt_sites_t gpt_sites_fused;
extern const gpt_sites_t gpt_sites_separate;

/* Write to *bytes the workspace that serves all of them, whatever the table. */
cudrop_status_t gpt_sites_workspace(const gpt_t *gpt, size_t *bytes);

#endif /* SITES_H */
