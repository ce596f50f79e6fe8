/* attend_result.c - what calls of section 17 have written, and how far GPU and host may differ. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attend_call.h"
#include "oracle.h"

/* ---- elements ----------------------------------------------------------------------------- */

static int64_t count(const cudrop_tensor_t *tensor) {
  int64_t n = 1;
  for (int d = 0; d < tensor->rank; ++d) n *= tensor->shape[d];
  return n;
}

/* Where element e, counted row-major, lies in the arena. */
static size_t find(const call_t *call, const cudrop_tensor_t *tensor, int64_t e) {
  int64_t at = 0;
  for (int d = tensor->rank - 1; d >= 0; e /= tensor->shape[d--])
    at += e % tensor->shape[d] * tensor->stride[d];
  return (size_t)((uint8_t *)tensor->data - call->arena) +
         (size_t)at * cudrop_dtype_bytes(tensor->dtype);
}

static double get(const call_t *call, const uint8_t *bytes, const cudrop_tensor_t *tensor,
                  int64_t e) {
  return oracle_read(tensor->dtype, bytes + find(call, tensor, e));
}

enum { MOST_OUTPUTS = 3 };

static int list_outputs(const call_t *call,
                        const cudrop_tensor_t *outputs[MOST_OUTPUTS]) {
  const heads_t *heads = &call->heads;
  const cudrop_tensor_t *const backward[] = {heads->dq, heads->dk, heads->dv};
  const cudrop_tensor_t *const forward[] = {heads->o, heads->lse, NULL};
  int n = 0;
  for (int k = 0; k < MOST_OUTPUTS; ++k) {
    const cudrop_tensor_t *output = heads->dout != NULL ? backward[k] : forward[k];
    if (output != NULL) outputs[n++] = output;
  }
  return n;
}

bool attend_kept_to_outputs(const call_t *call, const uint8_t *before,
                            const uint8_t *after) {
  static uint8_t expected[ARENA];
  const cudrop_tensor_t *outputs[MOST_OUTPUTS];
  if (call->heads.q == NULL) return true;
  memcpy(expected, before, sizeof expected);
  memcpy(expected + WORKSPACE, after + WORKSPACE, call->workspace);
  for (int y = list_outputs(call, outputs) - 1; y >= 0; --y)
    for (int64_t e = 0; e < count(outputs[y]); ++e) {
      const size_t at = find(call, outputs[y], e);
      memcpy(expected + at, after + at, cudrop_dtype_bytes(outputs[y]->dtype));
    }
  return memcmp(expected, after, sizeof expected) == 0;
}

/* ---- errors ------------------------------------------------------------------------------- */

/* Half a unit in the last place of a type, relative to a number; and its smallest number. */
static double get_unit(cudrop_dtype_t dtype) {
  return dtype == CUDROP_F32 ? 0x1p-24 : dtype == CUDROP_F16 ? 0x1p-11 : 0x1p-8;
}
static double get_least(cudrop_dtype_t dtype) {
  return dtype == CUDROP_F32 ? 0x1p-149 : dtype == CUDROP_F16 ? 0x1p-24 : 0x1p-133;
}

/*
 * Bounds of the outputs: twice what attend.h says of one of two results, and as generous with
 * gradients. A bound is made of all pairs of a query and a key of one head, whether or not they see
 * each other: what is not seen makes it larger.
 */
typedef struct {
  const call_t *call;
  const uint8_t *before;
  int64_t queries, group, keys, cols; /* group: heads that share keys */
  double scale, factor, unit;
  double *lse;              /* of each query */
  double *o, *dq, *dk, *dv; /* of each element */
} bounds_t;

/* The first element of the key's row in k and v that a row of q reads. */
static int64_t find_key(const bounds_t *b, int64_t row, int64_t key) {
  return (row / b->queries / b->group * b->keys + key) * b->cols;
}

static double read(const bounds_t *b, const cudrop_tensor_t *tensor, int64_t e) {
  return get(b->call, b->before, tensor, e);
}

/* The sum of x y along two rows, and of |x y|. */
static double multiply(const bounds_t *b, const cudrop_tensor_t *x, int64_t x_at,
                       const cudrop_tensor_t *y, int64_t y_at, double *size) {
  double sum = 0.0;
  *size = 0.0;
  for (int64_t c = 0; c < b->cols; ++c) {
    const double one = read(b, x, x_at + c) * read(b, y, y_at + c);
    sum += one;
    *size += fabs(one);
  }
  return sum;
}

static void bound_forward(const bounds_t *b, int64_t row) {
  const heads_t *heads = &b->call->heads;
  const double weights = b->unit > 0x1p-24 ? b->unit + (double)b->keys * 0x1p-24 : 0.0;
  double largest = 0.0, *o = b->o + row * b->cols;
  for (int64_t key = 0; key < b->keys; ++key) {
    const int64_t at = find_key(b, row, key);
    double size = 0.0;
    multiply(b, heads->q, row * b->cols, heads->k, at, &size);
    largest = fmax(largest, size < 1e4 ? size * b->scale : INFINITY);
    for (int64_t c = 0; c < b->cols; ++c) {
      const double value = fabs(read(b, heads->v, at + c));
      o[c] = fmax(o[c], value);
      if (!(value < 1e4)) largest = INFINITY; /* which may spoil the other columns, too */
    }
  }
  const double sums =
      (2.0 * (double)(b->cols + 3) * largest + 2.0 * (double)b->keys + 150.0) * 0x1p-24;
  b->lse[row] = 2.0 * sums;
  for (int64_t c = 0; c < b->cols; ++c)
    o[c] = 2.0 * (sums + weights) * (o[c] + 0x1p-100) * b->factor;
}

/* Say nothing about the gradients of the heads that share a row's keys: a number that is not finite
 * may spoil all of these, and so may an lse of no forward call, with which a weight passes 1. */
static void give_up(const bounds_t *b, int64_t row) {
  const int64_t shared = row / b->queries / b->group, q = b->queries * b->group * b->cols;
  for (int64_t e = 0; e < q; ++e) b->dq[shared * q + e] = INFINITY;
  for (int64_t e = 0; e < b->keys * b->cols; ++e)
    b->dk[find_key(b, row, 0) + e] = b->dv[find_key(b, row, 0) + e] = INFINITY;
}

/* What a pair of a query and a key adds to the gradients. */
static void bound_pair(const bounds_t *b, int64_t row, int64_t at) {
  const heads_t *heads = &b->call->heads;
  const int64_t first = row * b->cols;
  double size = 0.0, product = 0.0, sum = 0.0;
  const double lse = read(b, heads->lse, row);
  const double score = b->scale * multiply(b, heads->q, first, heads->k, at, &size);
  multiply(b, heads->dout, first, heads->v, at, &product);
  multiply(b, heads->dout, first, heads->o, first, &sum);
  const double relative =
      4.0 *
          (2.0 * (double)(b->cols + 3) * b->scale * size + fabs(score) + fabs(lse) +
           2.0 * (double)b->cols + (double)(b->keys + b->queries * b->group) + 200.0) *
          0x1p-24 +
      (b->unit > 0x1p-24 ? 4.0 * b->unit : 0.0);
  const double least = b->unit > 0x1p-24 ? 0x1p-23 : 0x1p-140;
  const double weight = exp(score - lse), slope = product * b->factor + sum;
  const double error = weight * relative;
  if (!(size + weight * slope < 1e4 && weight < 1.5)) give_up(b, row);
  for (int64_t c = 0; c < b->cols; ++c) {
    const double score_error = b->scale * (error * slope + least);
    b->dq[first + c] += score_error * fabs(read(b, heads->k, at + c));
    b->dk[at + c] += score_error * fabs(read(b, heads->q, first + c));
    b->dv[at + c] += (error + least) * b->factor * fabs(read(b, heads->dout, first + c));
  }
}

static bool is_near(const bounds_t *b, const uint8_t *x, const uint8_t *y,
                    const cudrop_tensor_t *tensor, int64_t e, double bound) {
  const double one = get(b->call, x, tensor, e), two = get(b->call, y, tensor, e);
  const double size = fmax(fabs(one), fabs(two)), unit = get_unit(tensor->dtype);
  if (one == two || (isnan(one) && isnan(two)) || !(bound < 1e4)) return true;
  if (fabs(one - two) <= bound + 4.0 * unit * size + 2.0 * get_least(tensor->dtype))
    return true;
  fprintf(stderr, "element %lld: %.9g and %.9g, more than %g apart\n", (long long)e, one,
          two, bound);
  return false;
}

static bool are_near(const bounds_t *b, const uint8_t *x, const uint8_t *y) {
  const heads_t *heads = &b->call->heads;
  const cudrop_tensor_t *outputs[MOST_OUTPUTS];
  bool near = true;
  for (int k = list_outputs(b->call, outputs) - 1; k >= 0; --k) {
    const cudrop_tensor_t *output = outputs[k];
    for (int64_t e = 0; e < count(output) && near; ++e) {
      const double bound = heads->dout == NULL
                               ? output == heads->lse ? b->lse[e] : b->o[e]
                           : output == heads->dq ? b->dq[e]
                           : output == heads->dk ? b->dk[e]
                                                 : b->dv[e];
      near = is_near(b, x, y, output, e, bound);
    }
  }
  return near;
}

bool attend_is_near(const call_t *call, const uint8_t *before, const uint8_t *a,
                    const uint8_t *b) {
  const heads_t *heads = &call->heads;
  const cudrop_tensor_t *q = heads->q, *k = heads->k;
  const int64_t n = count(q), cols = q->shape[q->rank - 1], rows = n / cols;
  const double p = call->attention.bits != NULL   ? call->attention.p
                   : call->attention.mask != NULL ? call->attention.mask->p
                                                  : 0.0;
  double *sums = calloc((size_t)(rows + n + 2 * count(k) + 1), sizeof *sums);
  if (sums == NULL) return true;
  const bounds_t bounds = {
      .call = call,
      .before = before,
      .queries = q->shape[q->rank - 2],
      .group = q->rank > 2 ? q->shape[q->rank - 3] / k->shape[k->rank - 3] : 1,
      .keys = k->shape[k->rank - 2],
      .cols = cols,
      .scale = call->attention.scale != 0.0f ? fabs((double)call->attention.scale) : 1.0,
      .factor = p < 1.0 ? 1.0 / (1.0 - p) : 1.0,
      .unit = get_unit(q->dtype),
      .lse = sums,
      .o = sums + rows,
      .dq = sums + rows,
      .dk = sums + rows + n,
      .dv = sums + rows + n + count(k)};
  for (int64_t row = 0; row < rows; ++row) {
    if (heads->dout == NULL) bound_forward(&bounds, row);
    for (int64_t key = 0; heads->dout != NULL && key < bounds.keys; ++key)
      bound_pair(&bounds, row, find_key(&bounds, row, key));
  }
  const bool near = are_near(&bounds, a, b);
  free(sums);
  return near;
}
