/* darknet.c - a dropout layer in place, that keeps no random numbers. */
#include "recipes.h"

static const uint64_t seed = 2016; /* of the training */
enum { SITES = 256 };              /* more than a network has dropout layers */

/* The mask of this layer in this batch: forward and backward find the same one. */
static cudrop_mask_t find_mask(const dropout_layer *l, const network *net) {
  uint64_t offset = 0;
  recipe_check(cudrop_offset(net->seen, 1, 0, SITES, l->site, &offset));
  return cudrop_mask(seed, offset, (double)l->probability);
}

static void drop(float *data, const dropout_layer *l, const network *net,
                 cudrop_context_t *ctx) {
  const cudrop_mask_t mask = find_mask(l, net);
  const cudrop_tensor_t x = cudrop_matrix(data, CUDROP_F32, l->batch, l->inputs);
  recipe_check(cudrop_forward(ctx, &x, &mask, &x));
}

void forward_dropout_layer(dropout_layer l, network net, cudrop_context_t *ctx) {
  if (net.train) drop(net.input, &l, &net, ctx);
}

void backward_dropout_layer(dropout_layer l, network net, cudrop_context_t *ctx) {
  if (net.delta) drop(net.delta, &l, &net, ctx);
}
