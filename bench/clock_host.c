/* clock_host.c - time on the CPU: a call has done its work when it returns. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"

static const size_t least_flush = (size_t)16 << 20;

/* The last cache in bytes, 0 where nothing tells it. In a virtual machine the C library reads
 * off the processor what the system may know better. */
static size_t find_cache(void) {
  long kibibytes = 0;
  FILE *from = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
  const bool found = from != NULL && fscanf(from, "%ldK", &kibibytes) == 1;
  if (from != NULL) fclose(from);
  if (found && kibibytes > 0) return (size_t)kibibytes << 10;
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return bytes > 0 ? (size_t)bytes : 0;
}

static bool open_host(bench_machine_t *machine) {
  const size_t cache = find_cache();
  if (cache > 0) bench_machine_note(machine, "l3_bytes", (double)cache);
  machine->flush_bytes = 2 * cache > least_flush ? 2 * cache : least_flush;
  return true;
}

static void close_host(bench_machine_t *machine) {
  (void)machine;
}

static bool flush(bench_machine_t *machine) {
  static int value = 0;
  memset(machine->flush, ++value, machine->flush_bytes);
  return true;
}

static bool copy(bench_machine_t *machine, void *to, const void *from, size_t bytes) {
  (void)machine;
  memcpy(to, from, bytes);
  return true;
}

static bool sample(bench_machine_t *machine, const bench_task_t *task, int calls,
                   bench_sample_t *taken) {
  (void)machine;
  const double start = bench_now();
  for (int k = 0; k < calls; ++k)
    if (!task->run(task->argument)) return false;
  taken->device_ns = (bench_now() - start) / calls;
  taken->host_ns = NAN;
  return true;
}

const bench_clock_t bench_clock_host = {
    .open = open_host,
    .close = close_host,
    .flush = flush,
    .copy = copy,
    .sample = sample,
    .replay = NULL,
};
