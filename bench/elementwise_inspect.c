/* elementwise_inspect.c - the output beside the reference. */
#include "elementwise.h"

#include <stdlib.h>
#include <string.h>

#include "cudrop/mask.h"
#include "failure.h"

/* Of a large output windows are inspected: positions of one, and how many. */
enum { WINDOW = 4096, WINDOWS = 32 };

/* ---- What must be there ------------------------------------------------------------------ */

/* The mask index of an element. */
static uint64_t find_index(const bench_work_t *work, int64_t element) {
  const cudrop_mask_t *mask = &work->mask;
  if (mask->index_rank == 0) return mask->index_base + (uint64_t)element;
  const int64_t cols =
      bench_layouts[work->what.layout].place(work->what.n).shape[1]; /* of two */
  return mask->index_base + (uint64_t)(element / cols * mask->index_stride[0] +
                                       element % cols * mask->index_stride[1]);
}

static bool is_kept(const bench_work_t *work, int64_t element) {
  const bench_operand_t *keep = &work->operand[BENCH_KEEP];
  if (keep->form == BENCH_BITS)
    return (bench_content(keep, element / 8) >> element % 8 & 1) != 0;
  if (keep->form == BENCH_BYTES)
    return bench_content(keep, keep->start + bench_find_position(&keep->tensor, element));
  return cudrop_mask_keep(work->mask.seed, work->mask.offset, find_index(work, element),
                          cudrop_mask_threshold(work->what.p));
}

/* A byte of packed keep bits. */
static uint64_t expect_bits(const bench_work_t *work, int64_t byte) {
  uint64_t bits = 0;
  for (int64_t e = 8 * byte; e < 8 * byte + 8 && e < work->what.n; ++e)
    bits |= (uint64_t)is_kept(work, e) << e % 8;
  return bits;
}

/* The element at a position of the output; in a gap the one that was there. */
static uint64_t expect(const bench_work_t *work, int64_t position) {
  const bench_operand_t *x = &work->operand[BENCH_X], *y = &work->operand[BENCH_Y];
  if (y->form == BENCH_BITS) return expect_bits(work, position);
  const uint64_t before = bench_content(y, position);
  const int64_t e = bench_find_element(&y->tensor, position - y->start);
  if (e < 0) return before;
  const uint64_t input =
      x->form == BENCH_ABSENT
          ? 0
          : bench_content(x, x->start + bench_find_position(&x->tensor, e));
  return bench_elementwise_reference(&work->what, input, before, is_kept(work, e));
}

/* ---- What is there ----------------------------------------------------------------------- */

static bench_verdict_t say_wrong(int64_t position, size_t size, uint64_t found,
                                 uint64_t wanted) {
  const int digits = (int)(2 * size);
  bench_fail("position %lld of the output is 0x%0*llx and should be 0x%0*llx",
             (long long)position, digits, (unsigned long long)found, digits,
             (unsigned long long)wanted);
  return BENCH_WRONG;
}

static bench_verdict_t inspect_window(const bench_work_t *work, int64_t first,
                                      int64_t count) {
  uint8_t window[WINDOW * sizeof(uint64_t)];
  const size_t size = cudrop_dtype_bytes(work->operand[BENCH_Y].dtype);
  if (!bench_ok(
          cudrop_download(work->context, window,
                          (char *)work->operand[BENCH_Y].buffer + first * (int64_t)size,
                          (size_t)count * size)))
    return BENCH_FAILED;
  for (int64_t k = 0; k < count; ++k) {
    uint64_t found = 0;
    memcpy(&found, window + (size_t)k * size, size); /* the lower bytes come first */
    const uint64_t wanted = expect(work, first + k);
    if (found != wanted) return say_wrong(first + k, size, found, wanted);
  }
  return BENCH_RIGHT;
}

static bench_verdict_t inspect_total(const bench_work_t *work) {
  const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(work->what.p);
  const int64_t n = work->what.n;
  uint64_t found = 0, wanted = 0;
  for (int64_t group = 0; group < n / 8; ++group)
    wanted += (uint64_t)__builtin_popcount(cudrop_mask_keep_group(
        work->mask.seed, work->mask.offset, (uint64_t)group, threshold));
  for (int64_t e = n / 8 * 8; e < n; ++e) wanted += is_kept(work, e);
  if (!bench_ok(cudrop_download(work->context, &found, work->operand[BENCH_Y].buffer,
                                sizeof found)))
    return BENCH_FAILED;
  return found == wanted ? BENCH_RIGHT : say_wrong(0, sizeof found, found, wanted);
}

static bench_verdict_t inspect_all(const bench_work_t *work) {
  bench_verdict_t verdict = BENCH_RIGHT;
  for (int64_t first = 0;
       first < work->operand[BENCH_Y].positions && verdict == BENCH_RIGHT;
       first += WINDOW) {
    const int64_t left = work->operand[BENCH_Y].positions - first;
    verdict = inspect_window(work, first, left < WINDOW ? left : WINDOW);
  }
  return verdict;
}

/* The head, the tail, and windows in between; a large output has more than one. */
static bench_verdict_t inspect_windows(const bench_work_t *work) {
  const int64_t last = work->operand[BENCH_Y].positions - WINDOW;
  bench_verdict_t verdict = BENCH_RIGHT;
  for (uint64_t k = 0; k < WINDOWS && verdict == BENCH_RIGHT; ++k) {
    const int64_t between = (int64_t)(cudrop_mask_mix(k) % (uint64_t)last);
    verdict = inspect_window(work, k == 0 ? 0 : k == 1 ? last : between, WINDOW);
  }
  return verdict;
}

bench_verdict_t bench_elementwise_inspect(const bench_work_t *work) {
  if (work->operand[BENCH_Y].form == BENCH_TOTAL) return inspect_total(work);
  return work->what.n <= BENCH_INSPECTED ? inspect_all(work) : inspect_windows(work);
}
