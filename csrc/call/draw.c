/* draw.c - from a mask to its draw. */
#include "call/draw.h"

#include <string.h>

#include "core/tensor.h"
#include "ops/prepare/prepare.h"

static cudropi_source_t find_source(double p, bool is_brought) {
  if (p >= 1.0) return CUDROPI_ALL_DROPPED;
  if (is_brought) return CUDROPI_FROM_OPERAND;
  return p > 0.0 ? CUDROPI_FROM_PHILOX : CUDROPI_ALL_KEPT;
}

static cudropi_draw_t draw_numbers(uint64_t seed, uint64_t offset, double p,
                                   bool is_brought) {
  return (cudropi_draw_t){.source = find_source(p, is_brought),
                          .p = p,
                          .schedule = cudrop_mask_schedule(seed, offset, p)};
}

cudropi_draw_t cudropi_draw(const cudrop_mask_t *mask, double p, bool is_brought,
                            int rank, const int64_t *shape) {
  if (mask == NULL) return draw_numbers(0, 0, p, is_brought);
  cudropi_draw_t draw = {.source = CUDROPI_FROM_PREPARED,
                         .prepared = mask->prepared,
                         .offset = mask->offset};
  if (mask->prepared == NULL)
    draw = draw_numbers(mask->seed, mask->offset, mask->p, false);
  draw.index_base = mask->index_base;
  if (mask->index_rank > 0) {
    memcpy(draw.index_stride, mask->index_stride, sizeof draw.index_stride);
  } else {
    cudropi_row_major(rank, shape, draw.index_stride);
  }
  return draw;
}

cudropi_draw_t cudropi_draw_prepared(const cudropi_draw_t *draw) {
  const cudrop_prepared_t *block = draw->prepared;
  cudropi_draw_t read = *draw;
  read.source = find_source(block->p, false);
  read.p = block->p;
  read.schedule = block->schedule;
  read.index_base += block->index_base;
  cudrop_mask_schedule_offset(&read.schedule, block->schedule.offset + draw->offset);
  return read;
}
