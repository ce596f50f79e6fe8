/*
 * main.c - elements that are kept or dropped together: Dropout2d, DropPath, and masks that rows
 * or columns share. Each is an index map of the mask; the calls are those of any dropout.
 */
#include <cudrop/cudrop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS = 24 };

static void check(cudrop_status_t status) {
  if (status == CUDROP_OK) return;
  fprintf(stderr, "%s\n", cudrop_last_error());
  exit(1);
}

/* A tensor of three dimensions, a line for each of the first. */
static void print(const char *name, const float *values, const int64_t *shape) {
  printf("  %s\n", name);
  for (int64_t a = 0; a < shape[0]; ++a) {
    printf("   ");
    for (int64_t b = 0; b < shape[1]; ++b) {
      for (int64_t c = 0; c < shape[2]; ++c)
        printf(" %5.3g", (double)values[(a * shape[1] + b) * shape[2] + c]);
      printf(b + 1 < shape[1] ? "  |" : "\n");
    }
  }
}

/* Ones with this mask: alone, and in a fused call, with a bias of 1 and a residual of 10. */
static void show(cudrop_context_t *ctx, const char *title, const int64_t *shape,
                 uint32_t shared) {
  float x[ELEMENTS], y[ELEMENTS], bias[ELEMENTS], residual[ELEMENTS];
  cudrop_mask_t mask = cudrop_mask(42, 1, 0.5);
  check(cudrop_mask_share(&mask, 3, shape, NULL, shared));
  for (int e = 0; e < ELEMENTS; ++e) {
    x[e] = bias[e] = 1.0f;
    residual[e] = 10.0f;
  }
  const cudrop_tensor_t in = cudrop_tensor(x, CUDROP_F32, 3, shape);
  const cudrop_tensor_t out = cudrop_tensor(y, CUDROP_F32, 3, shape);
  const cudrop_tensor_t to = cudrop_tensor(residual, CUDROP_F32, 3, shape);
  const cudrop_tensor_t b = cudrop_vector(bias, CUDROP_F32, shape[2]);
  printf("%s: index_stride {%d, %d, %d}\n", title, (int)mask.index_stride[0],
         (int)mask.index_stride[1], (int)mask.index_stride[2]);
  check(cudrop_forward(ctx, &in, &mask, &out));
  print("y = drop(1)", y, shape);
  const cudrop_fused_t fused = {.bias = &b, .mask = &mask};
  check(cudrop_fused_forward(
      ctx,
      &(cudrop_fused_forward_t){.fused = &fused, .x = &in, .residual = &to, .y = &out}));
  print("y = 10 + drop(1 + 1)", y, shape);
}

int main(int argc, char **argv) {
  static const int64_t images[] = {3, 2, 4}; /* samples, channels, pixels */
  static const int64_t tokens[] = {2, 3, 4}; /* batch, time, features */
  cudrop_context_t *ctx = NULL;
  if (argc > 1) {
    fprintf(stderr, "shared_masks: '%s' is one argument too many; usage: shared_masks\n",
            argv[1]);
    return 2;
  }
  check(cudrop_create(&ctx, CUDROP_HOST, 0));
  show(ctx, "Dropout2d: the pixels of a channel share", images, 1u << 2);
  show(ctx, "DropPath: all of a sample shares", images, 1u << 1 | 1u << 2);
  show(ctx, "whole tokens: a row shares", tokens, 1u << 2);
  show(ctx, "variational: all times share a mask of features", tokens, 1u << 1);
  check(cudrop_destroy(&ctx));
  return 0;
}
