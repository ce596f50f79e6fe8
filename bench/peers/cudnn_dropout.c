/* cudnn_dropout.c - cuDNN's dropout, through its C API; it keeps a reserve space of its own. */
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <stdlib.h>

#include "failure.h"
#include "peer.h"

typedef struct {
  cudnnHandle_t handle;
  cudnnDropoutDescriptor_t dropout;
  cudnnTensorDescriptor_t tensor;
  void *generators;
} cudnn_t;

static bool check(cudnnStatus_t status, const char *call) {
  return status == CUDNN_STATUS_SUCCESS ||
         bench_fail("%s: %s", call, cudnnGetErrorString(status));
}
#define CUDNN_OK(call, ...) check(call(__VA_ARGS__), #call)

/* cuDNN counts in int, four dimensions at least. */
static bool describe(const peer_t *peer, cudnn_t *own) {
  const int64_t width = peer->n % 1024 == 0 ? 1024 : 1;
  if (peer->n / width > INT32_MAX) return bench_fail("cuDNN counts rows in int");
  return CUDNN_OK(cudnnCreateTensorDescriptor, &own->tensor) &&
         CUDNN_OK(cudnnSetTensor4dDescriptor, own->tensor, CUDNN_TENSOR_NCHW,
                  peer->dtype == CUDROP_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT, 1,
                  1, (int)(peer->n / width), (int)width);
}

/* The states of its generators: set up once, and then changed by each forward. */
static bool seed(const peer_t *peer, cudnn_t *own) {
  size_t bytes = 0;
  return CUDNN_OK(cudnnDropoutGetStatesSize, own->handle, &bytes) &&
         bench_ok(cudrop_alloc(peer->machine.context, bytes, &own->generators)) &&
         CUDNN_OK(cudnnCreateDropoutDescriptor, &own->dropout) &&
         CUDNN_OK(cudnnSetDropoutDescriptor, own->dropout, own->handle, (float)peer->p,
                  own->generators, bytes, 42);
}

static bool open_cudnn(peer_t *peer) {
  cudnn_t *own = calloc(1, sizeof *own);
  size_t bytes = 0;
  peer->own = own;
  if (own == NULL) return bench_fail("no memory");
  return CUDNN_OK(cudnnCreate, &own->handle) &&
         CUDNN_OK(cudnnSetStream, own->handle, peer->machine.stream) &&
         describe(peer, own) && seed(peer, own) &&
         CUDNN_OK(cudnnDropoutGetReserveSpaceSize, own->tensor, &bytes) &&
         peer_reserve_state(peer, bytes);
}

static void close_cudnn(peer_t *peer) {
  cudnn_t *own = peer->own;
  if (own == NULL) return;
  if (own->dropout != NULL) cudnnDestroyDropoutDescriptor(own->dropout);
  if (own->tensor != NULL) cudnnDestroyTensorDescriptor(own->tensor);
  if (own->handle != NULL) cudnnDestroy(own->handle);
  (void)cudrop_free(peer->machine.context, &own->generators);
  free(own);
}

static bool forward(void *argument) {
  const peer_t *peer = argument;
  const cudnn_t *own = peer->own;
  return CUDNN_OK(cudnnDropoutForward, own->handle, own->dropout, own->tensor,
                  peer->x.buffer, own->tensor, peer->y.buffer, peer->state,
                  peer->state_bytes);
}

static bool backward(void *argument) {
  const peer_t *peer = argument;
  const cudnn_t *own = peer->own;
  return CUDNN_OK(cudnnDropoutBackward, own->handle, own->dropout, own->tensor,
                  peer->dy.buffer, own->tensor, peer->dx.buffer, peer->state,
                  peer->state_bytes);
}

const peer_table_t peer_table = {CUDROP_CUDA, open_cudnn, close_cudnn, forward, backward};
