/* rows_host.h - operators on rows, on the host. */
#ifndef CUDROP_ROWS_HOST_H
#define CUDROP_ROWS_HOST_H

#include "context.h"

/* Do a plan whose draw is known, with the context's threads. */
void cudropi_host_run_rows(const cudrop_context_t *context, const cudropi_rows_t *rows);

/* ---- What the operators are made of ----------------------------------------------- */

enum { CUDROPI_STRIP = 256 }; /* columns that are worked on at a time, a multiple of 8 */

/* A plan that is being done, and what the context's path has for it. */
typedef struct {
  const cudropi_rows_t *rows;
  const cudropi_loops_t *loops;
  cudropi_plan_t bytes; /* of keep bytes, drawn as the rows' mask is: ... */
  cudrop_mask_schedule_t mask;
  cudropi_span_function_t *draw; /* ... so, or NULL: an element at a time */
} cudropi_rows_job_t;

/* Some neighbours of a row: columns first to first + n, n <= CUDROPI_STRIP. */
typedef struct {
  const cudropi_rows_job_t *job;
  const cudropi_rows_t *rows;
  int64_t row, first;
  int n;
} cudropi_strip_t;

/* The first row of a slab, and the one behind its last. */
void cudropi_find_slab(const cudropi_rows_t *rows, int64_t slab, int64_t *first,
                       int64_t *end);

/* The strip of at most `width` columns from `first` on. */
cudropi_strip_t cudropi_cut_strip(const cudropi_rows_job_t *job, int64_t row,
                                  int64_t first, int width);

/* values[j] *= scale; values[j] = kept[j] ? values[j] : +0; values[j] += others[j] */
void cudropi_scale(int n, float *values, float scale);
void cudropi_select(int n, float *values, const uint8_t *kept);
void cudropi_add(int n, float *values, const float *others);

/* As many neighbours in memory as the strip has columns. */
void cudropi_strip_read(const cudropi_strip_t *strip, cudrop_dtype_t dtype,
                        const void *memory, float *values);
void cudropi_strip_write(const cudropi_strip_t *strip, cudrop_dtype_t dtype, void *memory,
                         const float *values);

/* values[0..n) of an operand; of one that is absent, `absent`. */
void cudropi_strip_load(const cudropi_strip_t *strip, cudropi_rows_operand_t operand,
                        float absent, float *values);
void cudropi_strip_store(const cudropi_strip_t *strip, cudropi_rows_operand_t operand,
                         const float *values);

/* Store a gradient of data, or add it to what is there; nothing if it is not wanted. */
void cudropi_strip_store_gradient(const cudropi_strip_t *strip,
                                  cudropi_rows_operand_t operand, const float *gradient);

/* x + bias */
void cudropi_strip_load_biased(const cudropi_strip_t *strip, float *z);

/* 1 for every column that is kept, 0 for the others. */
void cudropi_strip_keep(const cudropi_strip_t *strip, uint8_t *kept);

/* values = keep ? values * scale : 0 */
void cudropi_strip_drop(const cudropi_strip_t *strip, float *values);

/* The operators: a slab of their rows. */
typedef void cudropi_slab_function_t(const cudropi_rows_job_t *job, int64_t slab);
cudropi_slab_function_t cudropi_host_fused, cudropi_host_fused_gradient,
    cudropi_host_norm, cudropi_host_norm_gradient, cudropi_host_attention,
    cudropi_host_attention_reapply, cudropi_host_attention_gradient,
    cudropi_host_embedding, cudropi_host_embedding_gradient;

/* What comes before and after the slabs of an embedding's gradient, which are segments. */
void cudropi_host_list_entries(const cudropi_rows_job_t *job);
void cudropi_host_join_runs(const cudropi_rows_job_t *job);

#endif /* CUDROP_ROWS_HOST_H */
