/* tile.h - a tile: some neighbours along the innermost dimension, which scalar code does. */
#ifndef CUDROP_TILE_H
#define CUDROP_TILE_H

#include "call/plan.h"
#include "host/draw_host.h"

enum { CUDROPI_TILE_SIZE = 256 };

/* A position counts elements from an operand's data. Neighbours are the innermost stride apart. */
typedef struct {
  const cudropi_plan_t *plan;
  cudropi_draw_groups_t *draw; /* draws neighbours; NULL: draw by scalar code */
  int64_t x, keep, y;          /* positions of the first element */
  uint64_t index;              /* its mask index */
  int n;
  uint8_t kept[CUDROPI_TILE_SIZE]; /* 1 or 0, from cudropi_host_draw() */
} cudropi_tile_t;

/* Fill in tile->kept. */
void cudropi_host_draw(cudropi_tile_t *tile);

/* Clear y for BITS and COUNT, which add to y. Call this before the first tile. */
void cudropi_host_begin(const cudropi_plan_t *plan);

/* Do the plan's kernel on a tile. */
void cudropi_host_kernel(const cudropi_tile_t *tile);

/* Add `kept` to the total of COUNT; any number of threads may add at once. */
void cudropi_host_add(const cudropi_plan_t *plan, uint64_t kept);

#endif /* CUDROP_TILE_H */
