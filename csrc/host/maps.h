/* maps.h - activations of many values at once; compiled for each path, like strip.h. */
#ifndef CUDROP_MAPS_H
#define CUDROP_MAPS_H

#include "ops/fused/activation.h"

/* results[j] = f(values[j]) for n values; both may be the same memory. */
typedef void cudropi_map_t(int n, const float *values, float *results);

#define DEFINE_MAP(FUNCTION)                                                \
  static void map_##FUNCTION(int n, const float *values, float *results) {  \
    for (int j = 0; j < n; ++j) results[j] = cudropi_##FUNCTION(values[j]); \
  }
DEFINE_MAP(relu)
DEFINE_MAP(relu_slope)
DEFINE_MAP(gelu)
DEFINE_MAP(gelu_slope)
DEFINE_MAP(gelu_tanh)
DEFINE_MAP(gelu_tanh_slope)
DEFINE_MAP(silu)
DEFINE_MAP(silu_slope)
DEFINE_MAP(exp_to_zero)

enum { ACTIVATIONS = 5 };

/* The function of each cudrop_activation_t; NULL for the identity. */
static cudropi_map_t *const activation_values[ACTIVATIONS] = {
    [CUDROP_RELU] = map_relu,
    [CUDROP_GELU] = map_gelu,
    [CUDROP_GELU_TANH] = map_gelu_tanh,
    [CUDROP_SILU] = map_silu};
/* The derivative of each cudrop_activation_t; NULL for the identity. */
static cudropi_map_t *const activation_slopes[ACTIVATIONS] = {
    [CUDROP_RELU] = map_relu_slope,
    [CUDROP_GELU] = map_gelu_slope,
    [CUDROP_GELU_TANH] = map_gelu_tanh_slope,
    [CUDROP_SILU] = map_silu_slope};

#endif /* CUDROP_MAPS_H */
