/* context.h - what a context holds. */
#ifndef CUDROP_CONTEXT_H
#define CUDROP_CONTEXT_H

#include <stdbool.h>

#include "core/backend.h"
#include "host/path.h"
#include "host/pool.h"

/* A GPU as CUDA's driver knows it. */
typedef struct {
  int handle;               /* a CUdevice */
  struct CUctx_st *primary; /* a CUcontext, the one that the CUDA runtime uses */
} cudropi_gpu_t;

struct cudrop_context {
  const cudropi_backend_t *backend;
  int device;
  cudrop_stream_t stream; /* the caller's */

  struct {                  /* what the host backend works with */
    cudropi_path_t path;    /* instructions */
    size_t cache_bytes;     /* of the last level */
    int threads;            /* the most, the caller's included */
    int64_t least_threaded; /* the least elements for a second thread */
    cudropi_pool_t *pool;   /* NULL for one thread */
    void *scratch;          /* CUDROPI_SCRATCH_BYTES (host/rows_path.h) for each thread */
  } host;

  struct { /* what backend_cuda.c knows of the device */
    cudropi_gpu_t gpu;
    int64_t blocks;         /* the most blocks of one launch */
    int64_t packs;          /* the most packs (elementwise.cuh) of one launch */
    bool has_tensor_cores;  /* those of sm_80 and newer */
    bool has_pools;         /* buffers are allocated in stream order */
    bool reads_host_memory; /* any host memory, unregistered too */
  } cuda;
};

#endif /* CUDROP_CONTEXT_H */
