/* plan.c - from a validated call to numbers. */
#include "plan.h"

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
  cudropi_constants_t constants;
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

static cudropi_source_t find_source(const cudropi_plan_t *plan, double p) {
  if (p >= 1.0) return CUDROPI_ALL_DROPPED;
  if (plan->keep.dtype != 0) return CUDROPI_FROM_OPERAND;
  return p > 0.0 ? CUDROPI_FROM_PHILOX : CUDROPI_ALL_KEPT;
}

void cudropi_plan_draw(cudropi_plan_t *plan, uint64_t seed, uint64_t offset, double p) {
  plan->kernel = p > 0.0 ? kernels[plan->op].above_zero : kernels[plan->op].at_zero;
  plan->source = find_source(plan, p);
  plan->seed = seed;
  plan->offset = offset;
  plan->p = p;
  plan->threshold = cudrop_mask_threshold(p);
  plan->constants = cudropi_constants(plan->op, p);
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
                              plan->index_stride};
  for (size_t k = 0; k < sizeof strides / sizeof strides[0]; ++k)
    if (strides[k][outer] != strides[k][inner] * plan->shape[inner]) return false;
  return true;
}

static void move_dimension(cudropi_plan_t *plan, int to, int from) {
  int64_t *strides[] = {plan->x.stride, plan->keep.stride, plan->y.stride,
                        plan->index_stride};
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

/* The draw of a mask whose seed and p are read when the work runs: its offset is added. */
static void plan_prepared(cudropi_plan_t *plan, const cudrop_mask_t *mask) {
  plan->kernel = kernels[plan->op].above_zero;
  plan->source = CUDROPI_FROM_PREPARED;
  plan->prepared = mask->prepared;
  plan->offset = mask->offset;
}

cudropi_plan_t cudropi_plan(const cudropi_call_t *call) {
  const cudrop_tensor_t *y = call->y.tensor;
  const cudrop_mask_t *mask = call->mask;
  cudropi_plan_t plan = {.op = call->op, .rank = y->rank};
  cudropi_count(y->rank, y->shape, &plan.n);
  memcpy(plan.shape, y->shape, sizeof plan.shape);
  plan.x = plan_operand(&call->x);
  plan.keep = plan_operand(&call->keep);
  plan.y = plan_operand(&call->y);
  if (mask == NULL) {
    cudropi_plan_draw(&plan, 0, 0, call->p);
  } else if (mask->prepared != NULL) {
    plan_prepared(&plan, mask);
  } else {
    cudropi_plan_draw(&plan, mask->seed, mask->offset, mask->p);
  }
  if (mask != NULL) plan.index_base = mask->index_base;
  if (mask != NULL && mask->index_rank > 0) {
    memcpy(plan.index_stride, mask->index_stride, sizeof plan.index_stride);
  } else if (mask != NULL) {
    cudropi_row_major(y->rank, y->shape, plan.index_stride);
  }
  cudropi_merge_dimensions(&plan);
  return plan;
}
