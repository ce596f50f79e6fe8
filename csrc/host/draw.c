/* draw.c - keep bits, from Philox or from the caller's mask. */
#include "draw.h"

#include <string.h>

#include "tile.h"

/* Indices that rise by 1: a Philox call serves up to 8 of them. */
static void draw_consecutive(const cudropi_draw_t *draw, uint64_t index, int n,
                             uint8_t *kept) {
  for (int j = 0; j < n;) {
    const unsigned keep =
        cudrop_mask_keep_group(draw->seed, draw->offset, index >> 3, draw->threshold);
    for (unsigned lane = index & 7; lane < CUDROP_MASK_LANES && j < n; ++lane) {
      kept[j++] = keep >> lane & 1;
      ++index;
    }
  }
}

/* Any other stride: neighbours may still be of one group, so the last one is kept. */
static void draw_strided(const cudropi_draw_t *draw, uint64_t first, uint64_t stride,
                         int n, uint8_t *kept) {
  uint64_t group = UINT64_MAX;
  unsigned keep = 0;
  for (int j = 0; j < n; ++j) {
    const uint64_t index = first + (uint64_t)j * stride;
    if (index >> 3 != group) {
      group = index >> 3;
      keep = cudrop_mask_keep_group(draw->seed, draw->offset, group, draw->threshold);
    }
    kept[j] = keep >> (index & 7) & 1;
  }
}

void cudropi_host_draw_indices(const cudropi_draw_t *draw, uint64_t first,
                               uint64_t stride, int n, uint8_t *kept) {
  if (stride == 1) {
    draw_consecutive(draw, first, n, kept);
  } else {
    draw_strided(draw, first, stride, n, kept);
  }
}

static void read_bytes(cudropi_tile_t *tile, int64_t stride) {
  const uint8_t *bytes = tile->plan->keep.data;
  for (int j = 0; j < tile->n; ++j) tile->kept[j] = bytes[tile->keep + j * stride] != 0;
}

static void read_bits(cudropi_tile_t *tile, int64_t stride) {
  const uint8_t *bytes = tile->plan->keep.data;
  for (int j = 0; j < tile->n; ++j) {
    const int64_t bit = tile->keep + j * stride;
    tile->kept[j] = bytes[bit >> 3] >> (bit & 7) & 1;
  }
}

void cudropi_host_draw(cudropi_tile_t *tile) {
  const cudropi_plan_t *plan = tile->plan;
  const int inner = plan->rank - 1;
  switch (plan->source) {
    case CUDROPI_FROM_PHILOX:
      cudropi_host_draw_indices(
          &(cudropi_draw_t){plan->seed, plan->offset, plan->threshold}, tile->index,
          (uint64_t)plan->index_stride[inner], tile->n, tile->kept);
      break;
    case CUDROPI_FROM_OPERAND:
      if (plan->keep.dtype == CUDROP_U8) {
        read_bytes(tile, plan->keep.stride[inner]);
      } else {
        read_bits(tile, plan->keep.stride[inner]);
      }
      break;
    case CUDROPI_FROM_PREPARED: /* run() has looked into the block */
      break;
    case CUDROPI_ALL_KEPT:
    case CUDROPI_ALL_DROPPED:
      memset(tile->kept, plan->source == CUDROPI_ALL_KEPT, (size_t)tile->n);
      break;
  }
}
