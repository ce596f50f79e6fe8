/* context.c - choosing a backend and a device, and holding a stream. */
#include "core/context.h"

#include <stdlib.h>

#include "core/status.h"

static const cudropi_backend_t *const backends[] = {
#if defined(CUDROP_WITH_CUDA)
    &cudropi_backend_cuda, /* AUTO looks here first */
#endif
    &cudropi_backend_host,
};
enum { BACKENDS = sizeof backends / sizeof backends[0] };

/*
 * The backend for `id`, and in *count how many devices it has. AUTO gives the first backend that
 * has any. NULL, with the reason in *status, if there is none.
 */
static const cudropi_backend_t *find_backend(const char *function, cudrop_backend_t id,
                                             int *count, cudrop_status_t *status) {
  *status = CUDROP_OK;
  if (id != CUDROP_AUTO && id != CUDROP_HOST && id != CUDROP_CUDA) {
    *status =
        cudropi_fail(CUDROP_ERROR_INVALID_ARGUMENT,
                     "%s: backend = %d is not a cudrop_backend_t", function, (int)id);
    return NULL;
  }
  for (int k = 0; k < BACKENDS; ++k) {
    if (id != CUDROP_AUTO && id != backends[k]->id) continue;
    *status = backends[k]->device_count(function, count);
    if (*status != CUDROP_OK) return NULL;
    if (*count > 0) return backends[k];
    if (id == CUDROP_AUTO) continue;
    *status =
        cudropi_fail(CUDROP_ERROR_NO_DEVICE,
                     "%s: no CUDA device can be used: there is none, or its driver is "
                     "missing or too old",
                     function);
    return NULL;
  }
  *status = cudropi_fail(CUDROP_ERROR_NOT_BUILT,
                         "%s: backend = CUDROP_CUDA is not in this build of the library",
                         function);
  return NULL;
}

/* The same; NULL also if the backend has no device `device`. */
static const cudropi_backend_t *find_device(const char *function, cudrop_backend_t id,
                                            int device, cudrop_status_t *status) {
  int count = 0;
  const cudropi_backend_t *found = find_backend(function, id, &count, status);
  if (found == NULL || (device >= 0 && device < count)) return found;
  *status = cudropi_fail(CUDROP_ERROR_NO_DEVICE, "%s: device = %d is outside [0, %d)",
                         function, device, count);
  return NULL;
}

cudrop_status_t cudrop_device_count(cudrop_backend_t backend, int *count) {
  cudrop_status_t status = CUDROP_OK;
  int devices = 0;
  REQUIRE(count != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_device_count: count is NULL");
  if (find_backend("cudrop_device_count", backend, &devices, &status) == NULL)
    return status;
  *count = devices;
  return CUDROP_OK;
}

cudrop_status_t cudrop_device_name(cudrop_backend_t backend, int device, char *name,
                                   size_t size) {
  cudrop_status_t status = CUDROP_OK;
  REQUIRE(name != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_device_name: name is NULL");
  REQUIRE(size > 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "cudrop_device_name: size = 0 has no room for a name");
  const cudropi_backend_t *found =
      find_device("cudrop_device_name", backend, device, &status);
  if (found == NULL) return status;
  return found->device_name("cudrop_device_name", device, name, size);
}

cudrop_status_t cudrop_create(cudrop_context_t **context, cudrop_backend_t backend,
                              int device) {
  cudrop_status_t status = CUDROP_OK;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_create: context is NULL");
  *context = NULL;
  const cudropi_backend_t *found = find_device("cudrop_create", backend, device, &status);
  if (found == NULL) return status;

  cudrop_context_t *created = malloc(sizeof *created);
  REQUIRE(created != NULL, CUDROP_ERROR_OUT_OF_MEMORY,
          "cudrop_create: no memory for a context of %zu bytes", sizeof *created);
  *created = (cudrop_context_t){.backend = found, .device = device};
  status = found->open(created);
  if (status != CUDROP_OK) {
    free(created);
    return status;
  }
  *context = created;
  return CUDROP_OK;
}

cudrop_status_t cudrop_destroy(cudrop_context_t **context) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "cudrop_destroy: context is NULL");
  if (*context != NULL) (*context)->backend->close(*context);
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

cudrop_status_t cudrop_set_threads(cudrop_context_t *context, int threads) {
  enum { MOST = 1024 };
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_set_threads: context is NULL");
  REQUIRE(threads >= 0 && threads <= MOST, CUDROP_ERROR_INVALID_ARGUMENT,
          "cudrop_set_threads: threads = %d is outside [0, %d]", threads, MOST);
  return context->backend->set_threads(context, threads);
}

cudrop_status_t cudrop_synchronize(cudrop_context_t *context) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER,
          "cudrop_synchronize: context is NULL");
  return context->backend->synchronize(context);
}
