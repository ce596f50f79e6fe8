/* cnn.c - Dropout2d, and DropBlock as it is composed of the same call. */
#include "choosing.h"

/* x = drop(x) by whole channels, [samples, channels, height, width] */
cudrop_status_t cnn_dropout2d(cudrop_context_t *ctx, const cudrop_mask_t *mask,
                              images_t of, float *x) {
  const int64_t shape[] = {of.samples, of.channels, of.height, of.width};
  const cudrop_tensor_t images = cudrop_tensor(x, CUDROP_F32, 4, shape);
  cudrop_mask_t channels = *mask;
  const cudrop_status_t status =
      cudrop_mask_share(&channels, 4, shape, NULL, 1u << 2 | 1u << 3);
  return status != CUDROP_OK ? status : cudrop_forward(ctx, &images, &channels, &images);
}

/* The rate of the seeds with which about p of the elements are dropped, as DropBlock's authors
 * have it. */
double cnn_seed_rate(images_t of, int64_t side, double p) {
  const double all = (double)(of.height * of.width);
  const double places = (double)((of.height - side + 1) * (of.width - side + 1));
  return p / (double)(side * side) * all / places;
}

/*
 * DropBlock in place: a seed that is dropped drops the side x side elements from its own place on.
 * There is a seed wherever a square fits. Each element is dropped by the seeds of all squares that
 * hold it, and divided by the probability that all of these are kept.
 */
cudrop_status_t cnn_drop_block(cudrop_context_t *ctx, const cudrop_mask_t *seeds,
                               images_t of, int64_t side, float *x) {
  const int64_t shape[] = {of.samples, of.channels, of.height - side + 1,
                           of.width - side + 1};
  cudrop_status_t status = CUDROP_OK;
  for (int64_t at = 0; at < side * side && status == CUDROP_OK; ++at) {
    float *first = x + at / side * of.width + at % side;
    cudrop_tensor_t view = cudrop_tensor(first, CUDROP_F32, 4, shape);
    view.stride[0] = of.channels * of.height * of.width;
    view.stride[1] = of.height * of.width;
    view.stride[2] = of.width;
    status = cudrop_forward(ctx, &view, seeds, &view);
  }
  return status;
}

/*
 * The same elements, and the factor of DropBlock's authors: all elements over those that are kept.
 * On the host; `ones` and `keep` have an element for each of x.
 */
cudrop_status_t cnn_drop_block_by_share(cudrop_context_t *host,
                                        const cudrop_mask_t *seeds, images_t of,
                                        int64_t side, float *ones, uint8_t *keep,
                                        float *x) {
  const int64_t n = of.samples * of.channels * of.height * of.width;
  const cudrop_tensor_t images = cudrop_vector(x, CUDROP_F32, n);
  const cudrop_tensor_t mask = cudrop_vector(keep, CUDROP_U8, n);
  int64_t kept = 0;
  for (int64_t e = 0; e < n; ++e) ones[e] = 1.0f;
  const cudrop_status_t status = cnn_drop_block(host, seeds, of, side, ones);
  if (status != CUDROP_OK) return status;
  for (int64_t e = 0; e < n; ++e) kept += keep[e] = ones[e] > 0.0f;
  return cudrop_apply_bytes(host, &images, &mask, 1.0 - (double)kept / (double)n,
                            &images);
}
