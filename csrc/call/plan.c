/* plan.c - from a checked call to numbers. */
#include "call/plan.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/status.h"
#include "core/tensor.h"

_Static_assert(offsetof(cudropi_plan_t, options) % 8 == 0, "options are not aligned");

/* ---- The rate ---------------------------------------------------------------------------- */

/* The value of a dropped SELU unit: -lambda * alpha of the SELU function. */
static const double alpha_prime = -1.7580993408473766;

cudropi_constants_t cudropi_constants(bool is_alpha, double p) {
  cudropi_constants_t constants = {.f32 = {.unused = 0.0f}};
  double scale = cudrop_mask_scale_f64(p);
  double shift = 0.0;
  if (is_alpha) {
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

/* Choose kernel and constants by the rate. A prepared draw has the kernel for any rate. */
static void plan_rate(cudropi_plan_t *plan) {
  const cudropi_op_t *op = plan->op;
  const double p = plan->draw.p;
  if (op->has_rows) return;
  plan->kernel = op->above_zero;
  if (plan->draw.source == CUDROPI_FROM_PREPARED) return;
  if (p <= 0.0) plan->kernel = op->at_zero;
  plan->constants = cudropi_constants(op->is_alpha, p);
}

cudropi_plan_t cudropi_plan_prepared(const cudropi_plan_t *plan) {
  cudropi_plan_t read = *plan;
  read.draw = cudropi_draw_prepared(&plan->draw);
  plan_rate(&read);
  return read;
}

/* ---- Dimensions -------------------------------------------------------------------------- */

/* List the strides of the mask and of every operand of the plan; returns how many. */
static int list_strides(cudropi_plan_t *plan, int64_t *strides[CUDROPI_SLOTS + 1]) {
  int count = 0;
  strides[count++] = plan->draw.index_stride;
  for (int k = 0; k < CUDROPI_SLOTS; ++k)
    if (cudropi_has(plan, k)) strides[count++] = plan->operand[k].stride;
  return count;
}

void cudropi_merge_dimensions(cudropi_plan_t *plan) {
  int64_t *strides[CUDROPI_SLOTS + 1];
  const int count = list_strides(plan, strides);
  int last = -1;
  for (int d = 0; d < plan->rank; ++d) {
    const int64_t size = plan->shape[d];
    bool is_one_piece = last >= 0;
    if (size == 1) continue;
    for (int k = 0; k < count && is_one_piece; ++k)
      is_one_piece = strides[k][last] == strides[k][d] * size;
    const int64_t outer = is_one_piece ? plan->shape[last] : 1;
    if (!is_one_piece) ++last;
    for (int k = 0; k < count; ++k) strides[k][last] = strides[k][d];
    plan->shape[last] = outer * size;
  }
  if (last < 0) plan->shape[++last] = 1;
  plan->rank = last + 1;
}

/* ---- The workspace ----------------------------------------------------------------------- */

/* Does the call have, in slot k, a vector that is a sum over rows? */
static bool is_sum(const cudropi_call_t *call, int k) {
  return call->tensor[k] != NULL && (call->op->slot[k].flags & CUDROPI_SUM) != 0;
}

/* Write to *bytes the size of partial sums and of the floats of each row; false past 63 bits. */
static bool count_bytes(const cudropi_op_t *op, uint32_t slots, int64_t rows,
                        int64_t cols, ptrdiff_t *bytes) {
  const int64_t size = sizeof(float), a_row = op->floats_a_row * size;
  const int64_t slabs = slots == CUDROPI_ANY_SLOTS
                            ? cudropi_most_slabs(rows, cols, op->has_whole_rows)
                            : cudropi_tile(rows, cols, op->has_whole_rows).slabs;
  int64_t a_col = 0;
  ptrdiff_t of_rows = 0;
  for (int k = 0; k < CUDROPI_SLOTS; ++k)
    if ((op->slot[k].flags & CUDROPI_SUM) != 0 && slots >> k & 1) a_col += size;
  return !__builtin_mul_overflow(a_col, cols, bytes) &&
         !__builtin_mul_overflow(*bytes, slabs, bytes) &&
         !__builtin_mul_overflow(a_row, rows, &of_rows) &&
         !__builtin_add_overflow(*bytes, of_rows, bytes);
}

cudrop_status_t cudropi_count_workspace(const char *function, const cudropi_op_t *op,
                                        uint32_t slots, int64_t rows, int64_t cols,
                                        size_t *bytes) {
  ptrdiff_t needed = 0;
  REQUIRE(op->most_rows == 0 || rows <= op->most_rows, CUDROP_ERROR_OVERFLOW,
          "%s: there are %lld rows, and the most is %lld", function, (long long)rows,
          (long long)op->most_rows);
  const bool fits =
      rows == 0 || cols == 0 ||
      (op->count_bytes != NULL ? op->count_bytes(slots, rows, cols, &needed)
                               : count_bytes(op, slots, rows, cols, &needed));
  REQUIRE(fits, CUDROP_ERROR_OVERFLOW,
          "%s: the workspace for %lld rows of %lld columns has more bytes than 63 bits "
          "count",
          function, (long long)rows, (long long)cols);
  *bytes = (size_t)needed;
  return CUDROP_OK;
}

/* Place partial sums and the floats of each row in the workspace. */
static void plan_workspace(cudropi_plan_t *plan, const cudropi_call_t *call) {
  float *next = call->workspace;
  plan->tiling = cudropi_tile(plan->rows, plan->cols, plan->op->has_whole_rows);
  if (!plan->op->has_workspace) return;
  for (int k = 0; k < CUDROPI_SLOTS; ++k) {
    if (!is_sum(call, k)) continue;
    plan->partial[k] = next;
    next += plan->tiling.slabs * plan->cols;
  }
  if (plan->op->floats_a_row > 0) plan->of_rows = next;
}

/* ---- The plan ---------------------------------------------------------------------------- */

static void plan_operand(cudropi_plan_t *plan, int k, const cudropi_call_t *call) {
  const cudropi_slot_t *slot = &plan->op->slot[k];
  const cudrop_tensor_t *tensor = call->tensor[k];
  cudropi_operand_t *operand = &plan->operand[k];
  if (tensor == NULL) return;
  operand->data = tensor->data;
  operand->dtype = tensor->dtype;
  operand->bits = cudropi_element_bits(slot, tensor->dtype);
  if (slot->extent == CUDROPI_EXTENT_FULL || slot->extent == CUDROPI_EXTENT_EACH)
    for (int d = 0; d < plan->rank; ++d) operand->stride[d] = tensor->stride[d];
}

/* Find the types of branch and residual stream. If one is absent, it has the type of the other. */
static void plan_types(cudropi_plan_t *plan) {
  for (int k = CUDROPI_SLOTS - 1; k >= 0; --k) {
    const cudropi_slot_t *slot = &plan->op->slot[k];
    if (!cudropi_has(plan, k) || slot->extent != CUDROPI_EXTENT_FULL ||
        slot->types != CUDROPI_ROW_FLOATS)
      continue;
    *((slot->flags & CUDROPI_STREAM) != 0 ? &plan->stream : &plan->branch) =
        plan->operand[k].dtype;
  }
  if (plan->branch == 0) plan->branch = plan->stream;
  if (plan->stream == 0) plan->stream = plan->branch;
}

static void plan_draw(cudropi_plan_t *plan, const cudropi_call_t *call,
                      const cudrop_tensor_t *leader) {
  const cudropi_op_t *op = plan->op;
  const bool is_brought = op->keep != 0 && call->tensor[op->keep] != NULL;
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_find_mask_shape(call, shape);
  plan->draw = cudropi_draw(call->mask, call->p, is_brought, leader->rank, shape);
  if (!op->has_rows) return;
  plan->mask_cols = shape[plan->rank];
  plan->index_step = plan->draw.index_stride[plan->rank];
  plan->draw.index_stride[plan->rank] = 0; /* columns are not in shape */
}

/* Make two dimensions of that of heads: [..., shared, group, queries]. */
static void split_heads(const cudropi_plan_t *plan, int heads, int64_t *stride) {
  stride[heads + 2] = stride[heads + 1];
  stride[heads + 1] = stride[heads];
  /* With one shared head the product means nothing, and could overflow. */
  if (plan->shape[heads] > 1) stride[heads] *= plan->shape[heads + 1];
}

/*
 * Give the tensors along the keys strides along the rows [..., heads, queries] of the leader, where
 * groups of heads read one shared head: all queries of a group begin at its first key. Without keys
 * the strides stay 0, for no rule keeps those of an empty tensor or mask small.
 */
static void plan_keys(cudropi_plan_t *plan, const cudropi_call_t *call) {
  const cudropi_op_t *op = plan->op;
  const int heads = plan->rank - 2;
  if (plan->mask_cols == 0)
    memset(plan->draw.index_stride, 0, sizeof plan->draw.index_stride);
  if (heads < 0) return;
  const int64_t shared = call->tensor[op->keys]->shape[heads];
  plan->shape[heads + 2] = plan->shape[heads + 1];
  plan->shape[heads + 1] = plan->shape[heads] / shared;
  plan->shape[heads] = shared;
  ++plan->rank;
  split_heads(plan, heads, plan->draw.index_stride);
  for (int k = 0; k < CUDROPI_SLOTS; ++k) {
    int64_t *stride = plan->operand[k].stride;
    if (!cudropi_has(plan, k)) continue;
    if (op->slot[k].extent != CUDROPI_EXTENT_KEYS) {
      split_heads(plan, heads, stride);
    } else if (plan->mask_cols > 0) {
      for (int d = 0; d <= heads; ++d) stride[d] = call->tensor[k]->stride[d];
    }
  }
}

/* Plan tensors without elements: shape becomes [0], because no rule keeps the sizes and strides
 * small. There may still be sums, over no rows. */
static void plan_nothing(cudropi_plan_t *plan) {
  plan->rank = 1;
  plan->shape[0] = 0;
}

cudropi_plan_t cudropi_plan(const cudropi_call_t *call) {
  const cudropi_op_t *op = call->op;
  const cudrop_tensor_t *leader = call->tensor[op->leader];
  cudropi_plan_t plan = {.op = op, .rank = leader->rank - op->has_rows};
  cudropi_count(leader->rank, leader->shape, &plan.n);
  for (int d = 0; d < plan.rank; ++d) plan.shape[d] = leader->shape[d];
  for (int k = 0; k < CUDROPI_SLOTS; ++k) plan_operand(&plan, k, call);
  plan_draw(&plan, call, leader);
  plan_rate(&plan);
  plan.adds_to_data = (call->accumulate & CUDROP_ACCUMULATE_DATA) != 0;
  plan.adds_to_parameters = (call->accumulate & CUDROP_ACCUMULATE_PARAMETERS) != 0;
  if (op->has_rows) {
    plan_types(&plan);
    cudropi_count(plan.rank, plan.shape, &plan.rows);
    plan.cols = leader->shape[plan.rank];
  }
  if (plan.n == 0) {
    plan_nothing(&plan);
  } else {
    if (op->keys != 0) plan_keys(&plan, call);
    cudropi_merge_dimensions(&plan);
    if (op->has_rows) plan_workspace(&plan, call);
  }
  if (op->plan != NULL) op->plan(call, &plan);
  return plan;
}
