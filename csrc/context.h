/* context.h - what a context holds. */
#ifndef CUDROP_CONTEXT_H
#define CUDROP_CONTEXT_H

#include "backend.h"

struct cudrop_context {
  const cudropi_backend_t *backend;
  int device;
  cudrop_stream_t stream; /* the caller's */
};

#endif /* CUDROP_CONTEXT_H */
