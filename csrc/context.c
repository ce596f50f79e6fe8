/* context.c - choosing a backend and a device, and holding a stream. */
#include "context.h"

#include <stdlib.h>

#include "status.h"

/* The backend to use for `id` and how many devices it has; AUTO falls back to the host. */
static cudrop_status_t find_backend(const char *function, cudrop_backend_t id,
                                    const cudropi_backend_t **backend, int *count) {
  switch (id) {
    case CUDROP_AUTO:
    case CUDROP_HOST:
      *backend = &cudropi_backend_host;
      return (*backend)->device_count(function, count);
    case CUDROP_CUDA:
      return cudropi_fail(CUDROP_ERROR_NOT_BUILT,
                          "%s: backend = CUDROP_CUDA is not in this build of the library",
                          function);
  }
  return cudropi_fail(CUDROP_ERROR_INVALID_ARGUMENT,
                      "%s: backend = %d is not a cudrop_backend_t", function, (int)id);
}

cudrop_status_t cudrop_device_count(cudrop_backend_t backend, int *count) {
  const cudropi_backend_t *found = NULL;
  REQUIRE(count != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_device_count: count is NULL");
  return find_backend("cudrop_device_count", backend, &found, count);
}

cudrop_status_t cudrop_create(cudrop_context_t **context, cudrop_backend_t backend,
                              int device) {
  const cudropi_backend_t *found = NULL;
  int count = 0;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_create: context is NULL");
  *context = NULL;
  TRY(find_backend("cudrop_create", backend, &found, &count));
  REQUIRE(device >= 0 && device < count, CUDROP_ERROR_NO_DEVICE,
          "cudrop_create: device = %d is outside [0, %d)", device, count);

  cudrop_context_t *created = malloc(sizeof *created);
  REQUIRE(created != NULL, CUDROP_ERROR_OUT_OF_MEMORY,
          "cudrop_create: no memory for a context of %zu bytes", sizeof *created);
  *created = (cudrop_context_t){.backend = found, .device = device};
  *context = created;
  return CUDROP_OK;
}

cudrop_status_t cudrop_destroy(cudrop_context_t **context) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_destroy: context is NULL");
  free(*context);
  *context = NULL;
  return CUDROP_OK;
}

cudrop_status_t cudrop_get_backend(const cudrop_context_t *context,
                                   cudrop_backend_t *backend) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_get_backend: context is NULL");
  REQUIRE(backend != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_get_backend: backend is NULL");
  *backend = context->backend->id;
  return CUDROP_OK;
}

cudrop_status_t cudrop_set_stream(cudrop_context_t *context, cudrop_stream_t stream) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_set_stream: context is NULL");
  return context->backend->set_stream(context, stream);
}

cudrop_status_t cudrop_synchronize(cudrop_context_t *context) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_synchronize: context is NULL");
  return context->backend->synchronize(context);
}
