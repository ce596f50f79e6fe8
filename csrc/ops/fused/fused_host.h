/* fused_host.h - bias, activation, dropout and residual on the host; compiled for each path, like
 * strip.h. */
#ifndef CUDROP_FUSED_HOST_H
#define CUDROP_FUSED_HOST_H

#include "host/maps.h"
#include "host/strip.h"
#include "ops/fused/fused.h"

static void do_fused(const cudropi_rows_job_t *job, int64_t slab) {
  const cudropi_plan_t *plan = job->plan;
  cudropi_map_t *const activate =
      activation_values[plan->stream != CUDROP_F32][cudropi_fused(plan)->activation];
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  for (int64_t row = first; row < end; ++row) {
    for (int64_t col = 0; col < plan->cols; col += CUDROPI_STRIP) {
      const cudropi_strip_t strip = cudropi_cut_strip(job, row, col, CUDROPI_STRIP);
      float z[CUDROPI_STRIP], residual[CUDROPI_STRIP];
      cudropi_strip_load_biased(&strip, CUDROPI_FUSED_X, CUDROPI_FUSED_BIAS, z);
      if (activate != NULL) activate(strip.n, z, z);
      cudropi_strip_drop(&strip, z);
      if (cudropi_has(plan, CUDROPI_FUSED_RESIDUAL)) {
        cudropi_strip_load(&strip, CUDROPI_FUSED_RESIDUAL, residual);
        cudropi_add(strip.n, z, residual);
      }
      cudropi_strip_store(&strip, CUDROPI_FUSED_Y, z);
    }
  }
}

/* ---- The gradient ----------------------------------------------------------------- */

/* gradient = act'(x + bias) * drop(dy) */
static void find_gradient(const cudropi_strip_t *strip, cudropi_map_t *find_slopes,
                          float *gradient) {
  const cudropi_plan_t *plan = strip->plan;
  float z[CUDROPI_STRIP], slope[CUDROPI_STRIP];
  uint8_t kept[CUDROPI_STRIP];
  cudropi_strip_load(strip, CUDROPI_FUSED_GRADIENT_DY, gradient);
  cudropi_strip_keep(strip, kept);
  cudropi_scale(strip->n, gradient, plan->draw.schedule.scale);
  if (find_slopes != NULL) {
    cudropi_strip_load_biased(strip, CUDROPI_FUSED_GRADIENT_X,
                              CUDROPI_FUSED_GRADIENT_BIAS, z);
    find_slopes(strip->n, z, slope);
    for (int j = 0; j < strip->n; ++j) gradient[j] = gradient[j] * slope[j];
  }
  cudropi_select(strip->n, gradient, kept);
}

/* Do `width` columns of a slab, from `col` on. Each way of tiling.h sums its own rows. */
static void do_fused_tile(const cudropi_rows_job_t *job, int64_t slab, int64_t col,
                          int width) {
  const cudropi_plan_t *plan = job->plan;
  cudropi_map_t *const find_slopes =
      activation_slopes[plan->branch != CUDROP_F32][cudropi_fused(plan)->activation];
  float *partial = plan->partial[CUDROPI_FUSED_GRADIENT_DBIAS];
  const int ways = cudropi_count_ways(plan, slab);
  float sums[CUDROPI_TILE_THREADS * 8], gradient[CUDROPI_STRIP];
  float total[CUDROPI_STRIP] = {0.0f};
  int64_t first = 0, end = 0;
  cudropi_find_slab(plan, slab, &first, &end);
  const int n = cudropi_cut_strip(job, first, col, width).n;
  if (partial != NULL) memset(sums, 0, (size_t)(ways * width) * sizeof *sums);
  for (int64_t row = first; row < end; ++row) {
    const cudropi_strip_t strip = cudropi_cut_tile(job, row, col, width);
    find_gradient(&strip, find_slopes, gradient);
    cudropi_strip_store_gradient(&strip, CUDROPI_FUSED_GRADIENT_DX, gradient);
    if (partial != NULL) cudropi_add(n, sums + (row - first) % ways * width, gradient);
  }
  if (partial == NULL) return;
  for (int way = 0; way < ways; ++way) cudropi_add(n, total, sums + way * width);
  memcpy(partial + slab * plan->cols + col, total, (size_t)n * sizeof *total);
}

static void do_fused_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  const int64_t cols = job->plan->cols;
  const int width = cudropi_tile_width(job->plan);
  for (int64_t col = 0; col < cols; col += width) do_fused_tile(job, slab, col, width);
}

CUDROPI_DEFINE_HOST(cudropi_fused_forward, do_fused, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_fused_gradient, do_fused_gradient, NULL, NULL);

#endif /* CUDROP_FUSED_HOST_H */
