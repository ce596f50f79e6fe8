/* span.h - a span: elements in one piece, which one function does in vectors. */
#ifndef CUDROP_SPAN_H
#define CUDROP_SPAN_H

#include "call/plan.h"

/* Element 0 is the first of group `group`; n is a multiple of CUDROPI_SPAN_STEP. */
typedef struct {
  const cudropi_plan_t *plan;
  const char *x, *keep; /* keep: bytes, or packed bits that begin a byte */
  char *y;
  uint64_t group;
  int64_t n;
  bool streams;  /* y bypasses the caches; y is aligned to 64 bytes and is not x */
  uint64_t kept; /* COUNT adds to this */
} cudropi_span_t;

enum { CUDROPI_SPAN_STEP = 128 };

typedef void cudropi_span_function_t(cudropi_span_t *span);

/* Find the function for a plan in a set of instructions; NULL if the set has none. */
typedef cudropi_span_function_t *cudropi_find_span_t(const cudropi_plan_t *plan);

cudropi_find_span_t cudropi_vector_sse2, cudropi_vector_avx2, cudropi_vector_avx512;

#endif /* CUDROP_SPAN_H */
