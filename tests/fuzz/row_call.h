/*
 * row_call.h - arguments of operators on rows as the fuzzer makes them up.
 *
 * All tensors of a call lie in one arena. Integers are read from its first bytes, where small
 * numbers lie; its end is the workspace.
 */
#ifndef CUDROP_ROW_CALL_H
#define CUDROP_ROW_CALL_H

#include "request.h"

enum { INTEGERS = 1024, WORKSPACE = ARENA / 4 * 3 };

/* The shape of a tensor beside that of the call: the same; its last size; all sizes but the last; a
 * table of tokens, of positions; its first size; keys and values. */
typedef enum { FULL, ROW, EACH, TABLE, PLACES, FIRST, KEYS } extent_t;

/* The tensors of section 17. A call that has none of these tensors has no q. */
typedef struct {
  const cudrop_tensor_t *q, *k, *v, *o, *lse, *dout, *dq, *dk, *dv;
} heads_t;

/* What all tensors of a call follow. */
typedef struct {
  bytes_t bytes;
  uint8_t *arena;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  int64_t keys, shared; /* of KEYS */
  cudrop_dtype_t dtype;
  cudrop_tensor_t tensor[16];
  int tensors;
  cudrop_mask_t mask;
  cudrop_attention_t attention;
  heads_t heads;
  size_t workspace; /* bytes that mean nothing after the call */
} call_t;

/* A tensor of this extent and type, or now and then of something else, or none. */
const cudrop_tensor_t *take(call_t *call, extent_t extent, cudrop_dtype_t dtype);

const cudrop_tensor_t *take_full(call_t *call);
const cudrop_tensor_t *take_row(call_t *call);
const cudrop_tensor_t *take_each(call_t *call);

const cudrop_mask_t *take_mask(call_t *call);

typedef cudrop_status_t query_t(int64_t rows, int64_t cols, size_t *bytes);

/* The end of the arena: enough for dy, unless that is large, or a byte less. */
void *take_workspace(call_t *call, query_t *query, const cudrop_tensor_t *dy,
                     size_t *bytes);

/* Who sees whom, with lengths of this extent, and a mask. */
cudrop_attention_t take_attention(call_t *call, extent_t lengths, bool has_scale);

/* Have bits that were drawn ahead: from 180 on beside the mask, which is refused, from 200 on in
 * its place. */
void give_bits(call_t *call, cudrop_attention_t *attention, unsigned bits);

#endif /* CUDROP_ROW_CALL_H */
