/* fused_body.h - bias, activation, dropout and residual; compiled as strip.h is. */
#ifndef CUDROP_FUSED_BODY_H
#define CUDROP_FUSED_BODY_H

#include "host/maps.h"
#include "host/strip.h"

static void do_fused(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_rows_t *rows = job->rows;
  cudropi_map_t *const activate = activation_values[rows->activation];
  int64_t first = 0, end = 0;
  cudropi_find_slab(rows, slab, &first, &end);
  for (int64_t row = first; row < end; ++row) {
    for (int64_t col = 0; col < rows->cols; col += CUDROPI_STRIP) {
      const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
      float z[CUDROPI_STRIP], residual[CUDROPI_STRIP];
      cudropi_strip_load_biased(&strip, z);
      if (activate != NULL) activate(strip.n, z, z);
      cudropi_strip_drop(&strip, z);
      if (cudropi_rows_has(rows, CUDROPI_ROWS_RESIDUAL)) {
        cudropi_strip_load(&strip, CUDROPI_ROWS_RESIDUAL, residual);
        cudropi_add(strip.n, z, residual);
      }
      cudropi_strip_store(&strip, CUDROPI_ROWS_Y, z);
    }
  }
}

/* ---- The gradient ----------------------------------------------------------------- */

/* act'(x + bias) * drop(dy), and dx from it. */
static void find_gradient(const cudropi_strip_t *strip, cudropi_map_t *find_slopes,
                          float *gradient) {
  const cudropi_rows_t *rows = strip->rows;
  float z[CUDROPI_STRIP], slope[CUDROPI_STRIP];
  uint8_t kept[CUDROPI_STRIP];
  cudropi_strip_load(strip, CUDROPI_ROWS_DY, gradient);
  cudropi_strip_keep(strip, kept);
  cudropi_scale(strip->n, gradient, rows->draw.schedule.scale);
  if (find_slopes != NULL) {
    cudropi_strip_load_biased(strip, z);
    find_slopes(strip->n, z, slope);
    for (int j = 0; j < strip->n; ++j) gradient[j] = gradient[j] * slope[j];
  }
  cudropi_select(strip->n, gradient, kept);
}

static void do_fused_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_rows_t *rows = job->rows;
  cudropi_map_t *const find_slopes = activation_slopes[rows->activation];
  const int ways = rows->tiling.ways, lanes = rows->tiling.lanes;
  const int width = lanes * 8 < CUDROPI_STRIP ? lanes * 8 : CUDROPI_STRIP;
  float *partial = rows->partial[CUDROPI_ROWS_DBIAS];
  int64_t first = 0, end = 0;
  cudropi_find_slab(rows, slab, &first, &end);
  for (int64_t col = 0; col < rows->cols; col += width) {
    float sums[CUDROPI_TILE_THREADS * 8] = {0.0f}; /* of each way */
    float gradient[CUDROPI_STRIP], total[CUDROPI_STRIP] = {0.0f};
    for (int64_t row = first; row < end; ++row) {
      const cudropi_strip_t strip = cudropi_cut_tile(job, row, col, width);
      find_gradient(&strip, find_slopes, gradient);
      cudropi_strip_store_gradient(&strip, CUDROPI_ROWS_DX, gradient);
      cudropi_add(strip.n, sums + (row - first) % ways * width, gradient);
    }
    const int n = cudropi_cut_strip(job, first, col, width).n;
    for (int way = 0; way < ways; ++way) cudropi_add(n, total, sums + way * width);
    for (int j = 0; partial != NULL && j < n; ++j)
      partial[slab * rows->cols + col + j] = total[j];
  }
}

#endif /* CUDROP_FUSED_BODY_H */
