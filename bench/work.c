/* work.c - a case with its memory, of any family. */
#include "work.h"

#include "failure.h"
#include "family.h"

static const uint64_t seed = 0x5eed, offset = 3; /* any mask will do */

/* The mask by value, and the one that is given to the call: the same one or a prepared one. */
static bool open_mask(bench_work_t *work) {
  const bench_layout_t *layout = &bench_layouts[work->what.layout];
  const bench_placement_t placement = layout->place(work->what.n);
  work->mask = cudrop_mask(seed, offset, work->what.p);
  if (layout->map != NULL && !bench_ok(layout->map(&work->mask, &placement)))
    return false;
  work->given = work->mask;
  if (work->what.op != BENCH_FORWARD_PREPARED) return true;
  const cudrop_mask_t plain = cudrop_mask(seed, offset, work->what.p);
  if (!bench_ok(cudrop_prepared_create(work->context, &plain, &work->block)))
    return false;
  work->given.seed = 0;
  work->given.offset = 0; /* behind the block's */
  work->given.p = 0.0;
  work->given.prepared = work->block;
  return true;
}

bool bench_work_open(bench_work_t *work, cudrop_context_t *context,
                     const bench_case_t *what) {
  *work = (bench_work_t){.what = *what, .context = context};
  return open_mask(work) && bench_operators[what->op].family->open(work);
}

void bench_work_close(bench_work_t *work) {
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k)
    bench_operand_close(&work->operand[k], work->context);
  (void)cudrop_free(work->context, &work->workspace);
  (void)cudrop_prepared_destroy(work->context, &work->block);
}

static bool run(void *argument) {
  const bench_work_t *work = argument;
  return bench_ok(bench_operators[work->what.op].family->call(work));
}

bench_task_t bench_work_task(bench_work_t *work) {
  return (bench_task_t){run, work};
}

bench_verdict_t bench_inspect(const bench_work_t *work) {
  return bench_operators[work->what.op].family->inspect(work);
}
