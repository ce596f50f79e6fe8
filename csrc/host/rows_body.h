/* rows_body.h - all operators on rows, for the instructions of CUDROPI_PATH. */
#include "ops/attend/attend_gradient_host.h"
#include "ops/attend/attend_host.h"
#include "ops/attention/attention_host.h"
#include "ops/embedding/embedding_host.h"
#include "ops/fused/fused_host.h"
#include "ops/norm/norm_host.h"

/* ---- Sums over slabs -------------------------------------------------------------- */

/* Add up the partial sums of a vector in the order of tiling.h, and store the gradient. Strands
 * without slabs are left out: their sums are +0, which changes nothing. */
void CUDROPI_OF_PATH(cudropi_finish_sum)(const cudropi_rows_job_t *job, int slot) {
  const cudropi_plan_t *plan = job->plan;
  const float *partial = plan->partial[slot];
  const int64_t slabs = plan->tiling.slabs;
  const int strands = slabs < CUDROPI_STRANDS ? (int)slabs : CUDROPI_STRANDS;
  for (int64_t first = 0; first < plan->cols; first += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, 0, first, CUDROPI_STRIP);
    float strand[CUDROPI_STRANDS][CUDROPI_STRIP];
    float total[CUDROPI_STRIP] = {0.0f}, old[CUDROPI_STRIP];
    for (int s = 0; s < strands; ++s) memset(strand[s], 0, sizeof strand[s]);
    for (int64_t slab = 0; slab < slabs; ++slab)
      cudropi_add(strip.n, strand[slab % CUDROPI_STRANDS],
                  partial + slab * plan->cols + first);
    for (int s = 0; s < strands; ++s) cudropi_add(strip.n, total, strand[s]);
    if (plan->adds_to_parameters) {
      cudropi_strip_load_near(&strip, slot, 0.0f, old);
      for (int j = 0; j < strip.n; ++j) total[j] = old[j] + total[j];
    }
    cudropi_strip_store(&strip, slot, total);
  }
}
