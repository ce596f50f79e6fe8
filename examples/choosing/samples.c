/* samples.c - Monte-Carlo dropout at inference. */
#include "choosing.h"

/* y[t] = drop(x) with another mask for each sample t; x is [batch, width], and read in place */
cudrop_status_t draw_samples(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                             int64_t samples, int64_t batch, int64_t width,
                             const float *x, float *y) {
  const int64_t shape[] = {samples, batch, width};
  cudrop_tensor_t from = cudrop_tensor(x, CUDROP_F32, 3, shape);
  const cudrop_tensor_t to = cudrop_tensor(y, CUDROP_F32, 3, shape);
  from.stride[0] = 0; /* all samples read the same x */
  return cudrop_forward(ctx, &from, mask, &to);
}
