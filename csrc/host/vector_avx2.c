/* vector_avx2.c - the spans in vectors of vector_avx2.h; compiled for those instructions. */
#include "vector_avx2.h"

#include "vector_span.h"

cudropi_span_function_t *cudropi_vector_avx2(const cudropi_plan_t *plan) {
  return find_span(plan);
}
