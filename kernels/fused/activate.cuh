/* activate.cuh - activations of a chunk. All threads of a kernel use the same activation. */
#ifndef CUDROP_KERNEL_ACTIVATE_CUH
#define CUDROP_KERNEL_ACTIVATE_CUH

#include "ops/fused/activation.h"
#include "storage.cuh"

#define CUDROPI_FOR_CHUNK(values, function) \
  _Pragma("unroll") for (int j = 0; j < 8; ++j) values[j] = function(values[j])

/* values = act(values), for results of the type Type */
template <class Type>
CUDROPI_DEVICE void cudropi_activate(cudrop_activation_t activation, float (&values)[8]) {
  switch (activation) {
    case CUDROP_IDENTITY:
      break;
    case CUDROP_RELU:
      CUDROPI_FOR_CHUNK(values, cudropi_relu);
      break;
    case CUDROP_GELU:
      if (Type::bytes == 2) {
        CUDROPI_FOR_CHUNK(values, cudropi_narrow_gelu);
      } else {
        CUDROPI_FOR_CHUNK(values, cudropi_gelu);
      }
      break;
    case CUDROP_GELU_TANH:
      CUDROPI_FOR_CHUNK(values, cudropi_gelu_tanh);
      break;
    case CUDROP_SILU:
      CUDROPI_FOR_CHUNK(values, cudropi_silu);
      break;
  }
}

/* values = act'(values), for results of the type Type; 1 for the identity */
template <class Type>
CUDROPI_DEVICE void cudropi_find_slopes(cudrop_activation_t activation,
                                        float (&values)[8]) {
  switch (activation) {
    case CUDROP_IDENTITY:
#pragma unroll
      for (int j = 0; j < 8; ++j) values[j] = 1.0f;
      break;
    case CUDROP_RELU:
      CUDROPI_FOR_CHUNK(values, cudropi_relu_slope);
      break;
    case CUDROP_GELU:
      if (Type::bytes == 2) {
        CUDROPI_FOR_CHUNK(values, cudropi_narrow_gelu_slope);
      } else {
        CUDROPI_FOR_CHUNK(values, cudropi_gelu_slope);
      }
      break;
    case CUDROP_GELU_TANH:
      CUDROPI_FOR_CHUNK(values, cudropi_gelu_tanh_slope);
      break;
    case CUDROP_SILU:
      CUDROPI_FOR_CHUNK(values, cudropi_silu_slope);
      break;
  }
}

#endif /* CUDROP_KERNEL_ACTIVATE_CUH */
