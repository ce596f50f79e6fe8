/* fused.h - y = residual + drop(act(x + bias)) and its gradient: shared declarations. */
#ifndef CUDROP_FUSED_H
#define CUDROP_FUSED_H

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDROPI_FUSED_X, CUDROPI_FUSED_BIAS, CUDROPI_FUSED_RESIDUAL, CUDROPI_FUSED_Y };
enum {
  CUDROPI_FUSED_GRADIENT_DY,
  CUDROPI_FUSED_GRADIENT_X,
  CUDROPI_FUSED_GRADIENT_BIAS,
  CUDROPI_FUSED_GRADIENT_DX,
  CUDROPI_FUSED_GRADIENT_DBIAS
};

typedef struct {
  cudrop_activation_t activation;
} cudropi_fused_t;

static inline const cudropi_fused_t *cudropi_fused(const cudropi_plan_t *plan) {
  return (const cudropi_fused_t *)(const void *)plan->options;
}

CUDROPI_DECLARE_HOST(cudropi_fused_forward);
CUDROPI_DECLARE_HOST(cudropi_fused_gradient);
int cudropi_launch_fused(const struct cudropi_work *work);
int cudropi_launch_fused_gradient(const struct cudropi_work *work);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_FUSED_H */
