/* attention.h - which keys a row of attention weights sees: one source for host and GPU. */
#ifndef CUDROP_OPS_ATTENTION_H
#define CUDROP_OPS_ATTENTION_H

#include <math.h>

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CUDROPI_ATTENTION_SCORES,
  CUDROPI_ATTENTION_LENGTHS,
  CUDROPI_ATTENTION_BITS,
  CUDROPI_ATTENTION_Y,
  CUDROPI_ATTENTION_WEIGHTS
};
enum {
  CUDROPI_REAPPLY_WEIGHTS,
  CUDROPI_REAPPLY_LENGTHS = CUDROPI_ATTENTION_LENGTHS,
  CUDROPI_REAPPLY_BITS,
  CUDROPI_REAPPLY_Y
};
enum {
  CUDROPI_ATTENTION_GRADIENT_DY,
  CUDROPI_ATTENTION_GRADIENT_LENGTHS = CUDROPI_ATTENTION_LENGTHS,
  CUDROPI_ATTENTION_GRADIENT_WEIGHTS,
  CUDROPI_ATTENTION_GRADIENT_BITS,
  CUDROPI_ATTENTION_GRADIENT_DSCORES
};

/* The slots of lengths and of bits drawn ahead. */
#define CUDROPI_LENGTHS \
  { .name = "lengths", .extent = CUDROPI_EXTENT_LEADING, .types = CUDROPI_INTEGERS }
#define CUDROPI_KEEP_BITS \
  { .name = "bits", .types = CUDROPI_BITS }

/* The options of a call, of this operator or of attend, before they are planned. */
typedef struct {
  float scale;
  cudrop_causal_t causal;
  int64_t query_offset, window;
} cudropi_attention_options_t;

/* Which keys the rows see. Rows are counted row-major over [batch, ..., queries]. */
typedef struct {
  int64_t keys, queries;
  int64_t batch_rows; /* rows that share one length */
  bool is_causal;
  int64_t query_offset; /* at most keys */
  int64_t query_skip; /* query q does not see its first q + query_skip keys, if so many */
  const void *lengths;   /* int32_t or int64_t; NULL: rows have no lengths */
  bool has_wide_lengths; /* the lengths are int64_t */
  int64_t length_stride; /* in elements */
} cudropi_visible_t;

/* The options of a plan. */
typedef struct {
  cudropi_visible_t visible;
  float scores_scale;
} cudropi_attention_t;

static inline const cudropi_attention_t *cudropi_attention(const cudropi_plan_t *plan) {
  return (const cudropi_attention_t *)(const void *)plan->options;
}

/* Check `attention` and the `reserved` of a call's arguments, before there is a call. */
cudrop_status_t cudropi_check_shared_attention(const char *function,
                                               const cudrop_attention_t *attention,
                                               const uint64_t *reserved);

cudropi_attention_options_t cudropi_find_options(const cudrop_attention_t *attention);

/* Check the options of a call, and its lengths in the slot CUDROPI_ATTENTION_LENGTHS. */
cudrop_status_t cudropi_check_attention(const cudropi_call_t *call);

cudropi_attention_t cudropi_plan_attention(const cudropi_call_t *call,
                                           const cudropi_plan_t *plan);

/* The keys [begin, end) that a row sees; begin is at most end. */
typedef struct {
  int64_t begin, end;
} cudropi_seen_t;

CUDROP_INLINE cudropi_seen_t cudropi_find_seen(const cudropi_visible_t *visible,
                                               int64_t row) {
  int64_t count = visible->keys, skip = 0;
  if (visible->lengths != NULL) {
    const int64_t batch = row / visible->batch_rows;
    const int64_t at = batch * visible->length_stride;
    const int64_t length = visible->has_wide_lengths
                               ? ((const int64_t *)visible->lengths)[at]
                               : ((const int32_t *)visible->lengths)[at];
    if (length < count) count = length < 0 ? 0 : length;
  }
  if (visible->is_causal) {
    const int64_t query = row % visible->queries;
    const int64_t last = query + visible->query_offset;
    if (last < count) count = last < 0 ? 0 : last + 1;
    skip = query + visible->query_skip;
    skip = skip < 0 ? 0 : skip < count ? skip : count;
  }
  return (cudropi_seen_t){skip, count};
}

/*
 * What 2^64 e^(z - max z) is multiplied by, given max z and the sum of these: weights are at most
 * 1, and keep their bits down to the subnormal ones. 0 if the row sees nothing above -infinity.
 */
CUDROP_INLINE float cudropi_attention_inverse(float most, float sum) {
  return most == -INFINITY && sum == sum ? 0.0f : 1.0f / sum;
}

CUDROPI_DECLARE_HOST(cudropi_attention_forward);
CUDROPI_DECLARE_HOST(cudropi_attention_reapply);
CUDROPI_DECLARE_HOST(cudropi_attention_gradient);
int cudropi_launch_attention(const struct cudropi_work *work);
int cudropi_launch_attention_reapply(const struct cudropi_work *work);
int cudropi_launch_attention_gradient(const struct cudropi_work *work);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_OPS_ATTENTION_H */
