/* row_call.c - arguments of operators on rows, made of bytes. */
#include "row_call.h"

#include <math.h>
#include <string.h>

static void shape_as(const call_t *call, extent_t extent, cudrop_tensor_t *tensor) {
  const int last = call->rank - 1;
  const int64_t cols = last >= 0 ? call->shape[last] : 1;
  memcpy(tensor->shape, call->shape, sizeof tensor->shape);
  tensor->rank = call->rank;
  if (extent == EACH) tensor->rank = last < 0 ? 0 : last;
  if (extent == FIRST || extent == ROW) tensor->rank = 1;
  if (extent == ROW) tensor->shape[0] = cols;
  if (extent == KEYS && last > 0) tensor->shape[last - 1] = call->keys;
  if (extent == KEYS && last > 1) tensor->shape[last - 2] = call->shared;
  if (extent != TABLE && extent != PLACES) return;
  tensor->rank = 2;
  tensor->shape[0] = extent == TABLE ? 29 : last > 0 ? call->shape[last - 1] : 1;
  tensor->shape[1] = cols;
}

/* Bytes from its first element to behind its last; beyond the arena that is all there is to say. */
static size_t count_span(const cudrop_tensor_t *tensor) {
  int64_t last = 0;
  if (tensor->rank < 0 || tensor->rank > CUDROP_MAX_RANK) return 0; /* which is refused */
  for (int d = 0; d < tensor->rank; ++d)
    last += (tensor->shape[d] > 0 ? tensor->shape[d] - 1 : 0) * tensor->stride[d];
  return (size_t)(last + 1) * 8;
}

const cudrop_tensor_t *take(call_t *call, extent_t extent, cudrop_dtype_t dtype) {
  cudrop_tensor_t *tensor = &call->tensor[call->tensors++];
  const unsigned choice = take_byte(&call->bytes), where = take_byte(&call->bytes);
  const size_t integers = dtype == CUDROP_I32 ? where % 64 * 4 : 0;
  const size_t at = dtype == CUDROP_I32 ? integers : INTEGERS + where * 240;
  int64_t stride = 1;
  if (choice < 64) return NULL;
  *tensor = (cudrop_tensor_t){.data = call->arena + at, .dtype = dtype};
  shape_as(call, extent, tensor);
  if (choice == 255) tensor->dtype = (cudrop_dtype_t)(take_byte(&call->bytes) % 12);
  if (choice == 254)
    tensor->shape[take_byte(&call->bytes) % 4] = take_byte(&call->bytes) % 40;
  if (choice == 253) tensor->rank = (int)(take_byte(&call->bytes) % 12) - 2;
  if (choice == 252) tensor->data = NULL;
  if (choice == 251) tensor->data = call->arena + at + 1;
  for (int d = tensor->rank < CUDROP_MAX_RANK ? tensor->rank - 1 : -1; d >= 0; --d) {
    tensor->stride[d] = stride;
    stride *= tensor->shape[d];
    if (choice % 8 == 1 && d > 0) stride += (int64_t)(choice / 8 % 4); /* rows apart */
  }
  if (choice == 250) tensor->stride[take_byte(&call->bytes) % 4] = 0;
  if (tensor->data != NULL && at + 1 + count_span(tensor) > ARENA) tensor->dtype = 0;
  return tensor;
}

const cudrop_tensor_t *take_full(call_t *call) {
  return take(call, FULL, call->dtype);
}
const cudrop_tensor_t *take_row(call_t *call) {
  return take(call, ROW, take_byte(&call->bytes) & 1 ? CUDROP_F32 : call->dtype);
}
const cudrop_tensor_t *take_each(call_t *call) {
  return take(call, EACH, CUDROP_F32);
}

const cudrop_mask_t *take_mask(call_t *call) {
  static const double rates[] = {0.1, 0.5, 0.9, 0.0, 1.0, 0.3, 1.5, NAN};
  const unsigned way = take_byte(&call->bytes), rate = take_byte(&call->bytes);
  call->mask = cudrop_mask(way, rate, rates[rate % (rate < 250 ? 6 : 8)]);
  if (way & 1) call->mask.index_base = take_byte(&call->bytes);
  if (way & 2) {
    call->mask.index_rank = way & 4 ? (int)(way >> 4) : call->rank;
    for (int d = 0; d < CUDROP_MAX_RANK; ++d)
      call->mask.index_stride[d] = take_byte(&call->bytes) % 50;
  }
  return way >= 240 ? NULL : &call->mask;
}

void *take_workspace(call_t *call, query_t *query, const cudrop_tensor_t *dy,
                     size_t *bytes) {
  size_t needed = 0;
  int64_t rows = 1;
  if (dy == NULL || dy->rank < 1 || dy->rank > CUDROP_MAX_RANK) return NULL;
  for (int d = 0; d < dy->rank - 1; ++d) rows *= dy->shape[d];
  if (query(rows, dy->shape[dy->rank - 1], &needed) != CUDROP_OK) return NULL;
  const unsigned choice = take_byte(&call->bytes);
  if (needed > ARENA - WORKSPACE) needed = ARENA - WORKSPACE; /* a call may need less */
  *bytes = choice == 255 && needed > 0 ? needed - 1 : needed;
  call->workspace = *bytes;
  return call->arena + WORKSPACE + (choice == 254 ? 4 : 0);
}

cudrop_attention_t take_attention(call_t *call, extent_t lengths, bool has_scale) {
  cudrop_attention_t attention = {.scale = 0.0f};
  if (has_scale) attention.scale = (float)(take_byte(&call->bytes) % 4) * 0.5f;
  const unsigned causal = take_byte(&call->bytes), offset = take_byte(&call->bytes);
  attention.causal = (cudrop_causal_t)(causal == 255 ? 3 : causal % 3);
  if (attention.causal != CUDROP_NOT_CAUSAL && causal >= 128) /* else it must be 0 */
    attention.window = (int64_t)causal - 128;
  if (attention.causal == CUDROP_CAUSAL || offset >= 200) /* else it must be 0 */
    attention.query_offset = (int64_t)(offset % 9) - 1;
  attention.lengths = take(call, lengths, CUDROP_I32);
  attention.mask = take_mask(call);
  return attention;
}

void give_bits(call_t *call, cudrop_attention_t *attention, unsigned bits) {
  if (bits >= 180) attention->bits = call->arena + bits;
  if (bits < 200) return;
  attention->mask = NULL;
  attention->p = 0.5;
}
