/* attention.h - what lies between the projections of a block: heads, and their weights. */
#ifndef ATTENTION_H
#define ATTENTION_H

#include "gpt.h"

/* From block[layer].qkv, which gets its bias here, to block[layer].attended. */
cudrop_status_t gpt_attention_forward(gpt_t *gpt, int layer);

/* From the gradient of `attended`, in scratch.dy, to that of qkv, in scratch.wide. */
cudrop_status_t gpt_attention_backward(gpt_t *gpt, int layer);

/* ---- The ways of gpt_attention_way_t, as tables of functions ------------------------ */

/* The same, behind the bias and in front of its gradient; `attention` has the site's mask. */
typedef struct gpt_attention {
  cudrop_status_t (*forward)(gpt_t *gpt, int layer, const cudrop_attention_t *attention);
  cudrop_status_t (*backward)(gpt_t *gpt, int layer, const cudrop_attention_t *attention);
} gpt_attention_t;

extern const gpt_attention_t gpt_attention_fused;
extern const gpt_attention_t gpt_attention_separate;

/* The parts of qkv, in their order. */
typedef enum { GPT_QUERY, GPT_KEY, GPT_VALUE } gpt_third_t;

/* [rows][heads][length][head width], in the columns of a [tokens][inner], and in those of qkv. */
cudrop_tensor_t gpt_heads(const gpt_t *gpt, void *data);
cudrop_tensor_t gpt_third(const gpt_t *gpt, void *qkv, gpt_third_t third);

#endif /* ATTENTION_H */
