/*
 * run.c - running elementwise plans. A plan is lines along the innermost dimension. A line is cut
 * into spans, which vectors do, and tiles for the rest. Threads take parts of the work.
 */
#include "host/run.h"

#include <string.h>

#include "core/tensor.h"
#include "host/pool.h"
#include "host/tile.h"

/* The least elements of a part, and the most parts for each thread. Parts are small, so that a
 * thread that wakes late keeps nobody waiting. */
enum { ELEMENTS_A_PART = 1 << 15, PARTS_A_THREAD = 16 };

/* From this many leftover elements on, a padded span beats the scalar loop. */
enum { LEAST_STAGED = 32 };

typedef struct {
  const cudropi_plan_t *plan;
  cudropi_span_function_t *span; /* NULL: vectors cannot do this plan */
  cudropi_draw_groups_t *draw;   /* for tiles, as in tile.h */
  bool streams;                  /* y is too large for the caches */
} job_t;

/* ---- A line ---- */

/* Where a line begins: positions in elements, and a mask index. */
typedef struct {
  int64_t x, keep, y;
  uint64_t index;
} line_t;

static void walk_tiles(const job_t *job, const line_t *line, int64_t first, int64_t end) {
  const cudropi_plan_t *plan = job->plan;
  const int inner = plan->rank - 1;
  cudropi_tile_t tile = {.plan = plan, .draw = job->draw};
  for (int64_t at = first; at < end; at += CUDROPI_TILE_SIZE) {
    tile.x = line->x + at * plan->operand[CUDROPI_X].stride[inner];
    tile.keep = line->keep + at * plan->operand[CUDROPI_KEEP].stride[inner];
    tile.y = line->y + at * plan->operand[CUDROPI_Y].stride[inner];
    tile.index = line->index + (uint64_t)(at * plan->draw.index_stride[inner]);
    tile.n = end - at < CUDROPI_TILE_SIZE ? (int)(end - at) : CUDROPI_TILE_SIZE;
    cudropi_host_draw(&tile);
    cudropi_host_kernel(&tile);
  }
}

/* The address of an element. A packed bit must be the first of its byte. */
static char *locate(const cudropi_operand_t *operand, int64_t position) {
  return (char *)operand->data + position * operand->bits / 8;
}

/* The same, or NULL if the plan has no such operand. */
static char *locate_any(const cudropi_operand_t *operand, int64_t position) {
  return operand->bits == 0 ? NULL : locate(operand, position);
}

static cudropi_span_t make_span(const job_t *job, const line_t *line, int64_t at,
                                int64_t n) {
  const cudropi_plan_t *plan = job->plan;
  cudropi_span_t span = {
      .plan = plan,
      .x = locate_any(&plan->operand[CUDROPI_X], line->x + at),
      .keep = locate_any(&plan->operand[CUDROPI_KEEP], line->keep + at),
      .y = locate(&plan->operand[CUDROPI_Y],
                  plan->kernel == CUDROPI_KERNEL_COUNT ? 0 : line->y + at),
      .group = (line->index + (uint64_t)at) / CUDROP_MASK_LANES,
      .n = n};
  span.streams = job->streams && span.x != span.y && (uintptr_t)span.y % 64 == 0;
  return span;
}

static void do_span(const job_t *job, cudropi_span_t *span) {
  job->span(span);
  if (span->kept > 0) cudropi_host_add(job->plan, span->kept);
}

/* Do fewer elements than a step: copy them to buffers, and do one whole span there. */
static void do_staged(const job_t *job, const line_t *line, int64_t at, int64_t n) {
  _Alignas(64) char x[CUDROPI_SPAN_STEP * 8], y[CUDROPI_SPAN_STEP * 8];
  char keep[CUDROPI_SPAN_STEP];
  cudropi_span_t span = make_span(job, line, at, CUDROPI_SPAN_STEP);
  const size_t bytes =
      (size_t)n * cudrop_dtype_bytes(job->plan->operand[CUDROPI_Y].dtype);
  const size_t keep_bytes = (size_t)(n * job->plan->operand[CUDROPI_KEEP].bits + 7) / 8;
  char *result = span.y;
  memset(x, 0, sizeof x);
  memset(y, 0, sizeof y);
  memset(keep, 0, sizeof keep);
  if (span.x != NULL) memcpy(x, span.x, bytes);
  if (job->plan->kernel == CUDROPI_KERNEL_ACCUMULATE) memcpy(y, span.y, bytes);
  if (span.keep != NULL) memcpy(keep, span.keep, keep_bytes);
  span.x = x;
  span.y = y;
  span.keep = keep;
  span.streams = false;
  job->span(&span);
  memcpy(result, y, bytes);
}

/* How many elements from `first` on come before one that can begin a span. */
static int64_t find_head(const job_t *job, const line_t *line, int64_t first) {
  const cudropi_plan_t *plan = job->plan;
  const uint64_t at =
      plan->operand[CUDROPI_KEEP].bits == 1      ? (uint64_t)(line->keep + first)
      : plan->draw.source == CUDROPI_FROM_PHILOX ? line->index + (uint64_t)first
                                                 : 0;
  return (int64_t)(-at % CUDROP_MASK_LANES);
}

static void walk_line(const job_t *job, const line_t *line, int64_t first, int64_t end) {
  if (job->span == NULL) {
    walk_tiles(job, line, first, end);
    return;
  }
  const bool has_elements = job->plan->kernel != CUDROPI_KERNEL_COUNT &&
                            job->plan->kernel != CUDROPI_KERNEL_BITS;
  int64_t at = first + find_head(job, line, first);
  if (at > end) at = end;
  const bool is_cut = job->plan->kernel == CUDROPI_KERNEL_BITS && (line->y + at) % 8 != 0;
  if (at > first) walk_tiles(job, line, first, at);
  const int64_t steps = is_cut ? 0 : (end - at) / CUDROPI_SPAN_STEP;
  if (steps > 0) {
    cudropi_span_t span = make_span(job, line, at, steps * CUDROPI_SPAN_STEP);
    do_span(job, &span);
    at += steps * CUDROPI_SPAN_STEP;
  }
  if (has_elements && end - at >= LEAST_STAGED) {
    do_staged(job, line, at, end - at);
  } else {
    walk_tiles(job, line, at, end);
  }
}

/* ---- All lines ---- */

static line_t find_line(const cudropi_plan_t *plan, int64_t number) {
  line_t line = {0, 0, 0, plan->draw.index_base};
  for (int d = plan->rank - 2; d >= 0; --d) {
    const int64_t coordinate = number % plan->shape[d];
    number /= plan->shape[d];
    line.x += coordinate * plan->operand[CUDROPI_X].stride[d];
    line.keep += coordinate * plan->operand[CUDROPI_KEEP].stride[d];
    line.y += coordinate * plan->operand[CUDROPI_Y].stride[d];
    line.index += (uint64_t)(coordinate * plan->draw.index_stride[d]);
  }
  return line;
}

/*
 * Do part `part` of the work: some of the lines, or if lines are few a stretch of each line. A
 * stretch begins where a byte of packed bits does.
 */
static void do_part(const void *work, int part, int parts) {
  const job_t *job = work;
  const cudropi_plan_t *plan = job->plan;
  const int64_t length = plan->shape[plan->rank - 1], lines = plan->n / length;
  int64_t first = 0, end = length, first_line = 0, end_line = lines;
  if (lines >= 4 * (int64_t)parts) {
    first_line = lines / parts * part;
    if (part < parts - 1) end_line = first_line + lines / parts;
  } else {
    const int64_t stretch = (length / parts + 1023) / 1024 * 1024;
    first = stretch * part < length ? stretch * part : length;
    end = length - first < stretch ? length : first + stretch;
  }
  for (int64_t number = first_line; number < end_line; ++number) {
    const line_t line = find_line(plan, number);
    walk_line(job, &line, first, end);
  }
}

/* Can vectors do the lines? They need every operand in one piece along a line. */
static bool is_vectorisable(const cudropi_plan_t *plan) {
  const int inner = plan->rank - 1;
  const bool total = plan->kernel == CUDROPI_KERNEL_COUNT;
  return (!cudropi_has(plan, CUDROPI_X) || plan->operand[CUDROPI_X].stride[inner] == 1) &&
         (!cudropi_has(plan, CUDROPI_KEEP) ||
          plan->operand[CUDROPI_KEEP].stride[inner] == 1) &&
         (total || plan->operand[CUDROPI_Y].stride[inner] == 1) &&
         (plan->draw.source != CUDROPI_FROM_PHILOX ||
          plan->draw.index_stride[inner] == 1);
}

static int count_parts(const cudrop_context_t *context, const cudropi_plan_t *plan) {
  /* A line of packed bits may begin within a byte, which two threads would write. */
  if (plan->kernel == CUDROPI_KERNEL_BITS && plan->rank > 1) return 1;
  if (context->host.threads == 1 || plan->n < context->host.least_threaded) return 1;
  const int64_t parts = plan->n / ELEMENTS_A_PART;
  const int most = context->host.threads * PARTS_A_THREAD;
  return parts < 1 ? 1 : parts < most ? (int)parts : most;
}

void cudropi_host_run_elements(const cudrop_context_t *context,
                               const cudropi_plan_t *plan) {
  cudropi_host_begin(plan);
  if (plan->n == 0) return;
  job_t job = {.plan = plan, .draw = context->host.path.draw};
  if (context->host.path.find_span != NULL && is_vectorisable(plan))
    job.span = context->host.path.find_span(plan);
  const size_t bytes =
      (size_t)plan->n * cudrop_dtype_bytes(plan->operand[CUDROPI_Y].dtype);
  job.streams = bytes > context->host.cache_bytes / 4 * 3;
  cudropi_pool_run(context->host.pool, do_part, &job, count_parts(context, plan));
}
