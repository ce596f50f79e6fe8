#include <cudrop/cudrop.h>
#include <stdio.h>

int main(void) {
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8];
  cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, 8);
  cudrop_tensor_t out = cudrop_vector(y, CUDROP_F32, 8);
  cudrop_mask_t mask = cudrop_mask(42, 0, 0.1); /* seed, offset, p */
  cudrop_context_t *ctx = NULL;
  if (cudrop_create(&ctx, CUDROP_HOST, 0) != CUDROP_OK ||
      cudrop_forward(ctx, &in, &mask, &out) != CUDROP_OK)
    return fprintf(stderr, "%s\n", cudrop_last_error()), 1;
  for (int i = 0; i < 8; ++i) printf("%g%s", y[i], i < 7 ? " " : "\n");
  return cudrop_destroy(&ctx) != CUDROP_OK;
}
