/* attention.h - which keys a row of attention weights sees: one text for the host and the GPU. */
#ifndef CUDROP_ATTENTION_H
#define CUDROP_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cudrop/philox.h"

/* What a call asks for, as it stands. */
typedef struct {
  float scale;
  int causal;
  int64_t query_offset;
} cudropi_attention_t;

/* Rows are counted row-major over [batch, ..., queries]. */
typedef struct {
  int64_t keys, queries;
  int64_t batch_rows; /* of one length */
  bool is_causal;
  int64_t query_offset; /* 0 to keys */
  const void *lengths;  /* int32_t, or NULL; ... */
  int64_t length_stride;
} cudropi_visible_t;

/* How many keys a row sees: the first ones. */
CUDROP_INLINE int64_t cudropi_count_visible(const cudropi_visible_t *visible,
                                            int64_t row) {
  int64_t count = visible->keys;
  if (visible->lengths != NULL) {
    const int64_t batch = row / visible->batch_rows;
    const int64_t length =
        ((const int32_t *)visible->lengths)[batch * visible->length_stride];
    if (length < count) count = length < 0 ? 0 : length;
  }
  if (visible->is_causal) {
    const int64_t last = row % visible->queries + visible->query_offset;
    if (last < count) count = last + 1;
  }
  return count;
}

#endif /* CUDROP_ATTENTION_H */
