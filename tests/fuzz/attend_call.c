/* attend_call.c - calls of section 17 as the fuzzer makes them up. */
#include "attend_call.h"

#include <string.h>

/* ---- calls -------------------------------------------------------------------------------- */

/* D, keys, shared heads and perhaps a batch; now and then ones that are refused. */
static void take_heads(call_t *call) {
  static const int64_t sizes[] = {8, 16, 24, 64, 128, 64, 256, 40};
  const unsigned size = take_byte(&call->bytes), group = take_byte(&call->bytes);
  const int last = call->rank - 1;
  call->keys = (int64_t)(take_byte(&call->bytes) % (size % 8 < 3 ? 150 : 40));
  if (last < 1) return;
  if (size < 250) call->shape[last] = sizes[size % 8];
  if (last < 2) return;
  call->shape[0] %= 5;
  call->shared = group < 230 ? 1 + (int64_t)(group % 4) : (int64_t)(group % 6);
  while (group < 230 && call->shape[0] % call->shared != 0) --call->shared;
  if (group % 8 < 4) return;
  memmove(call->shape + 1, call->shape, 3 * sizeof call->shape[0]);
  call->shape[0] = 2;
  ++call->rank;
}

static void take_options(call_t *call, unsigned bits) {
  const extent_t lengths = bits % 4 == 3 ? EACH : FIRST;
  call->attention = take_attention(call, lengths, true);
  give_bits(call, &call->attention, bits);
}

/* What both calls take. */
static heads_t *take_shared(call_t *call) {
  const unsigned bits = take_byte(&call->bytes);
  heads_t *heads = &call->heads;
  take_heads(call);
  take_options(call, bits);
  heads->q = take_full(call);
  heads->k = take(call, KEYS, call->dtype);
  heads->v = take(call, KEYS, call->dtype);
  heads->o = take_full(call);
  heads->lse = take_each(call);
  return heads;
}

cudrop_status_t attend_forward(cudrop_context_t *context, call_t *call) {
  const heads_t *heads = take_shared(call);
  const cudrop_attend_forward_t args = {.attention = &call->attention,
                                        .q = heads->q,
                                        .k = heads->k,
                                        .v = heads->v,
                                        .o = heads->o,
                                        .lse = heads->lse};
  return cudrop_attend_forward(context, &args);
}

cudrop_status_t attend_backward(cudrop_context_t *context, call_t *call) {
  heads_t *heads = take_shared(call);
  heads->dout = take_full(call);
  heads->dq = take_full(call);
  heads->dk = take(call, KEYS, call->dtype);
  heads->dv = take(call, KEYS, call->dtype);
  cudrop_attend_backward_t args = {.attention = &call->attention,
                                   .q = heads->q,
                                   .k = heads->k,
                                   .v = heads->v,
                                   .o = heads->o,
                                   .lse = heads->lse,
                                   .dout = heads->dout,
                                   .dq = heads->dq,
                                   .dk = heads->dk,
                                   .dv = heads->dv,
                                   .accumulate = take_byte(&call->bytes) % 5};
  args.workspace = take_workspace(call, cudrop_attend_backward_workspace, heads->q,
                                  &args.workspace_bytes);
  return cudrop_attend_backward(context, &args);
}
