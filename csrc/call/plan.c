/* plan.c - from a validated call to numbers. */
#include "call/plan.h"

#include <math.h>
#include <string.h>

/* The value that a dropped SELU unit takes: -lambda * alpha of the SELU function. */
static const double alpha_prime = -1.7580993408473766;

/* p = 0 has a kernel of its own where it must leave the bits of x as they are. */
static const struct {
  cudropi_kernel_t at_zero, above_zero;
} kernels[] = {
    [CUDROPI_DROP] = {CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_SCALE},
    [CUDROPI_ACCUMULATE] = {CUDROPI_KERNEL_ACCUMULATE, CUDROPI_KERNEL_ACCUMULATE},
    [CUDROPI_ALPHA] = {CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_AFFINE},
    [CUDROPI_ALPHA_GRADIENT] = {CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_SCALE},
    [CUDROPI_EXPORT_BITS] = {CUDROPI_KERNEL_BITS, CUDROPI_KERNEL_BITS},
    [CUDROPI_EXPORT_BYTES] = {CUDROPI_KERNEL_BYTES, CUDROPI_KERNEL_BYTES},
    [CUDROPI_EXPORT_SCALE] = {CUDROPI_KERNEL_FILL, CUDROPI_KERNEL_FILL},
    [CUDROPI_COUNT_KEPT] = {CUDROPI_KERNEL_COUNT, CUDROPI_KERNEL_COUNT},
};

cudropi_constants_t cudropi_constants(cudropi_operator_t op, double p) {
  cudropi_constants_t constants = {.f32 = {.unused = 0.0f}};
  double scale = cudrop_mask_scale_f64(p);
  double shift = 0.0;
  if (op == CUDROPI_ALPHA || op == CUDROPI_ALPHA_GRADIENT) {
    scale =
        p < 1.0 ? 1.0 / sqrt((1.0 - p) * (1.0 + p * (alpha_prime * alpha_prime))) : 0.0;
    shift = -scale * alpha_prime * p;
  }
  constants.f64.scale = scale;
  constants.f64.shift = shift;
  constants.f64.dropped = scale * alpha_prime + shift;
  constants.f32.scale = (float)scale;
  constants.f32.shift = (float)shift;
  constants.f32.dropped = constants.f32.scale * (float)alpha_prime + constants.f32.shift;
  return constants;
}

/* Choose what depends on the rate. A prepared draw has the kernel of any rate. */
static void plan_rate(cudropi_plan_t *plan) {
  const double p = plan->draw.p;
  plan->kernel = kernels[plan->op].above_zero;
  if (plan->draw.source == CUDROPI_FROM_PREPARED) return;
  if (p <= 0.0) plan->kernel = kernels[plan->op].at_zero;
  plan->constants = cudropi_constants(plan->op, p);
}

cudropi_plan_t cudropi_plan_prepared(const cudropi_plan_t *plan) {
  cudropi_plan_t read = *plan;
  read.draw = cudropi_draw_prepared(&plan->draw);
  plan_rate(&read);
  return read;
}

static cudropi_operand_t plan_operand(const cudropi_argument_t *argument) {
  cudropi_operand_t operand = {.data = NULL};
  if (argument->name == NULL) return operand;
  operand.data = argument->tensor->data;
  operand.dtype = argument->tensor->dtype;
  memcpy(operand.stride, argument->tensor->stride, sizeof operand.stride);
  return operand;
}

/* Can dimension `outer` and the one inside it, `inner`, be walked as one in all views? */
static bool is_one_piece(const cudropi_plan_t *plan, int outer, int inner) {
  const int64_t *strides[] = {plan->x.stride, plan->keep.stride, plan->y.stride,
                              plan->draw.index_stride};
  for (size_t k = 0; k < sizeof strides / sizeof strides[0]; ++k)
    if (strides[k][outer] != strides[k][inner] * plan->shape[inner]) return false;
  return true;
}

static void move_dimension(cudropi_plan_t *plan, int to, int from) {
  int64_t *strides[] = {plan->x.stride, plan->keep.stride, plan->y.stride,
                        plan->draw.index_stride};
  for (size_t k = 0; k < sizeof strides / sizeof strides[0]; ++k)
    strides[k][to] = strides[k][from];
  plan->shape[to] = plan->shape[from];
}

void cudropi_merge_dimensions(cudropi_plan_t *plan) {
  int last = -1;
  if (plan->n == 0) { /* no rule keeps its other sizes and strides small */
    plan->rank = 1;
    plan->shape[0] = 0;
    return;
  }
  for (int d = 0; d < plan->rank; ++d) {
    if (plan->shape[d] == 1) continue;
    if (last >= 0 && is_one_piece(plan, last, d)) {
      const int64_t outer = plan->shape[last];
      move_dimension(plan, last, d);
      plan->shape[last] *= outer;
    } else {
      move_dimension(plan, ++last, d);
    }
  }
  if (last < 0) plan->shape[++last] = 1;
  plan->rank = last + 1;
}

cudropi_plan_t cudropi_plan(const cudropi_call_t *call) {
  const cudrop_tensor_t *y = call->y.tensor;
  cudropi_plan_t plan = {.op = call->op, .rank = y->rank};
  cudropi_count(y->rank, y->shape, &plan.n);
  memcpy(plan.shape, y->shape, sizeof plan.shape);
  plan.x = plan_operand(&call->x);
  plan.keep = plan_operand(&call->keep);
  plan.y = plan_operand(&call->y);
  plan.draw = cudropi_draw(call->mask, call->p, plan.keep.dtype != 0, y->rank, y->shape);
  plan_rate(&plan);
  cudropi_merge_dimensions(&plan);
  return plan;
}
