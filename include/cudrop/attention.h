/*
 * attention.h - attention weights with dropout: section 15 of cudrop.h.
 *
 * cudrop.h includes this header, by way of transformer.h. The rules for every operator stand in
 * cudrop.h, and those for operators on rows in section 12.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_ATTENTION_H
#define CUDROP_ATTENTION_H

#include "transformer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 15. Attention weights -------------------------------------------------------- */

/*
 * P = softmax(scale * S)        y = drop(P)
 *
 * along each row of S, the scores of one query with all keys. S, P and y have the shape
 * [..., queries, keys], as in [batch, heads, queries, keys], and at least these two dimensions.
 *
 *   cudrop_attention_t attention = {.scale = 0.125f, .causal = CUDROP_CAUSAL, .mask = &mask};
 *   status = cudrop_attention_forward(ctx, &(cudrop_attention_forward_t){.attention = &attention,
 *                                                                        .scores = &s,
 *                                                                        .weights = &p,
 *                                                                        .y = &y});
 *
 * `attention` says who sees whom and what is dropped, to all three calls.
 *
 * A query sees the first of the keys, and how many follows from its coordinate q along the
 * second to last dimension, and from its coordinates b, ... along the first ones:
 *
 *   causal    q + query_offset + 1      query_offset, from 0, is how many keys come before
 *                                       query 0, as with a cache of keys. With
 *                                       CUDROP_CAUSAL_LAST it is keys - queries, which may be
 *                                       below 0: the last query sees all keys
 *   lengths   lengths[b, ...]           an I32 or I64 tensor, or NULL; its shape is the first
 *                                       sizes of S, one or more of those before the keys. In
 *                                       row-major order its elements are one distance apart: a
 *                                       dense tensor, every n-th element, or the same one for
 *                                       all, stride 0. One below 0 counts as 0
 *   both      the smaller one; and there are no more than all keys
 *
 * With a `window` of w > 0, which needs `causal`, a query at t = q + query_offset (with
 * CUDROP_CAUSAL_LAST, t = q + keys - queries) sees the keys from t + 1 - w to t, of those that there
 * are and that `lengths` shows. So where t is at least lengths - 1 + w it sees none.
 *
 * Queries may take a call for each part of them. The part from t0 on has query_offset = t0, and
 * the mask of the part, which is a shard of the mask of all queries and all keys (section 6). The
 * shard does not follow from query_offset:
 *
 *   cudrop_mask_shard(&mask, 4, (int64_t[]){batch, heads, tokens, tokens},
 *                     (int64_t[]){0, 0, t0, 0});
 *
 * To check a result, cudrop_export_bytes() (section 9) writes the mask of S. Without an index map
 * the weight of query i and key j has the index ((b * heads + h) * queries + i) * keys + j.
 *
 * Keys that are not seen cost nothing: their scores are not looked at, no mask is drawn for them,
 * and their weights are not written. So P holds anything there (the old scores, if P is in their
 * place): give P to the calls of this section alone, and y, which is +0 there, to matrix products.
 *
 * In float: z = scale * s; e = exp(z - max z); P = e * (1 / sum e), each operation rounded, exp
 * within 1.1 ulp in F32, and within 2^-17 of itself in F16 and BF16. Then P is rounded to the
 * tensors' type, and y = keep ? P * 1/(1 - p) : +0 of this rounded P. `scale` is finite; 0, as of
 * a member that is left out, stands for 1. A row that sees no key has y = +0, and one that sees
 * scores of -infinity alone P = y = +0. A NaN or +infinity that is seen makes all that the row
 * sees NaN, but for what is dropped of y.
 *
 * `mask` NULL keeps everything. `bits` in place of a mask are keep bits drawn ahead, on another
 * stream or from elsewhere: of the tensor S, as cudrop_export_bits() writes them; with them comes
 * their rate `p`, which gives the factor alone (left out it is 0, and nothing is scaled).
 *
 * Either of `weights` and y may be NULL: training needs both, or P alone and
 * cudrop_attention_reapply(); inference needs y alone, and has P there. Either may be S itself.
 *
 * Statuses are those of section 12, and
 *   ERROR_INVALID_ARGUMENT  a scale that is not finite; a `causal` that does not exist; a negative
 *                           query_offset, or one that is not 0 without CUDROP_CAUSAL; a negative
 *                           window, or one that is not 0 and not causal; mask and bits together;
 *                           p without bits; scores of rank 0 or 1
 */
typedef enum {
  CUDROP_NOT_CAUSAL = 0,
  CUDROP_CAUSAL = 1,     /* aligned to the first query and the first key ("top left") */
  CUDROP_CAUSAL_LAST = 2 /* to the last query and the last key ("bottom right") */
} cudrop_causal_t;

typedef struct {
  float scale; /* of the scores; 0 stands for 1 */
  cudrop_causal_t causal;
  int64_t query_offset;           /* with CUDROP_CAUSAL */
  int64_t window;                 /* of keys, if causal; 0: no limit */
  const cudrop_tensor_t *lengths; /* or NULL */
  const cudrop_mask_t *mask;      /* or NULL */
  const void *bits;               /* or NULL */
  double p;                       /* of bits */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_attention_t;

typedef struct {
  const cudrop_attention_t *attention;
  const cudrop_tensor_t *scores;
  const cudrop_tensor_t *weights, *y; /* one of them may be NULL */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_attention_forward_t;

CUDROP_CHECKED cudrop_status_t cudrop_attention_forward(
    cudrop_context_t *context, const cudrop_attention_forward_t *args);

/*
 * y = keep ? P * 1/(1 - p) : 0        the y of the forward call, to the bit
 *
 * so that P alone need be kept between forward and backward: y, as large, is made again where
 * backward multiplies by it. y is +0 where a key is not seen. y may be P itself.
 */
typedef struct {
  const cudrop_attention_t *attention; /* forward's; the scale is not looked at */
  const cudrop_tensor_t *weights;
  const cudrop_tensor_t *y;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_attention_reapply_t;

CUDROP_CHECKED cudrop_status_t cudrop_attention_reapply(
    cudrop_context_t *context, const cudrop_attention_reapply_t *args);

/*
 * dP = keep ? dy * 1/(1 - p) : 0        dS = scale * (P * (dP - sum of dP * P along the row))
 *
 * with the P of the forward call. dS is +0 where a key is not seen, and neither P nor dy is looked
 * at there. dS may be dy or P itself.
 */
typedef struct {
  const cudrop_attention_t *attention; /* forward's */
  const cudrop_tensor_t *dy, *weights;
  const cudrop_tensor_t *dscores;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_attention_backward_t;

CUDROP_CHECKED cudrop_status_t cudrop_attention_backward(
    cudrop_context_t *context, const cudrop_attention_backward_t *args);

#ifdef __cplusplus
}
#endif

#include "attend.h" /* section 17 */

#endif /* CUDROP_ATTENTION_H */
