/* span.h - a stretch of elements in one piece, and the functions that vectors are for. */
#ifndef CUDROP_SPAN_H
#define CUDROP_SPAN_H

#include "call/plan.h"

/* Element 0 is the first of group `group`; n is a multiple of CUDROPI_SPAN_STEP. */
typedef struct {
  const cudropi_plan_t *plan;
  const char *x, *keep; /* keep: bytes, or packed bits from a byte's first on */
  char *y;
  uint64_t group;
  int64_t n;
  bool streams;  /* y goes around the caches: it is aligned to 64 bytes, and is not x */
  uint64_t kept; /* COUNT: is added to */
} cudropi_span_t;

enum { CUDROPI_SPAN_STEP = 128 };

typedef void cudropi_span_function_t(cudropi_span_t *span);

/* What a set of instructions can do: the function for a plan, NULL if it has none. */
typedef cudropi_span_function_t *cudropi_find_span_t(const cudropi_plan_t *plan);

cudropi_find_span_t cudropi_vector_sse2, cudropi_vector_avx2, cudropi_vector_avx512;

#endif /* CUDROP_SPAN_H */
