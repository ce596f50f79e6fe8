/*
 * band.h - a walk over a slab that sums columns in the order of tiling.h; compiled for each path,
 * like strip.h.
 *
 * A band is up to 2,048 columns of a slab. The walk takes a few ways in turn, as many as there is
 * room for sums. It goes along each row, so that what an operator reads twice is in the nearest
 * cache the second time.
 */
#ifndef CUDROP_BAND_H
#define CUDROP_BAND_H

#include "host/strip.h"

enum {
  CUDROPI_BAND_COLS = 2048, /* the most columns of a band, and sums of the ways in turn */
  CUDROPI_BAND_SUMS = 3     /* the most sums of an operator */
};

/* Do a strip, and add to sums[k][j] what column j of the strip adds to sum k. */
typedef void cudropi_band_strip_t(const cudropi_strip_t *strip, float *const *sums);

typedef struct {
  const cudropi_rows_job_t *job;
  int64_t first, end; /* rows of the slab */
  int64_t col;        /* the first column */
  int width;          /* columns */
  int ways;           /* of the slab */
  int way, in_turn;   /* the ways in turn: the first one, and how many */
} cudropi_band_t;

/* A row of the walk. */
typedef struct {
  int64_t row;
  int64_t run;   /* rows without a gap from this one on */
  int64_t after; /* the next row of the walk; at least band->end: there is none */
  int way;       /* the row's way, counted from band->way */
} cudropi_band_row_t;

/* The strip of a row from column `from` of the band on. */
static inline cudropi_strip_t cudropi_band_strip(const cudropi_band_t *band,
                                                 const cudropi_band_row_t *at, int from) {
  cudropi_strip_t strip =
      cudropi_cut_strip(band->job, at->row, band->col + from, CUDROPI_STRIP);
  const int left = band->width - from;
  strip.run = left;
  if (band->width == band->job->plan->cols) strip.run += (at->run - 1) * band->width;
  strip.row_after = at->after;
  if (left > CUDROPI_STRIP) return strip;
  strip.n = left;
  strip.next_row = at->after;
  strip.next_first = band->col;
  return strip;
}

/* Do the strips of a row. */
static inline void cudropi_band_row(const cudropi_band_t *band,
                                    const cudropi_band_row_t *at,
                                    cudropi_band_strip_t *function, int count,
                                    float (*sums)[CUDROPI_BAND_COLS]) {
  float *of_strip[CUDROPI_BAND_SUMS];
  for (int from = 0; from < band->width; from += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_band_strip(band, at, from);
    for (int k = 0; k < count; ++k) {
      of_strip[k] = sums[k] + at->way * band->width + from;
      if (at->row - band->first < band->ways) /* the first row of its way */
        memset(of_strip[k], 0, (size_t)strip.n * sizeof(float));
    }
    function(&strip, of_strip);
  }
}

/* Do the rows of the ways in turn. */
static inline void cudropi_band_turn(const cudropi_band_t *band,
                                     cudropi_band_strip_t *function, int count,
                                     float (*sums)[CUDROPI_BAND_COLS]) {
  for (int64_t first = band->first + band->way; first < band->end; first += band->ways) {
    const int64_t left = band->end - first;
    const int rows = left < band->in_turn ? (int)left : band->in_turn;
    for (int way = 0; way < rows; ++way) {
      const int run = rows - way;
      const cudropi_band_row_t at = {
          .row = first + way,
          .run = run,
          .after = run > 1 ? first + way + 1 : first + band->ways,
          .way = way};
      cudropi_band_row(band, &at, function, count, sums);
    }
  }
}

/* Add the sums of a way to those of the slab, which begin with +0. */
static inline void cudropi_band_add(const cudropi_band_t *band, int way,
                                    const float *sums, float *of_slab) {
  const float *of_way = sums + way * band->width;
  if (band->way + way == 0) {
    for (int j = 0; j < band->width; ++j) of_slab[j] = 0.0f + of_way[j];
  } else {
    cudropi_add(band->width, of_slab, of_way);
  }
}

/* Do a band, and write the sums of its columns to the partial sums of `slots`. */
static inline void cudropi_do_band(cudropi_band_t *band, cudropi_band_strip_t *function,
                                   int count, const int *slots) {
  const cudropi_plan_t *plan = band->job->plan;
  const int64_t slab = band->first / plan->tiling.slab_rows;
  float sums[CUDROPI_BAND_SUMS][CUDROPI_BAND_COLS];
  float *partial[CUDROPI_BAND_SUMS];
  for (int k = 0; k < count; ++k) {
    partial[k] = plan->partial[slots[k]];
    if (partial[k] != NULL) partial[k] += slab * plan->cols + band->col;
  }
  const int room = CUDROPI_BAND_COLS / band->width;
  for (band->way = 0; band->way < band->ways; band->way += band->in_turn) {
    const int left = band->ways - band->way;
    band->in_turn = room < left ? room : left;
    cudropi_band_turn(band, function, count, sums);
    for (int k = 0; k < count; ++k)
      for (int way = 0; way < band->in_turn && partial[k] != NULL; ++way)
        cudropi_band_add(band, way, sums[k], partial[k]);
  }
}

/* Do a slab, band by band. */
static inline void cudropi_do_bands(const cudropi_rows_job_t *job, int64_t slab,
                                    cudropi_band_strip_t *function, int count,
                                    const int *slots) {
  const int64_t cols = job->plan->cols;
  cudropi_band_t band = {.job = job, .ways = cudropi_count_ways(job->plan, slab)};
  cudropi_find_slab(job->plan, slab, &band.first, &band.end);
  for (; band.col < cols; band.col += CUDROPI_BAND_COLS) {
    const int64_t left = cols - band.col;
    band.width = left < CUDROPI_BAND_COLS ? (int)left : CUDROPI_BAND_COLS;
    cudropi_do_band(&band, function, count, slots);
  }
}

#endif /* CUDROP_BAND_H */
