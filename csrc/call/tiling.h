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
 * The order of a sum over rows follows from the tiling alone, so that its bits are the same on the
 * host and on every GPU. Each way adds its rows one by one. The ways of a slab are added in order.
 * A strand is the slabs with the same number modulo CUDROPI_STRANDS, added in order. The strands
 * are added in order. Every sum begins with +0.
 */
#ifndef CUDROP_TILING_H
#define CUDROP_TILING_H

#include <stdint.h>

#include "cudrop/philox.h"

enum {
  CUDROPI_TILE_THREADS = 256, /* threads of a block: lanes * ways */
  CUDROPI_TILE_LANES = 32,    /* the most lanes, unless rows are few */
  CUDROPI_SLAB_MOST = 256,    /* the most rows of a slab */
  CUDROPI_STRANDS = 32
};

typedef struct {
  int64_t chunks; /* of a row; the last one may be shorter */
  int64_t slabs, tiles;
  int32_t slab_rows;
  int32_t lanes, ways; /* powers of 2 */
} cudropi_tiling_t;

enum { CUDROPI_WANTED_BLOCKS = 2048, CUDROPI_LEAST_TURNS = 4 };

/* The lanes for rows of `chunks` chunks, unless rows are few. */
CUDROP_INLINE int32_t cudropi_tile_lanes(int64_t chunks) {
  int32_t lanes = 4;
  while (lanes < CUDROPI_TILE_LANES && lanes < chunks) lanes *= 2;
  return lanes;
}

/* The tiling of `rows` rows of `cols` columns, both above 0. */
CUDROP_INLINE cudropi_tiling_t cudropi_tile(int64_t rows, int64_t cols) {
  cudropi_tiling_t tiling;
  tiling.chunks = cols / 8 + (cols % 8 != 0);
  int32_t lanes = cudropi_tile_lanes(tiling.chunks);
  /* Few rows: threads that would have no row become lanes. */
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
 * An upper bound on the slabs of any tiling of 1 to `rows` rows. Few rows are one slab; else a slab
 * has at least `least` rows, so there are at most `small` slabs. If slabs have k * ways rows,
 * k >= 4, there are fewer than (k + 1) * ways * quotient rows, so at most 5/4 quotient slabs
 * (`middle`). Only slabs of CUDROPI_SLAB_MOST rows may be more (`large`).
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
