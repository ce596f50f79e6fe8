/* ggml.c - the scaled mask as an input of a graph that can only multiply. */
#include "recipes.h"

void fill_scaled_mask(float *data, const int64_t ne[4], cudrop_context_t *ctx,
                      const cudrop_mask_t *mask) {
  const int64_t shape[] = {ne[3], ne[2], ne[1],
                           ne[0]}; /* the last one is the innermost */
  const cudrop_tensor_t scale = cudrop_tensor(data, CUDROP_F32, 4, shape);
  recipe_check(cudrop_export_scale(ctx, mask, &scale));
}
