/*
 * tiling.h - how rows and columns are cut into pieces, the same on every device.
 *
 *             tile 0          tile 1
 *          | lanes chunks  | lanes chunks |      a chunk is 8 columns
 *   slab 0 |  row 0          -> way 0     |
 *          |  row 1          -> way 1     |      way w takes rows w, w + ways, ...
 *          |  ...                         |
 *   slab 1 |                              |
 *
 * A sum over rows is made in an order that follows from here alone, and so has the same bits
 * on the host and on every GPU: each way adds its rows one by one; the ways of a slab are
 * added in order; of the slabs, those with the same number modulo CUDROPI_STRANDS are added in
 * order, and then the strands in order. Every sum begins with +0.
 */
#ifndef CUDROP_TILING_H
#define CUDROP_TILING_H

#include <stdint.h>

#include "cudrop/philox.h"

enum {
  CUDROPI_TILE_THREADS = 256, /* of a block: lanes * ways */
  CUDROPI_TILE_LANES = 32,    /* at most, where there are rows enough */
  CUDROPI_SLAB_MOST = 256,    /* rows of a slab */
  CUDROPI_STRANDS = 32
};

typedef struct {
  int64_t chunks; /* of a row, the last one may be cut short */
  int64_t slabs, tiles;
  int32_t slab_rows;
  int32_t lanes, ways; /* powers of 2 */
} cudropi_tiling_t;

/* The tiling of rows * cols elements, both above 0. */
CUDROP_INLINE cudropi_tiling_t cudropi_tile(int64_t rows, int64_t cols) {
  enum { WANTED_BLOCKS = 2048, LEAST_TURNS = 4 };
  cudropi_tiling_t tiling;
  int32_t lanes = 4;
  tiling.chunks = cols / 8 + (cols % 8 != 0);
  while (lanes < CUDROPI_TILE_LANES && lanes < tiling.chunks) lanes *= 2;
  /* Few rows: the threads that have none of their own are lanes. */
  while (lanes < CUDROPI_TILE_THREADS && lanes < tiling.chunks &&
         rows <= CUDROPI_TILE_THREADS / lanes / 2)
    lanes *= 2;
  tiling.lanes = lanes;
  tiling.ways = CUDROPI_TILE_THREADS / lanes;
  tiling.tiles = (tiling.chunks + lanes - 1) / lanes;
  int64_t slab_rows =
      rows / (WANTED_BLOCKS / tiling.tiles + 1) / tiling.ways * tiling.ways;
  if (slab_rows > CUDROPI_SLAB_MOST) slab_rows = CUDROPI_SLAB_MOST;
  if (slab_rows < LEAST_TURNS * tiling.ways) slab_rows = LEAST_TURNS * tiling.ways;
  tiling.slab_rows = (int32_t)slab_rows;
  tiling.slabs = rows / slab_rows + (rows % slab_rows != 0);
  return tiling;
}

#endif /* CUDROP_TILING_H */
