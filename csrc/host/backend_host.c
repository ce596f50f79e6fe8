/* backend_host.c - the CPU as a backend: its memory, and the walk over a plan's tiles. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "prepared.h"
#include "status.h"
#include "tile.h"

#if defined(CUDROP_WITH_CUDA)
#include "backend_cuda.h"
#endif

enum { BUFFER_ALIGNMENT = 256 };

static cudrop_status_t device_count(const char *function, int *count) {
  (void)function;
  *count = 1;
  return CUDROP_OK;
}

static cudrop_status_t device_name(const char *function, int device, char *name,
                                   size_t size) {
  (void)function;
  (void)device;
  snprintf(name, size, "host");
  return CUDROP_OK;
}

static cudrop_status_t open_device(cudrop_context_t *context) {
  (void)context;
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

/* Move the tile to the next run along the innermost dimension; false after the last. */
static bool next_run(const cudropi_plan_t *plan, cudropi_tile_t *tile,
                     int64_t coordinate[CUDROP_MAX_RANK]) {
  for (int d = plan->rank - 2; d >= 0; --d) {
    const int64_t steps = ++coordinate[d] < plan->shape[d] ? 1 : 1 - plan->shape[d];
    tile->x += steps * plan->x.stride[d];
    tile->keep += steps * plan->keep.stride[d];
    tile->y += steps * plan->y.stride[d];
    tile->index += (uint64_t)(steps * plan->index_stride[d]);
    if (steps == 1) return true;
    coordinate[d] = 0;
  }
  return false;
}

/* One run along the innermost dimension, from the tile's positions on. */
static void walk_run(const cudropi_plan_t *plan, const cudropi_tile_t *run) {
  const int inner = plan->rank - 1;
  cudropi_tile_t tile = {.plan = plan};
  for (int64_t first = 0; first < plan->shape[inner]; first += CUDROPI_TILE_SIZE) {
    const int64_t left = plan->shape[inner] - first;
    tile.x = run->x + first * plan->x.stride[inner];
    tile.keep = run->keep + first * plan->keep.stride[inner];
    tile.y = run->y + first * plan->y.stride[inner];
    tile.index = run->index + (uint64_t)(first * plan->index_stride[inner]);
    tile.n = left < CUDROPI_TILE_SIZE ? (int)left : CUDROPI_TILE_SIZE;
    cudropi_host_draw(&tile);
    cudropi_host_kernel(&tile);
  }
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

static void run_drawn(const cudropi_plan_t *plan) {
  int64_t coordinate[CUDROP_MAX_RANK] = {0};
  cudropi_tile_t first = {.plan = plan, .index = plan->index_base};
  cudropi_host_begin(plan);
  if (plan->n == 0) return;
  do {
    walk_run(plan, &first);
  } while (next_run(plan, &first, coordinate));
}

static cudrop_status_t run(cudrop_context_t *context, const char *function,
                           const cudropi_plan_t *plan) {
  (void)context;
  (void)function;
  if (plan->source != CUDROPI_FROM_PREPARED) {
    run_drawn(plan);
  } else {
    cudropi_plan_t drawn = *plan;
    const cudrop_philox_key_t key = plan->prepared->schedule.key[0];
    cudropi_plan_draw(&drawn, (uint64_t)key.word[1] << 32 | key.word[0],
                      plan->prepared->schedule.offset + plan->offset, plan->prepared->p);
    run_drawn(&drawn);
  }
  return CUDROP_OK;
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
