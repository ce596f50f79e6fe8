/*
 * transformer.h - dropout and its neighbours in a transformer: sections 12, 13, 14 and 16 of
 * cudrop.h.
 *
 * cudrop.h includes this header, this one attention.h (15), and that one attend.h (17). The rules
 * for every operator stand in cudrop.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CUDROP_TRANSFORMER_H
#define CUDROP_TRANSFORMER_H

#include "cudrop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 12. Operators on rows -------------------------------------------------------- */

/*
 * The operators from here on do the whole neighbourhood of a dropout in a transformer in one
 * pass over the data, forward and backward. Each takes a struct, to be filled in with designated
 * initialisers. A member that is left out is NULL or 0, which means: off. A call that needs the
 * member says so in its error text. `reserved` is room for members of later versions: leave it out,
 * for a call refuses what is not 0 there. What forward and backward must both know (the activation,
 * the parameters, the mask) is a value of its own, a cudrop_fused_t or the like. Both calls take
 * that value, so that backward cannot forget what forward was told.
 *
 * C++ takes no address of a value in place: make a variable = {}, fill it in, and give its address.
 * In C a tensor can be made in place, a matrix or one of more dimensions:
 *
 *   .x = (cudrop_tensor_t[]){cudrop_matrix(data, CUDROP_F32, rows, cols)}
 *   .scores = (cudrop_tensor_t[]){cudrop_tensor(data, CUDROP_F32, 4,
 *                                               (int64_t[]){batch, heads, queries, keys})}
 *
 *   Rows         The last dimension of a tensor is a row: it has stride 1. The dimensions
 *                before it count the rows and may have any strides; an input may repeat rows.
 *                Full tensors have one shape, that of x or dy; vectors have the shape [cols].
 *   Types        F32, F16 or BF16, equal for all full tensors; vectors (biases and their
 *                gradients) have that type or F32. In mixed precision the tensors of a residual
 *                stream are F32 beside a branch of F16 or BF16; sections 13 and 14 name both.
 *                Everything is computed in float, and rounded once where it is stored.
 *   Mask         NULL keeps every element: inference, with the rest of the formula. The mask
 *                index is that of the element in the full tensor; every index map will do.
 *   Bits         Equal on the host and on every GPU, the signs of zeros too, but for a NaN's
 *                bits: activations are made of operations that round correctly, and sums have
 *                an order that follows from the shape alone. No row is moved without being
 *                computed, so that with p = 0 and without a mask a NaN is any NaN, too. Section 17
 *                has a rule of its own.
 *   Gradients    Gradients of data replace what their tensors hold, and so do those of
 *                parameters, unless `accumulate` says that they are added to it. A sum of no
 *                rows is +0; added, it leaves every bit of what is there.
 *   Workspace    Sums over rows need memory that the caller lends, of the context's backend and
 *                aligned to 16 bytes. A query says how much is enough for up to so many rows of
 *                so many columns, whichever gradients are wanted. The contents mean nothing
 *                before and after the call: one, as large as the largest answer, serves all
 *                calls on a stream.
 *
 *     cudrop_fused_backward_t args = {
 *         .fused = &fused, .dy = &dy, .x = &x, .dx = &dx, .dbias = &dbias};
 *     status = cudrop_fused_backward_workspace(rows, cols, &args.workspace_bytes);
 *     status = cudrop_alloc(ctx, args.workspace_bytes, &args.workspace);  // once
 *     status = cudrop_fused_backward(ctx, &args);
 *
 * Statuses are those of section 7, and
 *   ERROR_WORKSPACE         a workspace that is smaller than the call needs; the answer of the
 *                           query, ..._workspace(), is always enough
 *   ERROR_OVERFLOW          also: a shape whose workspace has more bytes than 63 bits count
 *   ERROR_INVALID_ARGUMENT  also: a row whose stride is not 1; an activation or a bit of
 *                           `accumulate` that does not exist; a `reserved` that is not 0
 *
 * A query writes to *bytes, which after an error is what it was. Its statuses:
 *   ERROR_NULL_POINTER      bytes
 *   ERROR_INVALID_ARGUMENT  rows or cols below 0
 *   ERROR_OVERFLOW          as above
 */

/* Members of later versions: 0. */
enum { CUDROP_RESERVED = 4 };

/* Bits of `accumulate`. */
typedef enum {
  CUDROP_ACCUMULATE_DATA = 1,      /* dx and the like: fl32(old + gradient), rounded */
  CUDROP_ACCUMULATE_PARAMETERS = 2 /* dbias and the like, over micro-batches */
} cudrop_accumulate_t;

/* act(z); name and value. */
#define CUDROP_ACTIVATION_LIST(X)                                         \
  X(IDENTITY, 0)  /* z */                                                 \
  X(RELU, 1)      /* max(z, 0) */                                         \
  X(GELU, 2)      /* z Phi(z), Phi the normal distribution */             \
  X(GELU_TANH, 3) /* z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2 */ \
  X(SILU, 4)      /* z / (1 + exp(-z)) */

typedef enum {
#define CUDROP_ACTIVATION_ENUM(name, value) CUDROP_##name = value,
  CUDROP_ACTIVATION_LIST(CUDROP_ACTIVATION_ENUM)
#undef CUDROP_ACTIVATION_ENUM
} cudrop_activation_t;

/* ---- 13. Bias, activation, dropout and residual ----------------------------------- */

/*
 * y = residual + drop(act(x + bias))
 *
 *   cudrop_fused_t fused = {.bias = &bias, .activation = CUDROP_GELU, .mask = &mask};
 *   status = cudrop_fused_forward(ctx, &(cudrop_fused_forward_t){.fused = &fused,
 *                                                                .x = &x,
 *                                                                .residual = &residual,
 *                                                                .y = &y});
 *
 * In float: z = x + bias, then a = act(z), then d = keep ? a * scale : +0, then residual + d,
 * each rounded, and the last rounded to y's type. y may be x or residual itself, if the types are
 * equal. While it is not subnormal, the value of GELU and SiLU is within 2^-20 of itself
 * (GELU_TANH: 2^-16; GELU for a y of F16 or BF16, and SiLU below z = -87: 2^-17). Mixed precision:
 * the residual and y are of the stream, x of the branch.
 */
typedef struct {
  const cudrop_tensor_t *bias; /* vector, or NULL */
  cudrop_activation_t activation;
  const cudrop_mask_t *mask; /* or NULL */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_fused_t;

typedef struct {
  const cudrop_fused_t *fused;
  const cudrop_tensor_t *x;
  const cudrop_tensor_t *residual; /* or NULL */
  const cudrop_tensor_t *y;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_fused_forward_t;

CUDROP_CHECKED cudrop_status_t cudrop_fused_forward(cudrop_context_t *context,
                                                    const cudrop_fused_forward_t *args);

/*
 * dx = act'(x + bias) * drop(dy)        dbias = the sum of dx over all rows
 *
 * with the x and the `fused` of the forward call. The residual's gradient is dy itself. dx may be
 * dy, if the types are equal and nothing else needs dy. dx is summed before it is rounded. x and
 * bias are needed for an activation alone; for CUDROP_IDENTITY they are not looked at. dx or dbias
 * may be NULL, not both; in one pass dbias costs nearly nothing. ReLU has slope 0 at 0. Mixed
 * precision: dy is of the stream, x and dx of the branch.
 */
typedef struct {
  const cudrop_fused_t *fused; /* forward's */
  const cudrop_tensor_t *dy;
  const cudrop_tensor_t *x; /* NULL for CUDROP_IDENTITY */
  const cudrop_tensor_t *dx;
  const cudrop_tensor_t *dbias; /* vector */
  uint32_t accumulate;          /* bits of cudrop_accumulate_t */
  void *workspace;              /* for dbias */
  size_t workspace_bytes;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_fused_backward_t;

CUDROP_CHECKED cudrop_status_t cudrop_fused_backward(cudrop_context_t *context,
                                                     const cudrop_fused_backward_t *args);

/* Write to *bytes a workspace that suffices for a dy of up to `rows` rows of `cols` columns. */
CUDROP_CHECKED cudrop_status_t cudrop_fused_backward_workspace(int64_t rows, int64_t cols,
                                                               size_t *bytes);

/* ---- 14. Bias, dropout, residual and a norm ---------------------------------------- */

/*
 * LayerNorm of a row h, and RMSNorm, which is the same with a mean of 0:
 *
 *   mean = sum(h) / cols        rstd = 1 / sqrt(sum((h - mean)^2) / cols + epsilon)
 *   norm(h) = (h - mean) * rstd * gamma + beta
 *
 * Sources: J. L. Ba et al., "Layer normalization"; B. Zhang and R. Sennrich, "Root mean square
 * layer normalization".
 */
typedef enum { CUDROP_LAYER_NORM = 0, CUDROP_RMS_NORM = 1 } cudrop_norm_kind_t;

/*
 * h = residual + drop(x + bias)        y = norm(h)
 *
 *   cudrop_norm_t norm = {.epsilon = 1e-5f, .bias = &bias, .gamma = &gamma, .beta = &beta,
 *                         .mask = &mask};
 *   status = cudrop_norm_forward(ctx, &(cudrop_norm_forward_t){.norm = &norm,
 *                                                              .x = &x,
 *                                                              .residual = &residual,
 *                                                              .h = &h,
 *                                                              .y = &y,
 *                                                              .mean = &mean,
 *                                                              .rstd = &rstd});
 *
 * h is rounded to its type, and y is the norm of what was rounded, with or without an h to store
 * it in; without an h and a residual, its type is that of x. In float: z = x + bias, d = keep ? z * scale : +0, h = residual + d; then, each operation
 * rounded, from left to right,
 *
 *   m = sum(h) / cols        drift = sum(h - m) / cols        mean = m + drift
 *   rstd = 1 / sqrt(sum((h - m)^2) / cols - drift^2 + epsilon)
 *   y = (h - mean) * rstd * gamma + beta
 *
 * The drift is what rounding has done to m; RMSNorm has m = drift = 0. So values may lie close
 * together far from 0, and the mean of up to 2^19 equal values is that value. The errors against
 * exact arithmetic on h are at most the following, with a = cols / 2048 + 20, u = 2^-24, and avg
 * for the average over the row.
 *
 *   m      w = (a + 2) u avg |h|                                RMSNorm: w = D = 0
 *   mean   D = u |mean| + (a + 3) u (avg |h - mean| + w)
 *   rstd   R * rstd                                             R = (a + 9) u (1 + 2 (w rstd)^2)
 *   y      |gamma| (D rstd + |hhat| (R + 4 u)) + u |y|          hhat = (h - mean) * rstd
 *
 * 1 % comes on top, for terms of higher order, and the rounding of y to its type, which is coarse
 * where y is subnormal. Up to 2^18
 * columns w adds less to D than the rounding of the mean, which is the limit that remains: where
 * the mean is 2^k standard deviations, y is off by about 2^(k - 24). The bounds hold for an epsilon
 * from 2^-100 and for sums that float can hold. A sum of squares that float cannot hold makes
 * rstd 0.
 *
 * mean and rstd are F32 and have the shape of x without its last dimension, and any strides.
 * y and h may be x or residual themselves, if the types are equal, not both the same. Where nothing
 * is dropped or added, h is x and need not be stored. Mixed precision: the residual and h are of
 * the stream, x and y of the branch; if the residual is F32 and x is not, give an h. Without an x,
 * as in the first norm of a network, h is the residual, and mask and bias are not looked at. Rows
 * without columns have no mean: nothing is written.
 *   ERROR_INVALID_ARGUMENT  also: an epsilon that is not finite and above 0; a mean with
 *                           CUDROP_RMS_NORM
 */
typedef struct {
  const cudrop_tensor_t *bias; /* vector, or NULL */
  float epsilon;
  cudrop_norm_kind_t kind;
  const cudrop_tensor_t *gamma; /* vector; NULL: 1 */
  const cudrop_tensor_t *beta;  /* vector; NULL: 0 */
  const cudrop_mask_t *mask;    /* or NULL */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_norm_t;

typedef struct {
  const cudrop_norm_t *norm;
  const cudrop_tensor_t *x;        /* NULL: h is the residual */
  const cudrop_tensor_t *residual; /* or NULL */
  const cudrop_tensor_t *h;        /* what the next residual and backward need; or NULL */
  const cudrop_tensor_t *y;
  const cudrop_tensor_t *mean; /* what backward needs; or NULL, as for CUDROP_RMS_NORM */
  const cudrop_tensor_t *rstd; /* what backward needs; or NULL */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_norm_forward_t;

CUDROP_CHECKED cudrop_status_t cudrop_norm_forward(cudrop_context_t *context,
                                                   const cudrop_norm_forward_t *args);

/*
 * The gradients of all that went into h and y, from dy and from the dh that comes from elsewhere,
 * where h is the next residual:
 *
 *   hhat = (h - mean) * rstd        g = dy * gamma
 *   dresidual = dh + ((g - mean(g)) - hhat * mean(g * hhat)) * rstd    mean(): of the row
 *   dx = drop(dresidual)            dbias = the sum of dx over all rows
 *   dgamma = the sum of dy * hhat   dbeta = the sum of dy
 *
 * RMSNorm has no mean(g). h, mean, rstd and `norm` are those of the forward call; bias, beta and
 * epsilon are not looked at. Any of the outputs may be NULL, not all; beside dx the others cost
 * little. dresidual is rounded only where it is stored. dx and dresidual may each be dy, dh or h
 * itself, if the types are equal, not both the same. A GPU reads dy and h once in rows of up to
 * 2,048 columns, else twice. Mixed precision: h, dh and dresidual are of the stream, dy and dx of
 * the branch.
 *
 * Each operation is rounded, from left to right. With the mean and rstd of the forward call, and D
 * and R as there, what is added to dh is off from exact arithmetic on h and dy by at most
 *
 *   rstd (5 R (|g| + avg |g| + |hhat| avg |g hhat|) + D rstd (avg |g hhat| + |hhat| avg |g|))
 *
 * as long as D rstd is at most 1/4: terms of higher order, left out above, count where the mean is
 * millions of standard deviations. The bound follows the size of g, not that of the result: equal g,
 * whose exact gradient is 0, leave some roundings of g. A row adds at most |dy| (D rstd + |hhat| (R + 3 u)) to the error of dgamma,
 * beside the roundings of the sum over rows.
 *
 *   ERROR_INVALID_ARGUMENT  also: a dresidual that is dh, together with CUDROP_ACCUMULATE_DATA,
 *                           which would add dh once more
 */
typedef struct {
  const cudrop_norm_t *norm; /* forward's */
  const cudrop_tensor_t *dy;
  const cudrop_tensor_t *dh; /* or NULL */
  const cudrop_tensor_t *h;
  const cudrop_tensor_t *mean; /* NULL for CUDROP_RMS_NORM */
  const cudrop_tensor_t *rstd;
  const cudrop_tensor_t *dx;
  const cudrop_tensor_t *dresidual;
  const cudrop_tensor_t *dbias;  /* vector */
  const cudrop_tensor_t *dgamma; /* vector */
  const cudrop_tensor_t *dbeta;  /* vector */
  uint32_t accumulate;           /* bits of cudrop_accumulate_t */
  void *workspace;               /* needed even without dbias, dgamma and dbeta */
  size_t workspace_bytes;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_norm_backward_t;

CUDROP_CHECKED cudrop_status_t cudrop_norm_backward(cudrop_context_t *context,
                                                    const cudrop_norm_backward_t *args);

/* Write to *bytes a workspace that suffices for a dy of up to `rows` rows of `cols` columns. */
CUDROP_CHECKED cudrop_status_t cudrop_norm_backward_workspace(int64_t rows, int64_t cols,
                                                              size_t *bytes);

/* ---- 16. Embedding ------------------------------------------------------------------ */

/*
 * y = drop(tokens[id] + positions[t])
 *
 * for each id; t is its coordinate along the last dimension of ids, as in [batch, time].
 *
 *   status = cudrop_embedding_forward(ctx, &(cudrop_embedding_forward_t){.ids = &ids,
 *                                                                        .tokens = &wte,
 *                                                                        .positions = &wpe,
 *                                                                        .mask = &mask,
 *                                                                        .y = &y});
 *
 * ids is I32 or I64 with any strides. y has the shape of ids and one dimension more, a row [cols]
 * for each id. tokens has the shape [vocabulary, cols], positions [last size of ids, cols]: a
 * longer table is given as its first rows. Tables have y's type or F32, and rows any distance
 * apart. In float: z = token + position, then keep ? z * scale : +0, rounded to y's type.
 *
 * An id below 0 or not below vocabulary gives a row of +0 and adds 1 to *out_of_range, a count in
 * the memory of the context's backend that the call does not clear: asynchronous work cannot
 * return a status. So an id of -1 can stand for padding.
 */
typedef struct {
  const cudrop_tensor_t *ids;
  const cudrop_tensor_t *tokens;
  const cudrop_tensor_t *positions; /* or NULL */
  const cudrop_mask_t *mask;        /* or NULL */
  const cudrop_tensor_t *y;
  uint64_t *out_of_range; /* or NULL */
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_embedding_forward_t;

CUDROP_CHECKED cudrop_status_t cudrop_embedding_forward(
    cudrop_context_t *context, const cudrop_embedding_forward_t *args);

/*
 * dtokens[v] = the sum of drop(dy) over the rows whose id is v
 * dpositions[t] = the sum of drop(dy) over the rows at t
 *
 * with the ids and the mask of the forward call. Rows of an id out of range go into neither. Either
 * table may be NULL, not both. dpositions has a row for each t, and no more: of the gradient of a
 * longer table give the first rows, and clear the others.
 *
 * Both are gradients of parameters: they replace what is there, and rows without an id become +0,
 * unless `accumulate` says that they are added. Added, they leave rows without an id as they are,
 * which also spares writing all of a large table.
 *
 * The order of a sum follows from the ids alone: rows are sorted by id, and those of an id are
 * added as a tree, 32 at a time. The sum of n rows is off by at most (31 k + 1) 2^-24 times the sum
 * of their magnitudes, k = log2(n) / 5 rounded up, before it is rounded to the table's type: 2^20
 * rows by 7.5e-6, also where one token has nearly all of them.
 *   ERROR_INVALID_ARGUMENT  also: no dtokens, and a vocabulary that is not above 0;
 *                           CUDROP_ACCUMULATE_DATA, because there is no gradient of data
 *   ERROR_SHAPE             also: a vocabulary that is not that of dtokens
 *   ERROR_OVERFLOW          also: more than 2^31 - 1 ids; ids of I64 and dtokens of more than 2^31
 *                           rows
 */
typedef struct {
  const cudrop_tensor_t *ids;
  const cudrop_tensor_t *dy;
  const cudrop_mask_t *mask; /* or NULL */
  const cudrop_tensor_t *dtokens;
  const cudrop_tensor_t *dpositions;
  int64_t vocabulary;  /* where dtokens is NULL, its size; else 0 will do */
  uint32_t accumulate; /* CUDROP_ACCUMULATE_PARAMETERS */
  void *workspace;     /* needed with either table */
  size_t workspace_bytes;
  uint64_t reserved[CUDROP_RESERVED];
} cudrop_embedding_backward_t;

CUDROP_CHECKED cudrop_status_t cudrop_embedding_backward(
    cudrop_context_t *context, const cudrop_embedding_backward_t *args);

/* Write to *bytes a workspace that suffices for a dy of up to `rows` rows, one for each id, of
 * `cols` columns; ERROR_OVERFLOW also for more than 2^31 - 1 rows. */
CUDROP_CHECKED cudrop_status_t cudrop_embedding_backward_workspace(int64_t rows,
                                                                   int64_t cols,
                                                                   size_t *bytes);

#ifdef __cplusplus
}
#endif

#include "attention.h" /* sections 15 and 17 */

#endif /* CUDROP_TRANSFORMER_H */
