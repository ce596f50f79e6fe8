/* fused_host.h - bias, activation, dropout and residual on the host; compiled for each path, like
 * strip.h. */
#ifndef CUDROP_FUSED_HOST_H
#define CUDROP_FUSED_HOST_H

#include "host/band.h"
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
      float y[CUDROPI_STRIP], residual[CUDROPI_STRIP];
      const float *z =
          cudropi_strip_look_biased(&strip, CUDROPI_FUSED_X, CUDROPI_FUSED_BIAS, y);
      if (activate != NULL) activate(strip.n, z, y);
      cudropi_strip_drop(&strip, activate != NULL ? y : z, y);
      if (cudropi_has(plan, CUDROPI_FUSED_RESIDUAL))
        cudropi_add(strip.n, y,
                    cudropi_strip_look(&strip, CUDROPI_FUSED_RESIDUAL, residual));
      cudropi_strip_store(&strip, CUDROPI_FUSED_Y, y);
    }
  }
}

/* ---- The gradient ----------------------------------------------------------------- */

/* dx = act'(x + bias) * drop(dy) */
static void find_gradient(const cudropi_strip_t *strip, float *const *sums) {
  const cudropi_plan_t *plan = strip->plan;
  cudropi_map_t *const find_slopes =
      activation_slopes[plan->branch != CUDROP_F32][cudropi_fused(plan)->activation];
  const float scale = plan->draw.schedule.scale;
  float gradient[CUDROPI_STRIP], buffer[CUDROPI_STRIP], slope[CUDROPI_STRIP];
  uint8_t kept[CUDROPI_STRIP];
  const float *dy = cudropi_strip_look(strip, CUDROPI_FUSED_GRADIENT_DY, gradient);
  cudropi_strip_keep(strip, kept);
  if (find_slopes != NULL) {
    const float *z = cudropi_strip_look_biased(strip, CUDROPI_FUSED_GRADIENT_X,
                                               CUDROPI_FUSED_GRADIENT_BIAS, buffer);
    find_slopes(strip->n, z, slope);
    for (int j = 0; j < strip->n; ++j) gradient[j] = dy[j] * scale * slope[j];
    cudropi_drop(strip->n, gradient, 1.0f, kept, gradient);
  } else {
    cudropi_drop(strip->n, dy, scale, kept, gradient);
  }
  cudropi_strip_store_gradient(strip, CUDROPI_FUSED_GRADIENT_DX, gradient);
  cudropi_add(strip->n, sums[0], gradient);
}

static void do_fused_gradient(const cudropi_rows_job_t *job, int64_t slab) {
  static const int dbias = CUDROPI_FUSED_GRADIENT_DBIAS;
  cudropi_do_bands(job, slab, find_gradient, 1, &dbias);
}

CUDROPI_DEFINE_HOST(cudropi_fused_forward, do_fused, NULL, NULL);
CUDROPI_DEFINE_HOST(cudropi_fused_gradient, do_fused_gradient, NULL, NULL);

#endif /* CUDROP_FUSED_HOST_H */
