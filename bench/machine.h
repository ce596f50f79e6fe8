/*
 * machine.h - a device and its clock: how work is timed on the host, and on a GPU.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include "work.h"

typedef struct bench_machine bench_machine_t;

/* Nanoseconds a call: of the device, and of the host's thread that asks for the work; NaN
 * where the host is the device. */
typedef struct {
  double device_ns, host_ns;
} bench_sample_t;

/* A table of functions a backend. */
typedef struct {
  /* Find the facts, and say how large a buffer replaces what the caches hold. */
  bool (*open)(bench_machine_t *machine);
  void (*close)(bench_machine_t *machine);
  bool (*flush)(bench_machine_t *machine);
  bool (*copy)(bench_machine_t *machine, void *to, const void *from, size_t bytes);
  /* Time `calls` calls in a row, and wait for them. */
  bool (*sample)(bench_machine_t *machine, const bench_task_t *task, int calls,
                 bench_sample_t *sample);
  /* Time `samples` replays of a CUDA graph of `calls` calls; nanoseconds a call. NULL on the
   * host, which has no graphs. */
  bool (*replay)(bench_machine_t *machine, const bench_task_t *task, int calls,
                 int samples, double *ns);
} bench_clock_t;

extern const bench_clock_t bench_clock_host;
extern const bench_clock_t bench_clock_cuda; /* if CUDROP_WITH_CUDA */

/* A number that is known of the device, as in "l2_bytes". */
typedef struct {
  const char *name;
  double value;
} bench_fact_t;

enum { BENCH_MOST_FACTS = 12, BENCH_NAME = 128 };

struct bench_machine {
  const bench_clock_t *clock;
  cudrop_context_t *context;
  cudrop_backend_t backend;
  int device;
  int threads; /* of a host context; 0 on a GPU */
  char name[BENCH_NAME], cpu[BENCH_NAME];
  bench_fact_t facts[BENCH_MOST_FACTS];
  int fact_count;
  void *flush; /* the buffer to write, and its size */
  size_t flush_bytes;
  void *roof[2]; /* the buffers of the copy beside a case, and the size of each */
  size_t roof_bytes;
  void *stream; /* a cudaStream_t, which a GPU's clock times; NULL on the host */
  void *own;    /* the clock's */
};

/* With 0 threads as many as a new context has, which on a GPU is all there is. Give it to
 * bench_machine_close(), also after a failure. */
bool bench_machine_open(bench_machine_t *machine, cudrop_backend_t backend, int device,
                        int threads);
void bench_machine_close(bench_machine_t *machine);

/* Have room for copies of `bytes`. */
bool bench_machine_reserve(bench_machine_t *machine, size_t bytes);

void bench_machine_note(bench_machine_t *machine, const char *name, double value);

/* Nanoseconds since some moment. */
double bench_now(void);

#endif /* BENCH_MACHINE_H */
