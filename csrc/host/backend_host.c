/* backend_host.c - the CPU as a backend. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/status.h"
#include "host/rows_host.h"
#include "host/run.h"
#include "ops/prepare/prepare.h"

#if defined(CUDROP_WITH_CUDA)
#include "cuda/backend_cuda.h"
#endif

enum { BUFFER_ALIGNMENT = 256 };

/* Elements that take as long as waking a thread: 20 to 60 us on virtual machines. */
enum { LEAST_THREADED = 1 << 18 };

static cudrop_status_t device_count(const char *function, int *count) {
  (void)function;
  *count = 1;
  return CUDROP_OK;
}

/* The path that CUDROP_HOST_PATH names, or without it the best one. */
static cudrop_status_t choose_path(const char *function, cudropi_path_t *path) {
  const char *name = getenv("CUDROP_HOST_PATH");
  REQUIRE(cudropi_choose_path(name, path), CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: CUDROP_HOST_PATH = %s is no path of this processor", function, name);
  return CUDROP_OK;
}

static cudrop_status_t device_name(const char *function, int device, char *name,
                                   size_t size) {
  cudropi_path_t path;
  (void)device;
  TRY(choose_path(function, &path));
  snprintf(name, size, "host, %s", path.name);
  return CUDROP_OK;
}

static void *allocate_scratch(int threads) {
  void *scratch = NULL;
  const size_t bytes = (size_t)threads * CUDROPI_SCRATCH_BYTES;
  return posix_memalign(&scratch, BUFFER_ALIGNMENT, bytes) == 0 ? scratch : NULL;
}

static cudrop_status_t open_device(cudrop_context_t *context) {
  TRY(choose_path("cudrop_create", &context->host.path));
  context->host.scratch = allocate_scratch(1);
  REQUIRE(context->host.scratch != NULL, CUDROP_ERROR_OUT_OF_MEMORY,
          "cudrop_create: no memory for a thread");
  context->host.cache_bytes = cudropi_cache_bytes();
  context->host.threads = 1;
  context->host.least_threaded = LEAST_THREADED;
  return CUDROP_OK;
}

static void close_device(cudrop_context_t *context) {
  cudropi_pool_destroy(context->host.pool);
  free(context->host.scratch);
}

static cudrop_status_t set_threads(cudrop_context_t *context, int threads) {
  const int wanted = threads == 0 ? cudropi_count_processors() : threads;
  if (wanted == context->host.threads) return CUDROP_OK;
  cudropi_pool_t *pool = wanted > 1 ? cudropi_pool_create(wanted) : NULL;
  void *scratch = allocate_scratch(wanted);
  if ((pool == NULL && wanted > 1) || scratch == NULL) {
    cudropi_pool_destroy(pool);
    free(scratch);
    return cudropi_fail(CUDROP_ERROR_OUT_OF_MEMORY,
                        "cudrop_set_threads: no memory for threads = %d", wanted);
  }
  close_device(context);
  context->host.pool = pool;
  context->host.scratch = scratch;
  context->host.threads = wanted;
  return CUDROP_OK;
}

static cudrop_status_t set_stream(cudrop_context_t *context, cudrop_stream_t stream) {
  (void)context;
  REQUIRE(stream == NULL, CUDROP_ERROR_INVALID_ARGUMENT,
          "cudrop_set_stream: stream = %p, and a host context has no streams but NULL",
          (void *)stream);
  return CUDROP_OK;
}

static cudrop_status_t synchronize(cudrop_context_t *context) {
  (void)context;
  return CUDROP_OK;
}

static cudrop_status_t host_alloc(cudrop_context_t *context, size_t bytes,
                                  void **buffer) {
  (void)context;
  void *memory = NULL;
  REQUIRE(posix_memalign(&memory, BUFFER_ALIGNMENT, bytes) == 0,
          CUDROP_ERROR_OUT_OF_MEMORY, "cudrop_alloc: bytes = %zu is more than there is",
          bytes);
  *buffer = memory;
  return CUDROP_OK;
}

static cudrop_status_t host_free(cudrop_context_t *context, void **buffer) {
  (void)context;
  free(*buffer);
  *buffer = NULL;
  return CUDROP_OK;
}

static cudrop_status_t host_copy(cudrop_context_t *context, void *to, const void *from,
                                 size_t bytes) {
  (void)context;
  memcpy(to, from, bytes);
  return CUDROP_OK;
}

static cudrop_status_t check_memory(const cudrop_context_t *context, const char *function,
                                    const char *name, const void *data) {
  (void)context;
#if defined(CUDROP_WITH_CUDA)
  REQUIRE(!cudropi_cuda_owns(data), CUDROP_ERROR_WRONG_MEMORY,
          "%s: %s = %p is memory of a GPU, and the context is a host context", function,
          name, data);
#else
  (void)function;
  (void)name;
  (void)data;
#endif
  return CUDROP_OK;
}

static cudrop_status_t run_known(cudrop_context_t *context, const cudropi_plan_t *plan) {
  if (plan->op->has_rows) {
    cudropi_host_run_rows(context, plan);
  } else {
    cudropi_host_run_elements(context, plan);
  }
  return CUDROP_OK;
}

static cudrop_status_t run(cudrop_context_t *context, const cudropi_plan_t *plan) {
  if (plan->draw.source != CUDROPI_FROM_PREPARED) return run_known(context, plan);
  const cudropi_plan_t read = cudropi_plan_prepared(plan);
  return run_known(context, &read);
}

static cudrop_status_t prepare(cudrop_context_t *context, const cudrop_prepared_t *value,
                               cudrop_prepared_t *prepared) {
  (void)context;
  memcpy(prepared, value, sizeof *value);
  return CUDROP_OK;
}

static cudrop_status_t advance(cudrop_context_t *context, cudrop_prepared_t *prepared,
                               uint64_t offsets) {
  (void)context;
  cudrop_mask_schedule_offset(&prepared->schedule, prepared->schedule.offset + offsets);
  return CUDROP_OK;
}

const cudropi_backend_t cudropi_backend_host = {
    .id = CUDROP_HOST,
    .device_count = device_count,
    .device_name = device_name,
    .open = open_device,
    .close = close_device,
    .set_threads = set_threads,
    .set_stream = set_stream,
    .synchronize = synchronize,
    .alloc = host_alloc,
    .free = host_free,
    .upload = host_copy,
    .download = host_copy,
    .check_memory = check_memory,
    .run = run,
    .prepare = prepare,
    .advance = advance,
};
