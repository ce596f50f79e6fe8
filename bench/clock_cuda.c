/*
 * clock_cuda.c - time on a GPU: events on a stream of the harness's own.
 *
 * Only here does the harness talk to the CUDA runtime.
 */
#include <cuda_runtime_api.h>
#include <stdlib.h>

#include "failure.h"
#include "machine.h"

typedef struct {
  cudaStream_t stream;
  cudaEvent_t start, stop;
} cuda_clock_t;

static bool check(cudaError_t error, const char *call) {
  return error == cudaSuccess ||
         bench_fail("%s failed with %s: %s", call, cudaGetErrorName(error),
                    cudaGetErrorString(error));
}
#define CUDA_OK(call, ...) check(call(__VA_ARGS__), #call)

/* ---- Facts ------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  enum cudaDeviceAttr attribute;
} attributes[] = {
    {"compute_capability_major", cudaDevAttrComputeCapabilityMajor},
    {"compute_capability_minor", cudaDevAttrComputeCapabilityMinor},
    {"multiprocessors", cudaDevAttrMultiProcessorCount},
    {"l2_bytes", cudaDevAttrL2CacheSize},
    {"clock_khz", cudaDevAttrClockRate},
    {"memory_clock_khz", cudaDevAttrMemoryClockRate},
    {"memory_bus_bits", cudaDevAttrGlobalMemoryBusWidth},
};
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

static bool note_facts(bench_machine_t *machine) {
  int driver = 0;
  for (int k = 0; k < ATTRIBUTES; ++k) {
    int value = 0;
    if (!CUDA_OK(cudaDeviceGetAttribute, &value, attributes[k].attribute,
                 machine->device))
      return false;
    bench_machine_note(machine, attributes[k].name, value);
    if (attributes[k].attribute == cudaDevAttrL2CacheSize)
      machine->flush_bytes = 4 * (size_t)value + ((size_t)1 << 20);
  }
  if (!CUDA_OK(cudaDriverGetVersion, &driver)) return false;
  bench_machine_note(machine, "cuda_driver", driver);
  bench_machine_note(machine, "cuda_runtime", CUDART_VERSION);
  return true;
}

/* ---- The clock --------------------------------------------------------------------------- */

static void close_cuda(bench_machine_t *machine) {
  cuda_clock_t *own = machine->own;
  if (own == NULL) return;
  if (own->start != NULL) cudaEventDestroy(own->start);
  if (own->stop != NULL) cudaEventDestroy(own->stop);
  if (own->stream != NULL) cudaStreamDestroy(own->stream);
  free(own);
  machine->own = NULL;
}

static bool open_cuda(bench_machine_t *machine) {
  cuda_clock_t *own = calloc(1, sizeof *own);
  machine->own = own;
  if (own == NULL) return bench_fail("no memory for a clock");
  if (!CUDA_OK(cudaSetDevice, machine->device) ||
      !CUDA_OK(cudaStreamCreateWithFlags, &own->stream, cudaStreamNonBlocking))
    return false;
  machine->stream = own->stream;
  return CUDA_OK(cudaEventCreate, &own->start) && CUDA_OK(cudaEventCreate, &own->stop) &&
         bench_ok(cudrop_set_stream(machine->context, own->stream)) &&
         note_facts(machine);
}

static bool flush(bench_machine_t *machine) {
  static int value = 0;
  const cuda_clock_t *own = machine->own;
  return CUDA_OK(cudaMemsetAsync, machine->flush, ++value & 0xff, machine->flush_bytes,
                 own->stream);
}

static bool copy(bench_machine_t *machine, void *to, const void *from, size_t bytes) {
  const cuda_clock_t *own = machine->own;
  return CUDA_OK(cudaMemcpyAsync, to, from, bytes, cudaMemcpyDeviceToDevice, own->stream);
}

/* Wait for the second event; nanoseconds between the two. */
static bool read_events(const cuda_clock_t *own, double *ns) {
  float milliseconds = 0.0f;
  if (!CUDA_OK(cudaEventSynchronize, own->stop) ||
      !CUDA_OK(cudaEventElapsedTime, &milliseconds, own->start, own->stop))
    return false;
  *ns = (double)milliseconds * 1e6;
  return true;
}

static bool sample(bench_machine_t *machine, const bench_task_t *task, int calls,
                   bench_sample_t *taken) {
  const cuda_clock_t *own = machine->own;
  double ns = 0.0;
  if (!CUDA_OK(cudaEventRecord, own->start, own->stream)) return false;
  const double start = bench_now();
  for (int k = 0; k < calls; ++k)
    if (!task->run(task->argument)) return false;
  taken->host_ns = (bench_now() - start) / calls;
  if (!CUDA_OK(cudaEventRecord, own->stop, own->stream) || !read_events(own, &ns))
    return false;
  taken->device_ns = ns / calls;
  return true;
}

/* ---- Graphs ------------------------------------------------------------------------------ */

static bool capture(const cuda_clock_t *own, const bench_task_t *task, int calls,
                    cudaGraph_t *graph) {
  bool captured = true;
  if (!CUDA_OK(cudaStreamBeginCapture, own->stream, cudaStreamCaptureModeThreadLocal))
    return false;
  for (int k = 0; k < calls && captured; ++k) captured = task->run(task->argument);
  if (!captured) { /* the failure is the call's; the capture ends all the same */
    (void)cudaStreamEndCapture(own->stream, graph);
    return false;
  }
  return CUDA_OK(cudaStreamEndCapture, own->stream, graph);
}

/* The first launch, which uploads the graph, is not timed. */
static bool time_launches(const cuda_clock_t *own, cudaGraphExec_t exec, int samples,
                          double *ns) {
  if (!CUDA_OK(cudaGraphLaunch, exec, own->stream) ||
      !CUDA_OK(cudaStreamSynchronize, own->stream))
    return false;
  for (int k = 0; k < samples; ++k)
    if (!CUDA_OK(cudaEventRecord, own->start, own->stream) ||
        !CUDA_OK(cudaGraphLaunch, exec, own->stream) ||
        !CUDA_OK(cudaEventRecord, own->stop, own->stream) || !read_events(own, &ns[k]))
      return false;
  return true;
}

static bool replay(bench_machine_t *machine, const bench_task_t *task, int calls,
                   int samples, double *ns) {
  const cuda_clock_t *own = machine->own;
  cudaGraph_t graph = NULL;
  cudaGraphExec_t exec = NULL;
  const bool timed = capture(own, task, calls, &graph) &&
                     CUDA_OK(cudaGraphInstantiate, &exec, graph, 0) &&
                     time_launches(own, exec, samples, ns);
  for (int k = 0; k < samples && timed; ++k) ns[k] /= calls;
  if (exec != NULL) cudaGraphExecDestroy(exec);
  if (graph != NULL) cudaGraphDestroy(graph);
  return timed;
}

const bench_clock_t bench_clock_cuda = {
    .open = open_cuda,
    .close = close_cuda,
    .flush = flush,
    .copy = copy,
    .sample = sample,
    .replay = replay,
};
