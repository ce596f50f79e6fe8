/* measure.c - samples in turns. */
#include "measure.h"

#include <math.h>
#include <stdlib.h>

#include "failure.h"

enum { SAMPLE_NS = 100000, MOST_CALLS = 256, WARM_UP = 3 };

static const bench_spread_t nothing = {NAN, NAN, NAN};

/* ---- Statistics -------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

bench_spread_t bench_spread(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  const int last = count - 1;
  return (bench_spread_t){values[(last + 1) / 2], values[(last + 5) / 10],
                          values[last - (last + 5) / 10]};
}

/* ---- The roof ---------------------------------------------------------------------------- */

typedef struct {
  bench_machine_t *machine;
  size_t bytes;
} roof_t;

static bool run_roof(void *argument) {
  const roof_t *roof = argument;
  return roof->machine->clock->copy(roof->machine, roof->machine->roof[1],
                                    roof->machine->roof[0], roof->bytes);
}

/* ---- Samples ----------------------------------------------------------------------------- */

/* Run a task until nothing is done for the first time; then how many calls make a sample. */
static bool warm_up(bench_machine_t *machine, const bench_task_t *task, int *calls) {
  bench_sample_t sample = {0.0, 0.0};
  for (int k = 0; k < WARM_UP; ++k)
    if (!machine->clock->sample(machine, task, 1, &sample)) return false;
  for (*calls = 1; *calls < MOST_CALLS && sample.device_ns * *calls < SAMPLE_NS;) {
    *calls *= 2;
    if (!machine->clock->sample(machine, task, *calls, &sample)) return false;
  }
  return true;
}

static bool take(bench_machine_t *machine, const bench_task_t *task, bool is_cold,
                 int calls, bench_sample_t *sample) {
  const bool ready = is_cold ? machine->clock->flush(machine) : task->run(task->argument);
  return ready && machine->clock->sample(machine, task, calls, sample);
}

/* The samples of a measurement, by kind. */
typedef struct {
  double ns[BENCH_MOST_REPEATS], host_ns[BENCH_MOST_REPEATS];
  double roof_ns[BENCH_MOST_REPEATS], ratio[BENCH_MOST_REPEATS];
} series_t;

static bool take_pairs(bench_machine_t *machine, const bench_task_t *task,
                       const bench_task_t *roof, bool is_cold, int repeats,
                       series_t *series, int *calls) {
  int roof_calls = 1;
  if (!warm_up(machine, task, calls)) return false;
  if (roof != NULL && !warm_up(machine, roof, &roof_calls)) return false;
  if (is_cold) *calls = roof_calls = 1;
  for (int k = 0; k < repeats; ++k) {
    bench_sample_t sample, copied = {NAN, NAN};
    if (!take(machine, task, is_cold, *calls, &sample)) return false;
    if (roof != NULL && !take(machine, roof, is_cold, roof_calls, &copied)) return false;
    series->ns[k] = sample.device_ns;
    series->host_ns[k] = sample.host_ns;
    series->roof_ns[k] = copied.device_ns;
    series->ratio[k] = copied.device_ns / sample.device_ns;
  }
  return true;
}

bool bench_measure(bench_machine_t *machine, const bench_task_t *task, size_t bytes,
                   bool is_cold, int repeats, bench_times_t *times) {
  roof_t roof = {machine, bytes / 2};
  const bench_task_t roof_task = {run_roof, &roof};
  const bool has_roof = roof.bytes > 0;
  if (has_roof && !bench_machine_reserve(machine, roof.bytes)) return false;
  series_t *series = malloc(sizeof *series);
  if (series == NULL) return bench_fail("no memory for samples");
  const bool taken = take_pairs(machine, task, has_roof ? &roof_task : NULL, is_cold,
                                repeats, series, &times->calls);
  if (taken) {
    times->ns = bench_spread(series->ns, repeats);
    times->host_ns = bench_spread(series->host_ns, repeats).median;
    times->roof_ns = has_roof ? bench_spread(series->roof_ns, repeats) : nothing;
    times->percent = has_roof ? 100.0 * bench_spread(series->ratio, repeats).median : NAN;
  }
  free(series);
  return taken;
}

/* ---- Latency ----------------------------------------------------------------------------- */

static bool take_calls(bench_machine_t *machine, const bench_task_t *task, int calls,
                       int repeats, series_t *series) {
  for (int k = 0; k < repeats; ++k) {
    bench_sample_t sample;
    if (!take(machine, task, false, calls, &sample)) return false;
    series->ns[k] = sample.device_ns;
    series->host_ns[k] = sample.host_ns;
  }
  return true;
}

static bool take_trips(bench_machine_t *machine, const bench_task_t *task, int repeats,
                       double *ns) {
  for (int k = 0; k < repeats; ++k) {
    const double start = bench_now();
    if (!task->run(task->argument) || !bench_ok(cudrop_synchronize(machine->context)))
      return false;
    ns[k] = bench_now() - start;
  }
  return true;
}

static bool take_latency(bench_machine_t *machine, const bench_task_t *task, int repeats,
                         series_t *series, bench_latency_t *latency) {
  int calls = 1;
  if (!warm_up(machine, task, &calls) ||
      !take_calls(machine, task, calls, repeats, series))
    return false;
  latency->stream = latency->graph = latency->trip = nothing;
  latency->call = bench_spread(
      machine->clock->replay == NULL ? series->ns : series->host_ns, repeats);
  if (machine->clock->replay == NULL) return true;
  latency->stream = bench_spread(series->ns, repeats);
  if (!machine->clock->replay(machine, task, calls, repeats, series->ns)) return false;
  latency->graph = bench_spread(series->ns, repeats);
  if (!take_trips(machine, task, repeats, series->ns)) return false;
  latency->trip = bench_spread(series->ns, repeats);
  return true;
}

bool bench_measure_latency(bench_machine_t *machine, const bench_task_t *task,
                           int repeats, bench_latency_t *latency) {
  series_t *series = malloc(sizeof *series);
  if (series == NULL) return bench_fail("no memory for samples");
  const bool taken = take_latency(machine, task, repeats, series, latency);
  free(series);
  return taken;
}
