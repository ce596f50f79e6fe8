/* rows_host.c - slabs of rows, and the threads that take them. */
#include "host/rows_host.h"

/* With fewer elements than these, waking a thread takes longer than its work. */
enum { ELEMENTS_A_THREAD = 1 << 12 };

typedef struct {
  const cudropi_rows_job_t *job;
  char *scratch; /* of all threads */
  cudropi_slab_function_t *slab;
} work_t;

static void do_part(const void *argument, int part, int parts) {
  const work_t *work = argument;
  cudropi_rows_job_t job = *work->job;
  cudropi_kept_t kept = {.n = 0};
  const int64_t slabs = job.plan->tiling.slabs;
  const int64_t each = slabs / parts, more = slabs % parts;
  const int64_t first = each * part + (part < more ? part : more);
  const int64_t end = first + each + (part < more);
  job.kept = &kept;
  job.scratch = work->scratch + (size_t)part * CUDROPI_SCRATCH_BYTES;
  for (int64_t slab = first; slab < end; ++slab) work->slab(&job, slab);
}

static int count_parts(const cudrop_context_t *context, const cudropi_plan_t *plan) {
  int64_t most = plan->n / ELEMENTS_A_THREAD;
  if (most > plan->tiling.slabs) most = plan->tiling.slabs;
  return most < 1 ? 1 : most < context->host.threads ? (int)most : context->host.threads;
}

static cudropi_rows_job_t make_job(const cudrop_context_t *context,
                                   const cudropi_plan_t *plan) {
  cudropi_rows_job_t job = {.plan = plan};
  if (plan->draw.source == CUDROPI_FROM_PHILOX && plan->index_step == 1)
    job.draw = context->host.path.draw;
  return job;
}

void cudropi_host_run_rows(const cudrop_context_t *context, const cudropi_plan_t *plan) {
  const cudropi_path_t *path = &context->host.path;
  const cudropi_host_rows_t *functions = plan->op->host[path->rows];
  const cudropi_rows_job_t job = make_job(context, plan);
  const work_t work = {&job, context->host.scratch, functions->slab};
  if (plan->cols == 0) return;
  if (plan->rows > 0) {
    if (functions->begin != NULL) functions->begin(&job);
    cudropi_pool_run(context->host.pool, do_part, &work, count_parts(context, plan));
    if (functions->end != NULL) functions->end(&job);
  }
  if (plan->rows == 0 && plan->adds_to_parameters) return; /* adding +0 would change -0 */
  for (int k = 0; k < CUDROPI_SLOTS; ++k)
    if (cudropi_is_sum(plan, k)) path->finish_sum(&job, k);
}
