/* on_stream.h - a CUDA context on a stream of its own, its vectors x and y, and a host context. */
#ifndef CUDROP_ON_STREAM_H
#define CUDROP_ON_STREAM_H

#include <cuda_runtime_api.h>
#include <string.h>

#include "suite.h"
#include "view.h"

enum { N = 1000 };

static cudrop_context_t *context, *host;
static cudaStream_t stream;
static float x_host[N], y_host[N];
static float *x, *y; /* on the device */

#define ck_assert_cuda(call) ck_assert_int_eq(call, cudaSuccess)

static inline void *take(size_t bytes) {
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(context, bytes, &buffer));
  return buffer;
}

static inline void give(void *buffer) {
  ck_assert_ok(cudrop_free(context, &buffer));
}

static inline void set_up(void) {
  ck_assert_ok(cudrop_create(&context, CUDROP_CUDA, 0));
  ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
  ck_assert_cuda(cudaStreamCreate(&stream));
  ck_assert_ok(cudrop_set_stream(context, stream));
  for (int e = 0; e < N; ++e) x_host[e] = (float)(e % 17) - 7.5f;
  x = take(sizeof x_host);
  y = take(sizeof y_host);
  ck_assert_ok(cudrop_upload(context, x, x_host, sizeof x_host));
  memset(y_host, VIEW_POISON, sizeof y_host);
  ck_assert_ok(cudrop_upload(context, y, y_host, sizeof y_host));
}

static inline void clean_up(void) {
  give(x);
  give(y);
  ck_assert_cuda(cudaStreamSynchronize(stream));
  ck_assert_cuda(cudaStreamDestroy(stream));
  ck_assert_ok(cudrop_destroy(&context));
  ck_assert_ok(cudrop_destroy(&host));
}

static inline cudrop_prepared_t *take_block(const cudrop_mask_t *mask) {
  cudrop_prepared_t *block = NULL;
  ck_assert_ok(cudrop_prepared_create(context, mask, &block));
  return block;
}

static inline void give_block(cudrop_prepared_t *block) {
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
}

/* y on the device is what dropping x by a mask by value gives. */
static inline void expect_dropped(const cudrop_mask_t *mask) {
  float want[N], got[N];
  const cudrop_tensor_t in = cudrop_vector(x_host, CUDROP_F32, N);
  const cudrop_tensor_t out = cudrop_vector(want, CUDROP_F32, N);
  ck_assert_ok(cudrop_forward(host, &in, mask, &out));
  ck_assert_ok(cudrop_download(context, got, y, sizeof got));
  ck_assert_mem_eq(got, want, sizeof got);
}

static inline void expect_untouched(void) {
  float got[N];
  ck_assert_ok(cudrop_download(context, got, y, sizeof got));
  ck_assert_mem_eq(got, y_host, sizeof got);
}

static inline cudrop_tensor_t vector(const void *data) {
  return cudrop_vector(data, CUDROP_F32, N);
}

#endif /* CUDROP_ON_STREAM_H */
