/* draw_host.c - keep bytes, from Philox or from the caller's mask. */
#include "host/draw_host.h"

#include <string.h>

#include "host/span.h"
#include "host/tile.h"

/* The numbers of a schedule that mask.h's functions for one group take. */
typedef struct {
  uint64_t seed, offset;
  cudrop_mask_threshold_t threshold;
} numbers_t;

static numbers_t read_numbers(const cudrop_mask_schedule_t *mask) {
  const cudrop_philox_key_t key = mask->key[0];
  return (numbers_t){(uint64_t)key.word[1] << 32 | key.word[0],
                     mask->offset,
                     {mask->tie & 0xffff, mask->t1}};
}

static unsigned keep_group(const numbers_t *mask, uint64_t group) {
  return cudrop_mask_keep_group(mask->seed, mask->offset, group, mask->threshold);
}

/* Stride 1: one Philox call serves up to 8 indices. */
static void draw_consecutive(const numbers_t *mask, uint64_t index, int n,
                             uint8_t *kept) {
  for (int j = 0; j < n;) {
    const unsigned keep = keep_group(mask, index >> 3);
    for (unsigned lane = index & 7; lane < CUDROP_MASK_LANES && j < n; ++lane) {
      kept[j++] = keep >> lane & 1;
      ++index;
    }
  }
}

/* Any other stride. The last group is remembered, because neighbours may share it. */
static void draw_strided(const numbers_t *mask, uint64_t first, uint64_t stride, int n,
                         uint8_t *kept) {
  uint64_t group = UINT64_MAX;
  unsigned keep = 0;
  for (int j = 0; j < n; ++j) {
    const uint64_t index = first + (uint64_t)j * stride;
    if (index >> 3 != group) {
      group = index >> 3;
      keep = keep_group(mask, group);
    }
    kept[j] = keep >> (index & 7) & 1;
  }
}

void cudropi_draw_indices(const cudrop_mask_schedule_t *mask, uint64_t first,
                          uint64_t stride, int n, uint8_t *kept) {
  const numbers_t numbers = read_numbers(mask);
  if (stride == 1) {
    draw_consecutive(&numbers, first, n, kept);
  } else {
    draw_strided(&numbers, first, stride, n, kept);
  }
}

/* Draw neighbours in whole steps of vectors, and take those of the tile. */
static void draw_steps(cudropi_tile_t *tile) {
  _Alignas(64) uint8_t drawn[CUDROPI_TILE_SIZE + 2 * CUDROPI_SPAN_STEP];
  const int lead = (int)(tile->index % CUDROP_MASK_LANES);
  const int steps = (lead + tile->n + CUDROPI_SPAN_STEP - 1) / CUDROPI_SPAN_STEP;
  const cudropi_lines_t line = {tile->index / CUDROP_MASK_LANES, 0, 1,
                                (int64_t)steps * CUDROPI_SPAN_STEP};
  tile->draw(&tile->plan->draw.schedule, &line, drawn);
  memcpy(tile->kept, drawn + lead, (size_t)tile->n);
}

static void draw_tile(cudropi_tile_t *tile) {
  enum { LEAST = 16 }; /* below, a whole step costs more than the groups one by one */
  const cudropi_draw_t *draw = &tile->plan->draw;
  const uint64_t stride = (uint64_t)draw->index_stride[tile->plan->rank - 1];
  if (tile->draw != NULL && stride == 1 && tile->n >= LEAST) {
    draw_steps(tile);
  } else {
    cudropi_draw_indices(&draw->schedule, tile->index, stride, tile->n, tile->kept);
  }
}

static void read_bytes(cudropi_tile_t *tile, int64_t stride) {
  const uint8_t *bytes = tile->plan->operand[CUDROPI_KEEP].data;
  for (int j = 0; j < tile->n; ++j) tile->kept[j] = bytes[tile->keep + j * stride] != 0;
}

static void read_bits(cudropi_tile_t *tile, int64_t stride) {
  const uint8_t *bytes = tile->plan->operand[CUDROPI_KEEP].data;
  for (int j = 0; j < tile->n; ++j) {
    const int64_t bit = tile->keep + j * stride;
    tile->kept[j] = bytes[bit >> 3] >> (bit & 7) & 1;
  }
}

void cudropi_host_draw(cudropi_tile_t *tile) {
  const cudropi_plan_t *plan = tile->plan;
  const int inner = plan->rank - 1;
  switch (plan->draw.source) {
    case CUDROPI_FROM_PHILOX:
      draw_tile(tile);
      break;
    case CUDROPI_FROM_OPERAND:
      if (plan->operand[CUDROPI_KEEP].bits == 8) {
        read_bytes(tile, plan->operand[CUDROPI_KEEP].stride[inner]);
      } else {
        read_bits(tile, plan->operand[CUDROPI_KEEP].stride[inner]);
      }
      break;
    case CUDROPI_FROM_PREPARED: /* not possible here: the backend has read the block */
    case CUDROPI_ALL_KEPT:
    case CUDROPI_ALL_DROPPED:
      memset(tile->kept, plan->draw.source == CUDROPI_ALL_KEPT, (size_t)tile->n);
      break;
  }
}
