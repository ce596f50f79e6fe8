/* rows_host.c - slabs of rows, and the threads that take them. */
#include "rows_host.h"

#include <string.h>

#include "draw.h"
#include "storage.h"

/* Below so many elements a thread, waking it takes longer than its work. */
enum { ELEMENTS_A_THREAD = 1 << 12 };

/* So many neighbours are worth a span of which only they count. */
enum { LEAST_SPAN = 16 };

/* ---- Strips ----------------------------------------------------------------------- */

void cudropi_find_slab(const cudropi_rows_t *rows, int64_t slab, int64_t *first,
                       int64_t *end) {
  *first = slab * rows->tiling.slab_rows;
  const int64_t left = rows->rows - *first;
  *end = *first + (left < rows->tiling.slab_rows ? left : rows->tiling.slab_rows);
}

cudropi_strip_t cudropi_cut_strip(const cudropi_rows_job_t *job, int64_t row,
                                  int64_t first, int width) {
  const int64_t left = job->rows->cols - first;
  return (cudropi_strip_t){job, job->rows, row, first, left < width ? (int)left : width};
}

void cudropi_scale(int n, float *values, float scale) {
  for (int j = 0; j < n; ++j) values[j] = values[j] * scale;
}

/* In bits, which compilers make vectors of. */
void cudropi_select(int n, float *values, const uint8_t *kept) {
  for (int j = 0; j < n; ++j) {
    uint32_t bits;
    memcpy(&bits, &values[j], sizeof bits);
    bits &= 0u - kept[j];
    memcpy(&values[j], &bits, sizeof bits);
  }
}

void cudropi_add(int n, float *values, const float *others) {
  for (int j = 0; j < n; ++j) values[j] = values[j] + others[j];
}

static char *locate(const cudropi_strip_t *strip, cudropi_rows_operand_t operand) {
  const cudropi_rows_t *rows = strip->rows;
  const cudropi_operand_t *from = &rows->operand[operand];
  const int64_t row =
      cudropi_row_place(rows->rank, rows->shape, from->stride, strip->row);
  return (char *)from->data +
         (row + strip->first) * (int64_t)cudrop_dtype_bytes(from->dtype);
}

void cudropi_strip_read(const cudropi_strip_t *strip, cudrop_dtype_t dtype,
                        const void *memory, float *values) {
  if (dtype == CUDROP_F16) {
    strip->job->loops->load_f16(strip->n, memory, values);
  } else {
    cudropi_host_storage(dtype)->load(memory, 1, strip->n, values);
  }
}

void cudropi_strip_write(const cudropi_strip_t *strip, cudrop_dtype_t dtype, void *memory,
                         const float *values) {
  if (dtype == CUDROP_F16) {
    strip->job->loops->store_f16(strip->n, values, memory);
  } else {
    cudropi_host_storage(dtype)->store(memory, 1, strip->n, values);
  }
}

void cudropi_strip_load(const cudropi_strip_t *strip, cudropi_rows_operand_t operand,
                        float absent, float *values) {
  if (cudropi_rows_has(strip->rows, operand)) {
    cudropi_strip_read(strip, strip->rows->operand[operand].dtype, locate(strip, operand),
                       values);
  } else {
    for (int j = 0; j < strip->n; ++j) values[j] = absent;
  }
}

void cudropi_strip_store(const cudropi_strip_t *strip, cudropi_rows_operand_t operand,
                         const float *values) {
  cudropi_strip_write(strip, strip->rows->operand[operand].dtype, locate(strip, operand),
                      values);
}

void cudropi_strip_store_gradient(const cudropi_strip_t *strip,
                                  cudropi_rows_operand_t operand, const float *gradient) {
  float sum[CUDROPI_STRIP];
  if (!cudropi_rows_has(strip->rows, operand)) return;
  if (!strip->rows->adds_to_data) {
    cudropi_strip_store(strip, operand, gradient);
    return;
  }
  cudropi_strip_load(strip, operand, 0.0f, sum);
  cudropi_add(strip->n, sum, gradient);
  cudropi_strip_store(strip, operand, sum);
}

void cudropi_strip_load_biased(const cudropi_strip_t *strip, float *z) {
  float bias[CUDROPI_STRIP];
  cudropi_strip_load(strip, CUDROPI_ROWS_X, 0.0f, z);
  if (!cudropi_rows_has(strip->rows, CUDROPI_ROWS_BIAS)) return;
  cudropi_strip_load(strip, CUDROPI_ROWS_BIAS, 0.0f, bias);
  cudropi_add(strip->n, z, bias);
}

/* Neighbours in vectors: from the group on in which the first one lies, by whole steps. */
static void draw_span(const cudropi_rows_job_t *job, uint64_t index, int n,
                      uint8_t *kept) {
  _Alignas(64) char drawn[CUDROPI_STRIP + CUDROPI_SPAN_STEP];
  const int lead = (int)(index % CUDROP_MASK_LANES);
  const int steps = (lead + n + CUDROPI_SPAN_STEP - 1) / CUDROPI_SPAN_STEP;
  cudropi_span_t span = {.plan = &job->bytes,
                         .mask = &job->mask,
                         .y = drawn,
                         .group = index / CUDROP_MASK_LANES,
                         .n = (int64_t)steps * CUDROPI_SPAN_STEP};
  job->draw(&span);
  memcpy(kept, drawn + lead, (size_t)n);
}

void cudropi_strip_keep(const cudropi_strip_t *strip, uint8_t *kept) {
  const cudropi_rows_t *rows = strip->rows;
  if (rows->source == CUDROPI_FROM_OPERAND) {
    const int64_t first = strip->row * rows->cols + strip->first;
    for (int j = 0; j < strip->n; ++j) {
      const int64_t e = first + j;
      kept[j] = rows->bits[e >> 3] >> (e & 7) & 1;
    }
    return;
  }
  if (rows->source != CUDROPI_FROM_PHILOX) {
    memset(kept, rows->source == CUDROPI_ALL_KEPT, (size_t)strip->n);
    return;
  }
  const cudropi_draw_t draw = {rows->seed, rows->offset, rows->threshold};
  const int64_t row =
      cudropi_row_place(rows->rank, rows->shape, rows->index_stride, strip->row);
  const uint64_t index =
      rows->index_base + (uint64_t)(row + strip->first * rows->index_step);
  if (strip->job->draw != NULL && strip->n >= LEAST_SPAN) {
    draw_span(strip->job, index, strip->n, kept);
  } else {
    cudropi_host_draw_indices(&draw, index, (uint64_t)rows->index_step, strip->n, kept);
  }
}

void cudropi_strip_drop(const cudropi_strip_t *strip, float *values) {
  const float scale = strip->rows->scale;
  uint8_t kept[CUDROPI_STRIP];
  cudropi_strip_keep(strip, kept);
  cudropi_scale(strip->n, values, scale);
  cudropi_select(strip->n, values, kept);
}

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
      cudropi_strip_load(&strip, operand, 0.0f, old);
      for (int j = 0; j < strip.n; ++j) total[j] = old[j] + total[j];
    }
    cudropi_strip_store(&strip, operand, total);
  }
}

/* ---- All slabs -------------------------------------------------------------------- */

static const struct {
  cudropi_slab_function_t *slab;
  void (*begin)(const cudropi_rows_job_t *job); /* NULL: there is nothing to do ... */
  void (*end)(const cudropi_rows_job_t *job);   /* ... before or after all slabs */
} functions[CUDROPI_ROWS_OPERATORS] = {
    [CUDROPI_ROWS_FUSED] = {cudropi_host_fused, NULL, NULL},
    [CUDROPI_ROWS_FUSED_GRADIENT] = {cudropi_host_fused_gradient, NULL, NULL},
    [CUDROPI_ROWS_NORM] = {cudropi_host_norm, NULL, NULL},
    [CUDROPI_ROWS_NORM_GRADIENT] = {cudropi_host_norm_gradient, NULL, NULL},
    [CUDROPI_ROWS_ATTENTION] = {cudropi_host_attention, NULL, NULL},
    [CUDROPI_ROWS_ATTENTION_REAPPLY] = {cudropi_host_attention_reapply, NULL, NULL},
    [CUDROPI_ROWS_ATTENTION_GRADIENT] = {cudropi_host_attention_gradient, NULL, NULL},
    [CUDROPI_ROWS_EMBEDDING] = {cudropi_host_embedding, NULL, NULL},
    [CUDROPI_ROWS_EMBEDDING_GRADIENT] = {cudropi_host_embedding_gradient,
                                         cudropi_host_list_entries,
                                         cudropi_host_join_runs},
};

static void do_part(const void *work, int part, int parts) {
  const cudropi_rows_job_t *job = work;
  const cudropi_rows_t *rows = job->rows;
  const int64_t each = rows->tiling.slabs / parts, more = rows->tiling.slabs % parts;
  const int64_t first = each * part + (part < more ? part : more);
  const int64_t end = first + each + (part < more);
  for (int64_t slab = first; slab < end; ++slab) functions[rows->op].slab(job, slab);
}

static int count_parts(const cudrop_context_t *context, const cudropi_rows_t *rows) {
  int64_t most = rows->rows * rows->cols / ELEMENTS_A_THREAD;
  if (most > rows->tiling.slabs) most = rows->tiling.slabs;
  return most < 1 ? 1 : most < context->host.threads ? (int)most : context->host.threads;
}

static cudropi_rows_job_t make_job(const cudrop_context_t *context,
                                   const cudropi_rows_t *rows) {
  cudropi_rows_job_t job = {.rows = rows, .loops = context->host.path.loops};
  if (rows->source != CUDROPI_FROM_PHILOX || rows->index_step != 1 ||
      context->host.path.find_span == NULL)
    return job;
  job.bytes = (cudropi_plan_t){.op = CUDROPI_EXPORT_BYTES,
                               .kernel = CUDROPI_KERNEL_BYTES,
                               .source = rows->source,
                               .y = {.dtype = CUDROP_U8},
                               .seed = rows->seed,
                               .offset = rows->offset,
                               .p = rows->p,
                               .threshold = rows->threshold};
  job.mask = cudrop_mask_schedule(rows->seed, rows->offset, rows->p);
  job.draw = context->host.path.find_span(&job.bytes);
  return job;
}

void cudropi_host_run_rows(const cudrop_context_t *context, const cudropi_rows_t *rows) {
  const cudropi_rows_job_t job = make_job(context, rows);
  if (rows->cols == 0) return;
  if (rows->rows > 0) {
    if (functions[rows->op].begin != NULL) functions[rows->op].begin(&job);
    cudropi_pool_run(context->host.pool, do_part, &job, count_parts(context, rows));
    if (functions[rows->op].end != NULL) functions[rows->op].end(&job);
  }
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k)
    if (rows->is_sum[k]) finish_sum(&job, (cudropi_rows_operand_t)k);
}
