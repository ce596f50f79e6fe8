/* attention.h - what lies between the projections of a block: heads, and their weights. */
#ifndef ATTENTION_H
#define ATTENTION_H

#include "gpt.h"

/* From block[layer].qkv, which gets its bias here, to block[layer].attended. */
cudrop_status_t gpt_attention_forward(gpt_t *gpt, int layer);

/* From the gradient of `attended`, in scratch.dy, to that of qkv, in scratch.wide. */
cudrop_status_t gpt_attention_backward(gpt_t *gpt, int layer);

#endif /* ATTENTION_H */
