/* main.cu - softmax.cuh beside cudrop_forward(): the same bits. */
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/cudrop.h"
#include "softmax.cuh"

enum { ROWS = 1000, N = ROWS * SOFTMAX_COLS };

static void check(cudrop_status_t status) {
  if (status == CUDROP_OK) return;
  fprintf(stderr, "%s\n", cudrop_last_error());
  exit(1);
}

static void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s\n", cudaGetErrorString(error));
  exit(1);
}

static float *take(cudrop_context_t *context) {
  void *buffer = NULL;
  check(cudrop_alloc(context, N * sizeof(float), &buffer));
  return (float *)buffer;
}

int main(int argc, char **argv) {
  static float host[N], fused[N], composed[N];
  cudrop_context_t *context = NULL;
  if (argc > 1) {
    fprintf(stderr, "softmax: '%s' is one argument too many; usage: softmax\n", argv[1]);
    return 2;
  }
  check(cudrop_create(&context, CUDROP_CUDA, 0));
  for (int i = 0; i < N; ++i) host[i] = (float)(i * 2654435761u % 1000) * 0.01f;
  const cudrop_mask_t mask = cudrop_mask(42, 7, 0.1); /* seed, offset, p */
  softmax_t args = {take(context), take(context), take(context), ROWS,
                    CUDROP_SCHEDULE_OF(mask)};
  check(cudrop_upload(context, (void *)args.scores, host, sizeof host));

  softmax_dropout<<<(ROWS + 3) / 4, SOFTMAX_THREADS>>>(args);
  check(cudaGetLastError());
  check(cudrop_download(context, fused, args.y, sizeof fused));

  const cudrop_tensor_t x =
      cudrop_matrix(args.probabilities, CUDROP_F32, ROWS, SOFTMAX_COLS);
  check(cudrop_forward(context, &x, &mask, &x));
  check(cudrop_download(context, composed, args.probabilities, sizeof composed));
  const bool equal = memcmp(fused, composed, sizeof fused) == 0;
  printf("softmax and dropout in one kernel: %s cudrop_forward() after it\n",
         equal ? "the bits of" : "OTHER bits than");

  void *buffers[] = {(void *)args.scores, args.probabilities, args.y};
  for (void *buffer : buffers) check(cudrop_free(context, &buffer));
  check(cudrop_destroy(&context));
  return equal ? 0 : 1;
}
