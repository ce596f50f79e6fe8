/* window.c - a piece of an output, in the host's memory. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"

enum { WINDOW = 1 << 15 }; /* positions */

bool bench_window_open(bench_window_t *window, cudrop_context_t *context,
                       const bench_operand_t *operand) {
  *window = (bench_window_t){.context = context, .operand = operand};
  window->bytes = malloc(WINDOW * cudrop_dtype_bytes(operand->dtype));
  return window->bytes != NULL || bench_fail("no memory for a window of an output");
}

void bench_window_close(bench_window_t *window) {
  free(window->bytes);
}

/* Hold the window that begins at a position. */
static bool move(bench_window_t *window, int64_t first) {
  const int64_t left = window->operand->positions - first;
  const size_t size = cudrop_dtype_bytes(window->operand->dtype);
  window->first = first;
  window->count = left < WINDOW ? left : WINDOW;
  return bench_ok(cudrop_download(window->context, window->bytes,
                                  (char *)window->operand->buffer + (size_t)first * size,
                                  (size_t)window->count * size));
}

bool bench_window_read(bench_window_t *window, int64_t position, uint64_t *element) {
  const size_t size = cudrop_dtype_bytes(window->operand->dtype);
  const bool is_held =
      position >= window->first && position - window->first < window->count;
  if (!is_held && !move(window, position)) return false;
  *element = 0; /* the lower bytes come first */
  memcpy(element, window->bytes + (size_t)(position - window->first) * size, size);
  return true;
}
