/* backend.h - what a backend is to the rest of the library: a table of functions. */
#ifndef CUDROP_BACKEND_H
#define CUDROP_BACKEND_H

#include "call/plan.h"
#include "cudrop/cudrop.h"

/*
 * Arguments are validated, except for what only the backend can know. `function` is the public
 * function's name, for the text of an error. alloc() never gets 0 bytes; free(), upload() and
 * download() never get NULL. free() sets *buffer to NULL as soon as the memory is freed, even if
 * something fails after that.
 */
typedef struct {
  cudrop_backend_t id;
  /* A backend without devices is success, and *count is 0. */
  cudrop_status_t (*device_count)(const char *function, int *count);
  cudrop_status_t (*device_name)(const char *function, int device, char *name,
                                 size_t size);
  /* Fill in the backend's part of the context. */
  cudrop_status_t (*open)(cudrop_context_t *context);
  void (*close)(cudrop_context_t *context); /* release what open() and later calls took */
  cudrop_status_t (*set_threads)(cudrop_context_t *context, int threads);
  cudrop_status_t (*set_stream)(cudrop_context_t *context, cudrop_stream_t stream);
  cudrop_status_t (*synchronize)(cudrop_context_t *context);
  cudrop_status_t (*alloc)(cudrop_context_t *context, size_t bytes, void **buffer);
  cudrop_status_t (*free)(cudrop_context_t *context, void **buffer);
  cudrop_status_t (*upload)(cudrop_context_t *context, void *buffer, const void *host,
                            size_t bytes);
  cudrop_status_t (*download)(cudrop_context_t *context, void *host, const void *buffer,
                              size_t bytes);
  /* Fail unless the context's device reaches the memory of the argument called `name`. */
  cudrop_status_t (*check_memory)(const cudrop_context_t *context, const char *function,
                                  const char *name, const void *data);
  cudrop_status_t (*run)(cudrop_context_t *context, const cudropi_plan_t *plan);
  cudrop_status_t (*prepare)(cudrop_context_t *context, const cudrop_prepared_t *value,
                             cudrop_prepared_t *prepared);
  cudrop_status_t (*advance)(cudrop_context_t *context, cudrop_prepared_t *prepared,
                             uint64_t offsets);
} cudropi_backend_t;

extern const cudropi_backend_t cudropi_backend_host;
extern const cudropi_backend_t cudropi_backend_cuda; /* if CUDROP_WITH_CUDA */

#endif /* CUDROP_BACKEND_H */
