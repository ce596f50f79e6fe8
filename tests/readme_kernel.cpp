/*
 * readme_kernel.cpp - the README's kernel (KERNEL, a file) on the CPU, a thread after the other:
 * prints drop(1, 2, ..., 8), as the README's program in C does, and says on stderr where one of
 * many elements is not what cudrop_forward() makes.
 */
#include <cudrop/cudrop.h>
#include <stdio.h>

#define __global__ static
#define __grid_constant__
struct place_t {
  unsigned x;
};
static place_t blockIdx, blockDim, threadIdx;
#include KERNEL

enum { THREADS = 32, MANY = 1 << 12 };

static void run(uint64_t seed, uint64_t offset, double p, const float *x, float *y,
                uint64_t n) {
  blockDim.x = THREADS;
  for (blockIdx.x = 0; blockIdx.x <= n / 8 / THREADS; ++blockIdx.x)
    for (threadIdx.x = 0; threadIdx.x < THREADS; ++threadIdx.x)
      drop(cudrop_mask_schedule(seed, offset, p), x, y, n);
}

int main() {
  static float x[MANY], y[MANY], expected[MANY];
  cudrop_context_t *ctx = nullptr;
  for (int e = 0; e < MANY; ++e) x[e] = (float)(e + 1);
  run(42, 0, 0.1, x, y, 8);
  for (int e = 0; e < 8; ++e) printf("%g%s", (double)y[e], e < 7 ? " " : "\n");
  if (y[8] != 0.0f) return fprintf(stderr, "the kernel writes too far\n"), 1;

  const double rates[] = {0.0, 0.1, 0.5, 1.0};
  const cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, MANY);
  const cudrop_tensor_t out = cudrop_vector(expected, CUDROP_F32, MANY);
  if (cudrop_create(&ctx, CUDROP_HOST, 0) != CUDROP_OK) return 1;
  for (double p : rates) {
    const cudrop_mask_t mask = cudrop_mask(7, 11, p);
    if (cudrop_forward(ctx, &in, &mask, &out) != CUDROP_OK) return 1;
    run(7, 11, p, x, y, MANY);
    for (int e = 0; e < MANY; ++e)
      if (y[e] != expected[e])
        return fprintf(stderr, "p = %g: element %d is %g, not %g\n", p, e, (double)y[e],
                       (double)expected[e]),
               1;
  }
  return cudrop_destroy(&ctx) != CUDROP_OK;
}
