/* rnn.c - a mask that all times share, and dropped weights. */
#include "choosing.h"

/* x = drop(x), [batch, time, features]: a feature of a sequence is dropped at all times or none */
cudrop_status_t rnn_locked(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                           int64_t batch, int64_t time, int64_t features, float *x) {
  const int64_t shape[] = {batch, time, features};
  const cudrop_tensor_t sequence = cudrop_tensor(x, CUDROP_F32, 3, shape);
  cudrop_mask_t locked = *mask;
  const cudrop_status_t status = cudrop_mask_share(&locked, 3, shape, NULL, 1u << 1);
  return status != CUDROP_OK ? status
                             : cudrop_forward(ctx, &sequence, &locked, &sequence);
}

/* dropped = drop(weights), once for a sequence: every step of it multiplies by `dropped` */
cudrop_status_t rnn_weights(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                            int64_t rows, int64_t cols, const float *weights,
                            float *dropped) {
  const cudrop_tensor_t from = cudrop_matrix(weights, CUDROP_F32, rows, cols);
  const cudrop_tensor_t to = cudrop_matrix(dropped, CUDROP_F32, rows, cols);
  return cudrop_forward(ctx, &from, mask, &to);
}
