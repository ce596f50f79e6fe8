/*
 * troubles.c - calls that are refused, one for each status that a host can give: prints the status
 * and the text, a line each, which docs/troubleshooting.md quotes (check_troubles.sh).
 */
#include <cudrop/cudrop.h>
#include <stdio.h>

static int said = 0;

static void expect(cudrop_status_t expected, cudrop_status_t status) {
  if (status != expected) {
    fprintf(stderr, "%s, not %s: %s\n", cudrop_status_name(status),
            cudrop_status_name(expected), cudrop_last_error());
    ++said;
    return;
  }
  printf("%s: %s\n", cudrop_status_name(status), cudrop_last_error());
}

int main(void) {
  float x[16] = {0.0f}, y[16];
  uint16_t narrow[16];
  void *buffer = NULL;
  int devices = 0;
  cudrop_context_t *ctx = NULL, *other = NULL;
  const cudrop_tensor_t in = cudrop_matrix(x, CUDROP_F32, 2, 8);
  const cudrop_tensor_t out = cudrop_matrix(y, CUDROP_F32, 2, 8);
  const cudrop_tensor_t wide = cudrop_matrix(y, CUDROP_F32, 1, 16);
  const cudrop_tensor_t half = cudrop_matrix(narrow, CUDROP_F16, 2, 8);
  const cudrop_tensor_t moved = cudrop_matrix(x + 1, CUDROP_F32, 1, 8);
  const cudrop_tensor_t first = cudrop_matrix(x, CUDROP_F32, 1, 8);
  const cudrop_tensor_t bias = cudrop_vector(y, CUDROP_F32, 8);
  const cudrop_mask_t mask = cudrop_mask(42, 0, 0.1), bad = cudrop_mask(42, 0, 1.5);
  cudrop_mask_t far = mask;
  far.index_base = (uint64_t)1 << 59;
  const cudrop_fused_t fused = {.mask = &mask};
  const cudrop_fused_backward_t args = {.fused = &fused,
                                        .dy = &in,
                                        .dbias = &bias,
                                        .workspace = narrow,
                                        .workspace_bytes = 16};

  if (cudrop_create(&ctx, CUDROP_HOST, 0) != CUDROP_OK) return 1;
  expect(CUDROP_ERROR_INVALID_ARGUMENT, cudrop_forward(ctx, &in, &bad, &out));
  expect(CUDROP_ERROR_NULL_POINTER, cudrop_forward(ctx, &in, &mask, NULL));
  expect(CUDROP_ERROR_DTYPE, cudrop_forward(ctx, &in, &mask, &half));
  expect(CUDROP_ERROR_SHAPE, cudrop_forward(ctx, &in, &mask, &wide));
  expect(CUDROP_ERROR_OVERLAP, cudrop_forward(ctx, &first, &mask, &moved));
  expect(CUDROP_ERROR_OVERFLOW, cudrop_forward(ctx, &in, &far, &out));
  expect(CUDROP_ERROR_OUT_OF_MEMORY, cudrop_alloc(ctx, (size_t)1 << 62, &buffer));
  expect(CUDROP_ERROR_NO_DEVICE, cudrop_create(&other, CUDROP_HOST, 1));
  expect(CUDROP_ERROR_WORKSPACE, cudrop_fused_backward(ctx, &args));
  if (cudrop_device_count(CUDROP_CUDA, &devices) == CUDROP_ERROR_NOT_BUILT)
    printf("CUDROP_ERROR_NOT_BUILT: %s\n", cudrop_last_error());
  return said != 0 || cudrop_destroy(&ctx) != CUDROP_OK;
}
