/*
 * elementwise.h - the family of operators that do to each element what it does to no other.
 *
 * x and a mask that the caller brings go in, y comes out; each has a form or is absent.
 */
#ifndef BENCH_ELEMENTWISE_H
#define BENCH_ELEMENTWISE_H

#include "family.h"

/* The operands of the family's works. */
enum { BENCH_X, BENCH_KEEP, BENCH_Y };

/*
 * Compare what the output holds with the reference, bit by bit, and the gaps between its
 * elements with what they held before. The reference draws with the scalar functions of mask.h
 * and computes in the formats of format.h; it knows nothing of kernels, plans or backends.
 */
bench_verdict_t bench_elementwise_inspect(const bench_work_t *work);

/* What one element must become: `x` and `y` as they were, in bits; whether it is kept. */
uint64_t bench_elementwise_reference(const bench_case_t *what, uint64_t x, uint64_t y,
                                     bool kept);

#endif /* BENCH_ELEMENTWISE_H */
