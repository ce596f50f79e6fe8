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

#include <stdbool.h>
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

enum { CUDROPI_WANTED_BLOCKS = 2048, CUDROPI_WHOLE_SLABS = 512, CUDROPI_LEAST_TURNS = 4 };

/* The lanes for rows of `chunks` chunks, unless rows are few. */
CUDROP_INLINE int32_t cudropi_tile_lanes(int64_t chunks) {
  int32_t lanes = 4;
  while (lanes < CUDROPI_TILE_LANES && lanes < chunks) lanes *= 2;
  return lanes;
}

/* The least rows of a slab, unless there are fewer rows. */
CUDROP_INLINE int32_t cudropi_least_slab(int32_t ways) {
  return CUDROPI_LEAST_TURNS * ways;
}

/* A tiling of one tile, whose rows are whole: at most 2,048 columns. */
CUDROP_INLINE cudropi_tiling_t cudropi_tile_whole(int64_t rows, int64_t chunks) {
  cudropi_tiling_t tiling;
  tiling.chunks = chunks;
  tiling.lanes = 4;
  while (tiling.lanes < chunks) tiling.lanes *= 2;
  tiling.ways = CUDROPI_TILE_THREADS / tiling.lanes;
  tiling.tiles = 1;
  const int64_t wave =
      CUDROPI_WHOLE_SLABS * tiling.ways; /* rows of a turn of all slabs */
  const int64_t turns = rows / wave + (rows % wave != 0);
  int64_t slab_rows = CUDROPI_SLAB_MOST;
  if (turns < CUDROPI_SLAB_MOST / tiling.ways) slab_rows = turns * tiling.ways;
  if (slab_rows < cudropi_least_slab(tiling.ways))
    slab_rows = cudropi_least_slab(tiling.ways);
  tiling.slab_rows = (int32_t)slab_rows;
  tiling.slabs = rows / slab_rows + (rows % slab_rows != 0);
  return tiling;
}

/* The tiling of `rows` rows of `cols` columns, both above 0. If `is_whole`, rows of up to 2,048
 * columns are whole in a tile. */
CUDROP_INLINE cudropi_tiling_t cudropi_tile(int64_t rows, int64_t cols, bool is_whole) {
  cudropi_tiling_t tiling;
  tiling.chunks = cols / 8 + (cols % 8 != 0);
  if (is_whole && tiling.chunks <= CUDROPI_TILE_THREADS)
    return cudropi_tile_whole(rows, tiling.chunks);
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
  if (slab_rows < cudropi_least_slab(tiling.ways))
    slab_rows = cudropi_least_slab(tiling.ways);
  tiling.slab_rows = (int32_t)slab_rows;
  tiling.slabs = rows / slab_rows + (rows % slab_rows != 0);
  return tiling;
}

/*
 * An upper bound on the slabs of any tiling of 1 to `rows` rows. Few rows are one slab; else a slab
 * has at least `least` rows, so there are at most `small` slabs. If slabs have k * ways rows,
 * k >= 4, there are fewer than (k + 1) * ways * quotient rows, so at most 5/4 quotient slabs
 * (`middle`; with whole rows k is rounded up, and they are at most CUDROPI_WHOLE_SLABS). Only slabs
 * of CUDROPI_SLAB_MOST rows may be more (`large`).
 */
CUDROP_INLINE int64_t cudropi_most_slabs(int64_t rows, int64_t cols, bool is_whole) {
  const int64_t chunks = cols / 8 + (cols % 8 != 0);
  const bool has_one_tile = is_whole && chunks <= CUDROPI_TILE_THREADS;
  const int32_t lanes =
      has_one_tile ? cudropi_tile_whole(1, chunks).lanes : cudropi_tile_lanes(chunks);
  const int64_t tiles = (chunks + lanes - 1) / lanes;
  const int64_t least = cudropi_least_slab(CUDROPI_TILE_THREADS / lanes);
  const int64_t quotient = CUDROPI_WANTED_BLOCKS / tiles + 1;
  const int64_t small = rows / least + (rows % least != 0);
  const int64_t middle =
      has_one_tile ? (int64_t)CUDROPI_WHOLE_SLABS : (5 * quotient + 3) / 4;
  const int64_t large = rows / CUDROPI_SLAB_MOST + (rows % CUDROPI_SLAB_MOST != 0);
  const int64_t most = small < middle ? small : middle;
  return most > large ? most : large;
}

#endif /* CUDROP_TILING_H */
