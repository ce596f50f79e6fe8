/* machine.c - opening a machine, and its buffers. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, sysconf */
#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "failure.h"

double bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void bench_machine_note(bench_machine_t *machine, const char *name, double value) {
  if (machine->fact_count < BENCH_MOST_FACTS)
    machine->facts[machine->fact_count++] = (bench_fact_t){name, value};
}

/* The processor's name, where the system tells it. */
static void find_cpu(char name[BENCH_NAME]) {
  char line[256];
  FILE *from = fopen("/proc/cpuinfo", "r");
  snprintf(name, BENCH_NAME, "unknown");
  while (from != NULL && fgets(line, sizeof line, from) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
    snprintf(name, BENCH_NAME, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    break;
  }
  if (from != NULL) fclose(from);
}

static bool open_context(bench_machine_t *machine, cudrop_backend_t backend) {
  if (!bench_ok(cudrop_create(&machine->context, backend, machine->device)) ||
      !bench_ok(cudrop_get_backend(machine->context, &machine->backend)) ||
      !bench_ok(cudrop_device_name(machine->backend, machine->device, machine->name,
                                   sizeof machine->name)))
    return false;
  machine->clock = &bench_clock_host;
#if defined(CUDROP_WITH_CUDA)
  if (machine->backend == CUDROP_CUDA) machine->clock = &bench_clock_cuda;
#endif
  return true;
}

static bool set_threads(bench_machine_t *machine, int threads) {
  if (threads > 0 && !bench_ok(cudrop_set_threads(machine->context, threads)))
    return false;
  machine->threads = machine->backend == CUDROP_CUDA ? 0 : threads > 0 ? threads : 1;
  return true;
}

bool bench_machine_open(bench_machine_t *machine, cudrop_backend_t backend, int device,
                        int threads) {
  *machine = (bench_machine_t){.device = device};
  find_cpu(machine->cpu);
  bench_machine_note(machine, "cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
  return open_context(machine, backend) && set_threads(machine, threads) &&
         machine->clock->open(machine) &&
         bench_ok(cudrop_alloc(machine->context, machine->flush_bytes, &machine->flush));
}

static void free_roof(bench_machine_t *machine) {
  for (int k = 0; k < 2; ++k) (void)cudrop_free(machine->context, &machine->roof[k]);
  machine->roof_bytes = 0;
}

bool bench_machine_reserve(bench_machine_t *machine, size_t bytes) {
  const int64_t count = (int64_t)(bytes / sizeof(float)) + 1;
  if (bytes <= machine->roof_bytes) return true;
  free_roof(machine);
  for (int k = 0; k < 2; ++k)
    if (!bench_ok(cudrop_alloc(machine->context, (size_t)count * sizeof(float),
                               &machine->roof[k])) ||
        !bench_fill(machine->context, machine->roof[k], count))
      return false;
  machine->roof_bytes = bytes;
  return true;
}

void bench_machine_close(bench_machine_t *machine) {
  if (machine->context == NULL) return;
  free_roof(machine);
  (void)cudrop_free(machine->context, &machine->flush);
  if (machine->clock != NULL) machine->clock->close(machine);
  cudrop_destroy(&machine->context);
}
