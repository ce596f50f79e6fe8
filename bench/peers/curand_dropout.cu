/*
 * curand_dropout.cu - dropout as programs with CUDA write it by hand: cuRAND fills an array with
 * uniform numbers, and a kernel compares them with p.
 *
 * The numbers are what is kept for backward, 4 bytes an element, as Darknet does it.
 */
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <curand.h>

extern "C" {
#include "failure.h"
#include "peer.h"
}

static bool check(curandStatus_t status, const char *call) {
  return status == CURAND_STATUS_SUCCESS ||
         bench_fail("%s failed with %d", call, (int)status);
}

template <typename T>
__global__ void drop(const T *x, const float *uniform, float p, float scale, long long n,
                     T *y) {
  const long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (e < n) y[e] = uniform[e] > p ? T((float)x[e] * scale) : T(0.0f);
}

template <typename T>
static void launch(const peer_t *peer, const void *from, void *to) {
  enum { THREADS = 256 };
  const unsigned blocks = (unsigned)((peer->n + THREADS - 1) / THREADS);
  drop<T><<<blocks, THREADS, 0, (cudaStream_t)peer->machine.stream>>>(
      (const T *)from, (const float *)peer->state, (float)peer->p,
      (float)(1.0 / (1.0 - peer->p)), peer->n, (T *)to);
}

static bool run_kernel(const peer_t *peer, const void *from, void *to) {
  if (peer->dtype == CUDROP_BF16) {
    launch<__nv_bfloat16>(peer, from, to);
  } else {
    launch<float>(peer, from, to);
  }
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ||
         bench_fail("the kernel failed: %s", cudaGetErrorString(error));
}

static bool forward(void *argument) {
  const peer_t *peer = (const peer_t *)argument;
  return check(curandGenerateUniform((curandGenerator_t)peer->own, (float *)peer->state,
                                     (size_t)peer->n),
               "curandGenerateUniform") &&
         run_kernel(peer, peer->x.buffer, peer->y.buffer);
}

static bool backward(void *argument) {
  const peer_t *peer = (const peer_t *)argument;
  return run_kernel(peer, peer->dy.buffer, peer->dx.buffer);
}

static bool open_curand(peer_t *peer) {
  curandGenerator_t generator = nullptr;
  if (!check(curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_PHILOX4_32_10),
             "curandCreateGenerator"))
    return false;
  peer->own = generator;
  return check(curandSetPseudoRandomGeneratorSeed(generator, 42),
               "curandSetPseudoRandomGeneratorSeed") &&
         check(curandSetStream(generator, (cudaStream_t)peer->machine.stream),
               "curandSetStream") &&
         peer_reserve_state(peer, (size_t)peer->n * sizeof(float));
}

static void close_curand(peer_t *peer) {
  if (peer->own != nullptr) curandDestroyGenerator((curandGenerator_t)peer->own);
}

extern "C" const peer_table_t peer_table = {CUDROP_CUDA, open_curand, close_curand,
                                            forward, backward};
