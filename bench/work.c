/* work.c - the calls. */
#include "work.h"

#include "failure.h"

static const uint64_t seed = 0x5eed, offset = 3; /* any mask will do */

/* ---- One function an operator ------------------------------------------------------------ */

static cudrop_status_t call_forward(const bench_work_t *work) {
  return cudrop_forward(work->context, &work->x.tensor, &work->given, &work->y.tensor);
}

static cudrop_status_t call_backward(const bench_work_t *work) {
  return cudrop_backward(work->context, &work->x.tensor, &work->given, &work->y.tensor);
}

static cudrop_status_t call_accumulate(const bench_work_t *work) {
  return cudrop_backward_accumulate(work->context, &work->x.tensor, &work->given,
                                    &work->y.tensor);
}

static cudrop_status_t call_alpha_forward(const bench_work_t *work) {
  return cudrop_alpha_forward(work->context, &work->x.tensor, &work->given,
                              &work->y.tensor);
}

static cudrop_status_t call_alpha_backward(const bench_work_t *work) {
  return cudrop_alpha_backward(work->context, &work->x.tensor, &work->given,
                               &work->y.tensor);
}

static cudrop_status_t call_export_bits(const bench_work_t *work) {
  const bench_placement_t placement =
      bench_layouts[work->what.layout].place(work->what.n);
  return cudrop_export_bits(work->context, &work->given, placement.rank, placement.shape,
                            work->y.buffer);
}

static cudrop_status_t call_export_bytes(const bench_work_t *work) {
  return cudrop_export_bytes(work->context, &work->given, &work->y.tensor);
}

static cudrop_status_t call_export_scale(const bench_work_t *work) {
  return cudrop_export_scale(work->context, &work->given, &work->y.tensor);
}

static cudrop_status_t call_count_kept(const bench_work_t *work) {
  return cudrop_count_kept(work->context, &work->given, 1, &work->what.n, work->y.buffer);
}

static cudrop_status_t call_apply_bytes(const bench_work_t *work) {
  return cudrop_apply_bytes(work->context, &work->x.tensor, &work->keep.tensor,
                            work->what.p, &work->y.tensor);
}

static cudrop_status_t call_apply_bits(const bench_work_t *work) {
  return cudrop_apply_bits(work->context, &work->x.tensor, work->keep.buffer,
                           work->what.p, &work->y.tensor);
}

static cudrop_status_t (*const calls[BENCH_OPERATORS])(const bench_work_t *work) = {
    [BENCH_FORWARD] = call_forward,
    [BENCH_FORWARD_PREPARED] = call_forward,
    [BENCH_BACKWARD] = call_backward,
    [BENCH_ACCUMULATE] = call_accumulate,
    [BENCH_ALPHA_FORWARD] = call_alpha_forward,
    [BENCH_ALPHA_BACKWARD] = call_alpha_backward,
    [BENCH_EXPORT_BITS] = call_export_bits,
    [BENCH_EXPORT_BYTES] = call_export_bytes,
    [BENCH_EXPORT_SCALE] = call_export_scale,
    [BENCH_COUNT_KEPT] = call_count_kept,
    [BENCH_APPLY_BYTES] = call_apply_bytes,
    [BENCH_APPLY_BITS] = call_apply_bits,
};

/* ---- Work -------------------------------------------------------------------------------- */

/* The mask by value, and the one that is given to the call: the same one or a prepared one. */
static bool open_mask(bench_work_t *work) {
  const bench_layout_t *layout = &bench_layouts[work->what.layout];
  const bench_placement_t placement = layout->place(work->what.n);
  work->mask = cudrop_mask(seed, offset, work->what.p);
  if (layout->map != NULL && !bench_ok(layout->map(&work->mask, &placement)))
    return false;
  work->given = work->mask;
  if (work->what.op != BENCH_FORWARD_PREPARED) return true;
  if (!bench_ok(cudrop_alloc(work->context, CUDROP_PREPARED_BYTES, &work->block)) ||
      !bench_ok(cudrop_prepare(work->context, &work->mask, work->block)))
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
  return open_mask(work) && bench_operand_open(&work->x, context, what, BENCH_X) &&
         bench_operand_open(&work->keep, context, what, BENCH_KEEP) &&
         bench_operand_open(&work->y, context, what, BENCH_Y);
}

void bench_work_close(bench_work_t *work) {
  bench_operand_close(&work->x, work->context);
  bench_operand_close(&work->keep, work->context);
  bench_operand_close(&work->y, work->context);
  (void)cudrop_free(work->context, &work->block);
}

static bool run(void *argument) {
  const bench_work_t *work = argument;
  return bench_ok(calls[work->what.op](work));
}

bench_task_t bench_work_task(bench_work_t *work) {
  return (bench_task_t){run, work};
}
