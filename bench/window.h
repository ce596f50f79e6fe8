/* window.h - reading an output that may lie on a device, a piece at a time. */
#ifndef BENCH_WINDOW_H
#define BENCH_WINDOW_H

#include "operand.h"

typedef struct {
  cudrop_context_t *context;
  const bench_operand_t *operand;
  int64_t first, count; /* the positions that are held */
  uint8_t *bytes;
} bench_window_t;

/* Give it to bench_window_close(), also after a failure. */
bool bench_window_open(bench_window_t *window, cudrop_context_t *context,
                       const bench_operand_t *operand);
void bench_window_close(bench_window_t *window);

/* The element at a position, in the lower bits; near ones that follow are read with it. */
bool bench_window_read(bench_window_t *window, int64_t position, uint64_t *element);

#endif /* BENCH_WINDOW_H */
