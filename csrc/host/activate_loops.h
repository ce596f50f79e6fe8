/* activate_loops.h - the loops of activate.h, compiled once for each set of instructions. */
#include "activate.h"
#include "activation.h"

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

#define DEFINE_ACTIVATIONS(NAME)                          \
  const cudropi_activations_t NAME = {                    \
      .value = {[CUDROP_RELU] = map_relu,                 \
                [CUDROP_GELU] = map_gelu,                 \
                [CUDROP_GELU_TANH] = map_gelu_tanh,       \
                [CUDROP_SILU] = map_silu},                \
      .slope = {[CUDROP_RELU] = map_relu_slope,           \
                [CUDROP_GELU] = map_gelu_slope,           \
                [CUDROP_GELU_TANH] = map_gelu_tanh_slope, \
                [CUDROP_SILU] = map_silu_slope},          \
      .exp_to_zero = map_exp_to_zero}
