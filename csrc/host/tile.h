/* tile.h - the unit of the host's work: some neighbours along the innermost dimension. */
#ifndef CUDROP_TILE_H
#define CUDROP_TILE_H

#include "call/plan.h"

enum { CUDROPI_TILE_SIZE = 256 };

/* Positions are in elements from the operand's data, the innermost stride apart. */
typedef struct {
  const cudropi_plan_t *plan;
  int64_t x, keep, y; /* positions of the first element */
  uint64_t index;     /* its mask index */
  int n;
  uint8_t kept[CUDROPI_TILE_SIZE]; /* 1 or 0, by draw */
} cudropi_tile_t;

/* Fill in tile->kept. */
void cudropi_host_draw(cudropi_tile_t *tile);

/* Do the plan's kernel on the tile; begin what kernels of its kind need begun, first. */
void cudropi_host_begin(const cudropi_plan_t *plan);
void cudropi_host_kernel(const cudropi_tile_t *tile);

/* Add to the total of COUNT; threads may do so at once. */
void cudropi_host_add(const cudropi_plan_t *plan, uint64_t kept);

#endif /* CUDROP_TILE_H */
