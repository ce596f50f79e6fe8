/*
 * attend.h - attention with dropout and no matrix of weights: section 17 of cudrop.h.
 *
 * transformer.h includes this header, and cudrop.h that one. The rules for every operator stand in
 * cudrop.h, and those for operators on rows in section 12.
 */
#ifndef CUDROP_ATTEND_H
#define CUDROP_ATTEND_H

#include "transformer.h"

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
 *   cudrop_attention_t attention = {.scale = 0.125f, .causal = CUDROP_CAUSAL, .mask = &mask};
 *   status = cudrop_attend_forward(ctx, &(cudrop_attend_forward_t){.attention = &attention,
 *                                                                  .q = &q,
 *                                                                  .k = &k,
 *                                                                  .v = &v,
 *                                                                  .o = &o,
 *                                                                  .lse = &lse});
 *
 *   q, o      [..., heads, queries, D]
 *   k, v      [..., shared heads, keys, D], with the sizes of q in front of the heads. The shared
 *             heads divide the heads, and head h reads the shared head h / (heads / shared heads):
 *             as many for one each, fewer for grouped-query attention, 1 for multi-query
 *   lse       F32, [..., heads, queries]; training needs lse, inference does without
 *   attention who sees whom and what is dropped, as in section 15, where S is
 *             [..., heads, queries, keys]: so is the tensor of the mask index and of `bits`, and
 *             `lengths` has the first sizes of q
 *
 * [queries, D] alone is one head. D, the size of a head, is a multiple of 8 from 8 to 256 and has
 * stride 1; the other dimensions may have any strides. All tensors but lse have one type.
 *
 * A query that sees no key, or scores of -infinity alone, has o = +0 and lse = -infinity. With p = 1
 * all of O is +0. A NaN that a query sees makes its o NaN. A key that no query of a head sees is not
 * looked at; a key or value of NaN or infinity that some query sees may make other queries of that
 * head NaN, though their weight for the key is 0.
 *
 * Bits: the mask's are exact. The sums are made in float, in an order that follows from the place in
 * the tensor alone: a context gives the same bits every time, and the host does with any number of
 * threads and any vectors. The host and a GPU differ in the last places. Call s the largest sum over
 * D of |scale q k| of a query. With u = 2^-24, o is off by at most one rounding to its type and by
 *
 *   (2 (D + 3) s + keys / 32 + 150) u * (the sum of |weight v|)    on the host
 *   (2 (D + 3) s + 2 keys + 150) u * (the sum of |weight v|)       on a GPU
 *
 * lse is off by at most the number in front of the sum, and by one rounding. o is the sum of
 * e^(score - the largest one) v, divided at the end: o may be infinite where the number of keys times
 * the largest |v| passes the largest float. A GPU may round the weights of F16 and BF16 tensors to
 * that type before the product with V, by 2^-12 and 2^-9 of each.
 *
 * A GPU of sm_80 or newer takes tensor cores for F16 and BF16 with D = 64 or 128, if
 *   - all tensors but lse begin at multiples of 16 bytes, and have strides that are multiples of 8;
 *   - `lengths`, if there are any, have one number for all queries of a head;
 *   - p is 0, or the mask's index counts keys by 1 and is a multiple of 8 at every first key. It is
 *     by default if the number of keys is one.
 * Other calls, and those with `bits`, take slower kernels.
 *
 * o may be q itself. Statuses are those of section 15, and
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
 * dk and dv of a shared head are the sums over the heads that read it. dq, dk and dv have the shapes
 * of q, k and v; each may be NULL, not all three. Without queries dk and dv are +0. They are gradients of data: `accumulate` may be
 * CUDROP_ACCUMULATE_DATA. dq may be q, o or dout itself.
 *
 * A GPU may round dS of F16 and BF16 tensors to that type, too: in F16 nothing finer than 2^-24 is
 * left of it.
 *
 * A host context works with as many threads as k has shared heads in all batches, and no more.
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

/* Write to *bytes a workspace that suffices for a q of up to `rows` queries, in all heads and
 * batches together, of D = `cols`. */
CUDROP_CHECKED cudrop_status_t cudrop_attend_backward_workspace(int64_t rows,
                                                                int64_t cols,
                                                                size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_ATTEND_H */
