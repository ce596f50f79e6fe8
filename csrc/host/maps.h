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
DEFINE_MAP(narrow_gelu)
DEFINE_MAP(narrow_gelu_slope)
DEFINE_MAP(gelu_tanh)
DEFINE_MAP(gelu_tanh_slope)
DEFINE_MAP(silu)
DEFINE_MAP(silu_slope)
DEFINE_MAP(exp_to_zero)
DEFINE_MAP(lifted_exp)
DEFINE_MAP(narrow_exp)

enum { ACTIVATIONS = 5 };

/* The function of each cudrop_activation_t, for results that are F32 and for those of 16 bits; NULL
 * for the identity. */
static cudropi_map_t *const activation_values[2][ACTIVATIONS] = {
    {NULL, map_relu, map_gelu, map_gelu_tanh, map_silu},
    {NULL, map_relu, map_narrow_gelu, map_gelu_tanh, map_silu}};
/* The derivative of each cudrop_activation_t, in the same way. */
static cudropi_map_t *const activation_slopes[2][ACTIVATIONS] = {
    {NULL, map_relu_slope, map_gelu_slope, map_gelu_tanh_slope, map_silu_slope},
    {NULL, map_relu_slope, map_narrow_gelu_slope, map_gelu_tanh_slope, map_silu_slope}};

#endif /* CUDROP_MAPS_H */
