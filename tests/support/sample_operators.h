/* sample_operators.h - operators with the kernels of public ones, and calls to them. */
#ifndef CUDROP_SAMPLE_OPERATORS_H
#define CUDROP_SAMPLE_OPERATORS_H

#include "call/plan.h"

/* An operator from x of the types X to y of the types Y, by its kernels at p = 0 and at p > 0. */
#define OPERATOR(X, Y, AT_ZERO, ABOVE_ZERO, IS_ALPHA)                \
  {                                                                  \
    .function = "test",                                              \
    .slot = {[CUDROPI_X] = {"x", .types = (X)},                      \
             [CUDROPI_KEEP] = {"keep", .types = CUDROPI_BYTES},      \
             [CUDROPI_Y] = {"y", .types = (Y)}},                     \
    .leader = CUDROPI_Y, .keep = CUDROPI_KEEP, .at_zero = (AT_ZERO), \
    .above_zero = (ABOVE_ZERO), .is_alpha = (IS_ALPHA)               \
  }
#define FLOATS_OPERATOR(AT_ZERO, ABOVE_ZERO, IS_ALPHA) \
  OPERATOR(CUDROPI_FLOATS, CUDROPI_FLOATS, AT_ZERO, ABOVE_ZERO, IS_ALPHA)

static inline cudropi_call_t make_call(const cudropi_op_t *op, const cudrop_tensor_t *x,
                                       const cudrop_mask_t *mask,
                                       const cudrop_tensor_t *y) {
  return (cudropi_call_t){
      .op = op, .tensor = {[CUDROPI_X] = x, [CUDROPI_Y] = y}, .mask = mask};
}

#endif /* CUDROP_SAMPLE_OPERATORS_H */
