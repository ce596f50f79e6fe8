/* attend.h - attention without a matrix of weights: slots, and the options of a plan. */
#ifndef CUDROP_OPS_ATTEND_H
#define CUDROP_OPS_ATTEND_H

#include "ops/attention/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Forward and the gradient have the same inputs in the same slots. */
enum {
  CUDROPI_ATTEND_Q,
  CUDROPI_ATTEND_LENGTHS = CUDROPI_ATTENTION_LENGTHS,
  CUDROPI_ATTEND_BITS,
  CUDROPI_ATTEND_K,
  CUDROPI_ATTEND_V,
  CUDROPI_ATTEND_O,
  CUDROPI_ATTEND_LSE,
  CUDROPI_ATTEND_DOUT,
  CUDROPI_ATTEND_DQ,
  CUDROPI_ATTEND_DK,
  CUDROPI_ATTEND_DV,
  CUDROPI_ATTEND_SLOTS
};

enum { CUDROPI_ATTEND_MOST_COLS = 256 }; /* of a head */

/*
 * The options of a plan. The plan's rows are the queries of all heads. An operand of K, V, DK or DV
 * has strides along these rows too: they lead to the first key of the head that a row reads.
 */
typedef struct {
  cudropi_attention_t attention;            /* first, as cudropi_attention() reads it */
  int64_t key_stride[CUDROPI_ATTEND_SLOTS]; /* from key to key, of K, V, DK and DV */
  int64_t group;                            /* how many heads read one shared head */
} cudropi_attend_t;

static inline const cudropi_attend_t *cudropi_attend(const cudropi_plan_t *plan) {
  return (const cudropi_attend_t *)(const void *)plan->options;
}

/* ---- On the host ------------------------------------------------------------------------- */

/* The columns of a matrix on the host, whose panels (host/product.h) have 32. */
static inline int64_t cudropi_attend_width(int64_t cols) {
  return (cols + 31) / 32 * 32;
}

/* The most queries of one head, and floats of theirs, that a slab of forward keeps. */
enum { CUDROPI_ATTEND_RANGE = 768, CUDROPI_ATTEND_FLOATS = CUDROPI_ATTEND_RANGE * 64 };

/* The queries of a slab of forward: whole tiles of 96, as many as fit. */
static inline int64_t cudropi_attend_range(int64_t cols) {
  const int64_t most = CUDROPI_ATTEND_FLOATS / cudropi_attend_width(cols) / 96 * 96;
  return most < CUDROPI_ATTEND_RANGE ? most : (int64_t)CUDROPI_ATTEND_RANGE;
}

CUDROPI_DECLARE_HOST(cudropi_attend_forward);
CUDROPI_DECLARE_HOST(cudropi_attend_gradient);
int cudropi_launch_attend(const struct cudropi_work *work);
int cudropi_launch_attend_gradient(const struct cudropi_work *work);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_OPS_ATTEND_H */
