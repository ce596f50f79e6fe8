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

enum { CUDROPI_WANTED_BLOCKS = 2048, CUDROPI_LEAST_TURNS = 4 };

/* The lanes of so many chunks, where there are rows enough. */
CUDROP_INLINE int32_t cudropi_tile_lanes(int64_t chunks) {
  int32_t lanes = 4;
  while (lanes < CUDROPI_TILE_LANES && lanes < chunks) lanes *= 2;
  return lanes;
}

/* The tiling of rows * cols elements, both above 0. */
CUDROP_INLINE cudropi_tiling_t cudropi_tile(int64_t rows, int64_t cols) {
  cudropi_tiling_t tiling;
  tiling.chunks = cols / 8 + (cols % 8 != 0);
  int32_t lanes = cudropi_tile_lanes(tiling.chunks);
  /* Few rows: the threads that have none of their own are lanes. */
  while (lanes < CUDROPI_TILE_THREADS && lanes < tiling.chunks &&
         rows <= CUDROPI_TILE_THREADS / lanes / 2)
    lanes *= 2;
  tiling.lanes = lanes;
  tiling.ways = CUDROPI_TILE_THREADS / lanes;
  tiling.tiles = (tiling.chunks + lanes - 1) / lanes;
  int64_t slab_rows =
      rows / (CUDROPI_WANTED_BLOCKS / tiling.tiles + 1) / tiling.ways * tiling.ways;
  if (slab_rows > CUDROPI_SLAB_MOST) slab_rows = CUDROPI_SLAB_MOST;
  if (slab_rows < CUDROPI_LEAST_TURNS * tiling.ways)
    slab_rows = CUDROPI_LEAST_TURNS * tiling.ways;
  tiling.slab_rows = (int32_t)slab_rows;
  tiling.slabs = rows / slab_rows + (rows % slab_rows != 0);
  return tiling;
}

/*
 * The most slabs of any tiling of 1 to `rows` rows, or a few more. A slab of k ways, k >= 4, is one
 * of fewer than (k + 1) ways b rows, b the quotient above: that makes 5/4 b slabs at most, unless
 * slabs have their most rows. Few rows are one slab.
 */
CUDROP_INLINE int64_t cudropi_most_slabs(int64_t rows, int64_t cols) {
  const int64_t chunks = cols / 8 + (cols % 8 != 0);
  const int32_t lanes = cudropi_tile_lanes(chunks);
  const int64_t tiles = (chunks + lanes - 1) / lanes;
  const int64_t least = CUDROPI_LEAST_TURNS * (CUDROPI_TILE_THREADS / lanes);
  const int64_t quotient = CUDROPI_WANTED_BLOCKS / tiles + 1;
  const int64_t small = rows / least + (rows % least != 0);
  const int64_t middle = (5 * quotient + 3) / 4;
  const int64_t large = rows / CUDROPI_SLAB_MOST + (rows % CUDROPI_SLAB_MOST != 0);
  const int64_t most = small < middle ? small : middle;
  return most > large ? most : large;
}

#endif /* CUDROP_TILING_H */
