/* vit.c - DropPath: a branch of a sample is kept or dropped as a whole. */
#include "choosing.h"

/* h += drop_path(x + bias), [batch, tokens, width] */
cudrop_status_t vit_shortcut(cudrop_context_t *ctx, const cudrop_mask_t *mask, sizes_t of,
                             const float *x, const float *bias, float *h) {
  const int64_t shape[] = {of.batch, of.tokens, of.width};
  const cudrop_tensor_t branch = cudrop_tensor(x, CUDROP_F32, 3, shape);
  const cudrop_tensor_t stream = cudrop_tensor(h, CUDROP_F32, 3, shape);
  const cudrop_tensor_t b = cudrop_vector(bias, CUDROP_F32, of.width);
  cudrop_mask_t path = *mask;
  const cudrop_fused_t fused = {.bias = &b, .mask = &path};
  const cudrop_status_t status =
      cudrop_mask_share(&path, 3, shape, NULL, 1u << 1 | 1u << 2); /* tokens and width */
  if (status != CUDROP_OK) return status;
  return cudrop_fused_forward(
      ctx, &(cudrop_fused_forward_t){
               .fused = &fused, .x = &branch, .residual = &stream, .y = &stream});
}
