/* vector_sse2.c - the spans in vectors of vector_sse2.h; compiled for those instructions. */
#include "host/vector_sse2.h"

#include "host/vector_span.h"

cudropi_span_function_t *cudropi_vector_sse2(const cudropi_plan_t *plan) {
  return find_span(plan);
}

void cudropi_draw_sse2(const cudrop_mask_schedule_t *mask, const cudropi_lines_t *lines,
                       uint8_t *kept) {
  draw_lines(mask, lines, kept);
}
