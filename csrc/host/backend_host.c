/* backend_host.c - the CPU as a backend: its memory, and the walk over a plan's tiles. */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "status.h"
#include "tile.h"

enum { BUFFER_ALIGNMENT = 256 };

static cudrop_status_t device_count(const char *function, int *count) {
  (void)function;
  *count = 1;
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

static cudrop_status_t host_free(cudrop_context_t *context, void *buffer) {
  (void)context;
  free(buffer);
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

static cudrop_status_t run(cudrop_context_t *context, const cudropi_plan_t *plan) {
  (void)context;
  int64_t coordinate[CUDROP_MAX_RANK] = {0};
  cudropi_tile_t first = {.plan = plan, .index = plan->index_base};
  cudropi_host_begin(plan);
  if (plan->n == 0) return CUDROP_OK;
  do {
    walk_run(plan, &first);
  } while (next_run(plan, &first, coordinate));
  return CUDROP_OK;
}

const cudropi_backend_t cudropi_backend_host = {
    .id = CUDROP_HOST,
    .device_count = device_count,
    .set_stream = set_stream,
    .synchronize = synchronize,
    .alloc = host_alloc,
    .free = host_free,
    .upload = host_copy,
    .download = host_copy,
    .run = run,
};
