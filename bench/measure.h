/* measure.h - repeated samples, beside the roof, and what is made of them. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "machine.h"

/* Of a set of samples, by nearest rank; all NaN for what was not measured. */
typedef struct {
  double median, p10, p90;
} bench_spread_t;

/* Sorts the values. */
bench_spread_t bench_spread(double *values, int count);

/* Nanoseconds a call of a case and of a copy of the same bytes, taken in turns. */
typedef struct {
  int calls; /* in one sample */
  bench_spread_t ns, roof_ns;
  double host_ns; /* the median of what the host's thread spent on a call, or NaN */
  double percent; /* of the roof: the median over the pairs; NaN without a roof */
} bench_times_t;

enum { BENCH_MOST_REPEATS = 1000 };

/*
 * Time a task in `repeats` pairs with its roof, a copy that reads bytes / 2 and writes as
 * many; with 0 bytes there is no roof. Cold: the caches are flushed before each sample, which
 * is one call. Warm: the same call has just run, and a sample has as many calls as take a
 * tenth of a millisecond.
 */
bool bench_measure(bench_machine_t *machine, const bench_task_t *task, size_t bytes,
                   bool is_cold, int repeats, bench_times_t *times);

/* Microscopic work, a call at a time; nanoseconds, NaN where the host has no such thing. */
typedef struct {
  bench_spread_t call;   /* the host's thread, to ask for the work */
  bench_spread_t stream; /* a call among many on a stream */
  bench_spread_t graph;  /* a call among many in a replayed graph */
  bench_spread_t trip;   /* one call, and waiting until it is done */
} bench_latency_t;

bool bench_measure_latency(bench_machine_t *machine, const bench_task_t *task,
                           int repeats, bench_latency_t *latency);

#endif /* BENCH_MEASURE_H */
