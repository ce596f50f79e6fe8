/*
 * inspect.h - whether a call's result is right, element by element.
 *
 * The reference draws with the scalar functions of mask.h and computes in the formats of
 * format.h; it knows nothing of kernels, plans or backends.
 */
#ifndef BENCH_INSPECT_H
#define BENCH_INSPECT_H

#include "work.h"

/* Up to so many elements are inspected one and all; of more, windows: the head, the tail, and
 * some at random in between. */
enum { BENCH_INSPECTED = 1 << 20 };

/* Of a case: its result is right, or wrong, or something else went wrong. */
typedef enum { BENCH_RIGHT, BENCH_WRONG, BENCH_FAILED } bench_verdict_t;

/*
 * Compare what the work's output holds after ONE call with the reference, and the gaps
 * between its elements with what they held before. WRONG comes with a failure that names the
 * first element which is wrong, FAILED with one that says why the output cannot be read.
 */
bench_verdict_t bench_inspect(const bench_work_t *work);

/* What one element must become: `x` and `y` as they were, in bits; whether it is kept. */
uint64_t bench_reference(const bench_case_t *what, uint64_t x, uint64_t y, bool kept);

#endif /* BENCH_INSPECT_H */
