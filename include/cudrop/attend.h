/*
 * attend.h - attention with dropout and no matrix of weights: section 17 of cudrop.h.
 *
 * cudrop.h includes this header, by way of transformer.h. The rules for every operator stand in
 * cudrop.h, and those for operators on rows in section 12.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_ATTEND_H
#define CUDROP_ATTEND_H

#include "attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 17. Attention ---------------------------------------------------------------- */

/*
 * O = drop(softmax(scale * Q K^T)) V        lse = log(sum of e^(scale * Q K^T))
 *
 * with softmax and sum along the keys that a query sees. The weights, which section 15 has as a
 * tensor of queries times keys, are never in memory: forward and backward make them tile by tile.
 * A weight is dropped exactly if cudrop_attention_forward() drops it under the same mask.
 *
 *   // 0.125f is 1 / sqrt(64); left out, the scale is 1
 *   cudrop_attention_t attention = {.scale = 0.125f, .causal = CUDROP_CAUSAL, .mask = &mask};
 *   status = cudrop_attend_forward(ctx, &(cudrop_attend_forward_t){.attention = &attention,
 *                                                                  .q = &q,
 *                                                                  .k = &k,
 *                                                                  .v = &v,
 *                                                                  .o = &o,
 *                                                                  .lse = &lse});
 *
 *   q, o      [..., heads, queries, D]
 *   k, v      [..., shared heads, keys, D], where ... are q's own first sizes. The shared heads
 *             divide the heads, and head h reads the shared head h / (heads / shared heads): as
 *             many for one each, fewer for grouped-query attention, 1 for multi-query
 *   lse       [..., heads, queries]; training needs lse, inference does without
 *   attention who sees whom and what is dropped, as in section 15, where S is
 *             [..., heads, queries, keys]: so is the tensor of the mask index and of `bits`, and
 *             `lengths` has the first sizes of q
 *
 * [queries, D] alone is one head. D, the size of a head, is a multiple of 8 from 8 to 256. Rows
 * have stride 1, and the other dimensions any strides; those of inputs may be 0. So q, k and v may
 * be views of one activation [batch, tokens, 3, heads, D]: the shape of each is [batch, heads,
 * tokens, D], the strides are {tokens * 3 * heads * D, D, 3 * heads * D, 1}, and k and v begin
 * heads * D and 2 * heads * D elements after q. Samples of one input are [samples, batch, ...]
 * with stride 0 along the samples; `lengths` is then a dense [samples, batch]. Sequences of
 * different lengths, packed one behind the other in [tokens, heads, D], take a call each, on views
 * of theirs.
 *
 * q, k, v, o and their gradients have one type, F32, F16 or BF16; lse is F32.
 *
 * A query that sees no key, or scores of -infinity alone, has o = +0 and lse = -infinity, whatever
 * v holds. With p = 1 all of O is +0. A NaN that a query sees makes its o NaN. Keys before the
 * first and behind the last that a query of a head sees are not looked at; a key or value of NaN
 * or infinity between these may make queries of that head NaN that do not see it.
 *
 * Bits: the mask's are exact. The sums are made in float, in an order that follows from the place
 * in the tensor alone: a context gives the same bits every time, and the host does with any number
 * of threads and any vectors. The host and a GPU differ in the last places. Of each query call s
 * the largest, over its keys, of the sum of |scale q k| along D. With u = 2^-24, o is off by at
 * most one rounding to its type and by
 *
 *   (2 (D + 3) s + keys / 32 + 150) u * (the sum of |weight v|)    on the host
 *   (2 (D + 3) s + 2 keys + 150) u * (the sum of |weight v|)       on a GPU
 *
 * as long as scale * q and the products are 0 or normal numbers. Below 2^-126 a power e^(score -
 * the largest one), or its product with v, is off by at most 2^-149 in addition.
 *
 * lse is off by at most the number in front of the sum, and by one rounding. o is the sum of
 * e^(score - the largest one) v, divided at the end: o may be infinite where the number of keys
 * times the largest |v| passes the largest float. A GPU may round the weights of F16 and BF16
 * tensors to that type before the product with V: each by at most 2^-11 or 2^-8 of itself, and in
 * F16 by 2^-37 of the largest one in addition.
 *
 * A GPU of sm_80 or newer takes tensor cores for F16 and BF16 with D = 64 or 128, if
 *   - all tensors but lse begin at multiples of 16 bytes, and have strides that are multiples of 8;
 *   - `lengths`, if there are any, have one number for all queries of a head;
 *   - p is 0, or the mask's index counts keys by 1 and is a multiple of 8 at every first key. A
 *     mask without an index map does so if its index_base and the number of keys are.
 * Other calls, and those with `bits`, take slower kernels.
 *
 * o may be q itself. Statuses are those of sections 15, 12 and 7, q in the place of the scores,
 * and
 *   ERROR_SHAPE       also: a D that is no multiple of 8 from 8 to 256; shared heads that do not
 *                     divide the heads; k and v of different shapes
 */
typedef struct {
  const cudrop_attention_t *attention;
  const cudrop_tensor_t *q, *k, *v;
  const cudrop_tensor_t *o;
  const cudrop_tensor_t *lse; /* or NULL */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_attend_forward_t;

CUDROP_CHECKED cudrop_status_t cudrop_attend_forward(cudrop_context_t *context,
                                                     const cudrop_attend_forward_t *args);

/*
 * The gradients of q, k and v by that of O, `dout`. With P the weights after softmax, made again
 * from lse, and keep and p of the mask:
 *
 *   dV = drop(P)^T dO          dP = keep ? dO V^T * 1/(1 - p) : 0
 *   dS = P * (dP - sum of dO * O along D)
 *   dQ = scale * dS K          dK = scale * dS^T Q
 *
 * `attention` must have forward's values: neither o nor lse shows another mask, and the gradients
 * would be wrong without a status.
 *
 * Where queries take a call for each part of them (section 15), a part has the bits of o, lse and dq
 * that a call for all queries has, on the host and where a GPU takes tensor cores for both calls or
 * for neither. A part of one query may take them where all queries do not, because strides of a size
 * of 1 do not count; its last places differ then. dk and dv of the parts are to be added: `accumulate` adds to all
 * three gradients, so clear dq first.
 *
 * dk and dv of a shared head are the sums over the heads that read it. A query that sees no key
 * has dq = +0, and what q and dout hold for it has no effect. A key that no query sees has dk = dv
 * = +0. Keys before the first and behind the last that a query of these heads sees are not looked
 * at. dq, dk and dv have the shapes of q, k and v; each may be NULL, not all three. They may be
 * views of one tensor, as q, k and v may. dq may be q, o or dout itself; dk and dv share no byte
 * with an input.
 *
 * They are gradients of data: `accumulate` may be CUDROP_ACCUMULATE_DATA. This leaves dk and dv of
 * the keys that are not looked at as they are, adds +0 to those of other keys that no query sees
 * and to the dq of a query that sees no key, and adds to a dq that is q, o or dout what was there.
 *
 * P is e^(score - lse) and so off by u (|score| + |lse|) of itself, beside the error of the score;
 * no bound is given for the gradients. A NaN or infinity in a row that sees or is seen, of any
 * input, may make all gradients NaN of the heads that share its keys, with p = 1, too.
 *
 * A GPU may round dS of F16 and BF16 tensors to that type, too: in F16 nothing finer than 2^-24 is
 * left of it.
 *
 * Of the threads of a host context backward uses at most batch * shared heads, and forward one for
 * some hundred queries of a head.
 *
 *   ERROR_INVALID_ARGUMENT  also: CUDROP_ACCUMULATE_PARAMETERS, for there are none
 */
typedef struct {
  const cudrop_attention_t *attention; /* forward's */
  const cudrop_tensor_t *q, *k, *v;
  const cudrop_tensor_t *o, *lse; /* of the forward call */
  const cudrop_tensor_t *dout;
  const cudrop_tensor_t *dq, *dk, *dv;
  uint32_t accumulate; /* bits of cudrop_accumulate_t */
  void *workspace;
  size_t workspace_bytes;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_attend_backward_t;

CUDROP_CHECKED cudrop_status_t
cudrop_attend_backward(cudrop_context_t *context, const cudrop_attend_backward_t *args);

/* Write to *bytes a workspace that suffices for a q of up to `rows` queries of D = `cols`,
 * whichever gradients are wanted: rows = batch * heads * queries, with the heads of q. */
CUDROP_CHECKED cudrop_status_t cudrop_attend_backward_workspace(int64_t rows,
                                                                int64_t cols,
                                                                size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_ATTEND_H */
