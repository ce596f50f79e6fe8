/* backend.h - what a backend is to the rest of the library: a table of functions. */
#ifndef CUDROP_BACKEND_H
#define CUDROP_BACKEND_H

#include "cudrop/cudrop.h"
#include "plan.h"

/*
 * Arguments arrive validated. `function` is the public function's name, for the text of an
 * error. alloc is never asked for 0 bytes, free, upload and download never given NULL.
 */
typedef struct {
  cudrop_backend_t id;
  cudrop_status_t (*device_count)(const char *function, int *count);
  cudrop_status_t (*set_stream)(cudrop_context_t *context, cudrop_stream_t stream);
  cudrop_status_t (*synchronize)(cudrop_context_t *context);
  cudrop_status_t (*alloc)(cudrop_context_t *context, size_t bytes, void **buffer);
  cudrop_status_t (*free)(cudrop_context_t *context, void *buffer);
  cudrop_status_t (*upload)(cudrop_context_t *context, void *buffer, const void *host,
                            size_t bytes);
  cudrop_status_t (*download)(cudrop_context_t *context, void *host, const void *buffer,
                              size_t bytes);
  cudrop_status_t (*run)(cudrop_context_t *context, const cudropi_plan_t *plan);
} cudropi_backend_t;

extern const cudropi_backend_t cudropi_backend_host;

#endif /* CUDROP_BACKEND_H */
