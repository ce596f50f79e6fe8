/* rows_body.h - all operators on rows, and the table of them. */
#include "ops/attention/attention_host.h"
#include "ops/embedding/embedding_host.h"
#include "ops/fused/fused_host.h"
#include "ops/norm/norm_host.h"

/* ---- Sums over slabs -------------------------------------------------------------- */

/* The sum of a vector's partial sums, in the order of tiling.h, to its gradient. */
static void finish_sum(const cudropi_rows_job_t *job, cudropi_rows_operand_t operand) {
  const cudropi_rows_t *rows = job->rows;
  const float *partial = rows->partial[operand];
  for (int64_t first = 0; first < rows->cols; first += CUDROPI_STRIP) {
    const cudropi_strip_t strip = cudropi_cut_strip(job, 0, first, CUDROPI_STRIP);
    float strand[CUDROPI_STRANDS][CUDROPI_STRIP] = {{0.0f}};
    float total[CUDROPI_STRIP] = {0.0f}, old[CUDROPI_STRIP];
    for (int64_t slab = 0; slab < rows->tiling.slabs; ++slab) {
      for (int j = 0; j < strip.n; ++j)
        strand[slab % CUDROPI_STRANDS][j] += partial[slab * rows->cols + first + j];
    }
    for (int s = 0; s < CUDROPI_STRANDS; ++s)
      for (int j = 0; j < strip.n; ++j) total[j] += strand[s][j];
    if (rows->adds_to_parameters) {
      cudropi_strip_load_near(&strip, operand, 0.0f, old);
      for (int j = 0; j < strip.n; ++j) total[j] = old[j] + total[j];
    }
    cudropi_strip_store(&strip, operand, total);
  }
}

/* ---- The table -------------------------------------------------------------------- */

#define DEFINE_ROWS(NAME)                                                             \
  const cudropi_rows_functions_t NAME = {                                             \
      .operators = {[CUDROPI_ROWS_FUSED] = {do_fused, NULL, NULL},                    \
                    [CUDROPI_ROWS_FUSED_GRADIENT] = {do_fused_gradient, NULL, NULL},  \
                    [CUDROPI_ROWS_NORM] = {do_norm, NULL, NULL},                      \
                    [CUDROPI_ROWS_NORM_GRADIENT] = {do_norm_gradient, NULL, NULL},    \
                    [CUDROPI_ROWS_ATTENTION] = {do_attention, NULL, NULL},            \
                    [CUDROPI_ROWS_ATTENTION_REAPPLY] = {do_attention_reapply, NULL,   \
                                                        NULL},                        \
                    [CUDROPI_ROWS_ATTENTION_GRADIENT] = {do_attention_gradient, NULL, \
                                                         NULL},                       \
                    [CUDROPI_ROWS_EMBEDDING] = {do_embedding, NULL, NULL},            \
                    [CUDROPI_ROWS_EMBEDDING_GRADIENT] = {do_embedding_gradient,       \
                                                         list_entries, join_runs}},   \
      .finish_sum = finish_sum}
