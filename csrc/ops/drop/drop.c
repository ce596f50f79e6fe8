/* drop.c - the public elementwise operators. */
#include "ops/drop/drop.h"

#include "core/status.h"
#include "core/tensor.h"

#define IN(NAME, TYPES) \
  [CUDROPI_X] = {.name = (NAME), .types = (TYPES), .flags = CUDROPI_NEEDED}
#define KEEP(NAME, TYPES) \
  [CUDROPI_KEEP] = {.name = (NAME), .types = (TYPES), .flags = CUDROPI_NEEDED}
#define OUT(NAME, TYPES) \
  [CUDROPI_Y] = {        \
      .name = (NAME), .types = (TYPES), .flags = CUDROPI_NEEDED | CUDROPI_OUTPUT}

/* The kernels at p = 0 and at p > 0, and their launch function. */
#define KERNELS(AT_ZERO, ABOVE_ZERO, LAUNCH)                             \
  .leader = CUDROPI_Y, .at_zero = (AT_ZERO), .above_zero = (ABOVE_ZERO), \
  .launch = CUDROPI_LAUNCH(LAUNCH)
#define DROP KERNELS(CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_SCALE, cudropi_launch_drop)

static cudrop_status_t run_drawn(cudrop_context_t *context, const cudropi_op_t *op,
                                 const cudrop_tensor_t *x, const cudrop_mask_t *mask,
                                 const cudrop_tensor_t *y) {
  return cudropi_run(
      context, &(cudropi_call_t){
                   .op = op, .tensor = {[CUDROPI_X] = x, [CUDROPI_Y] = y}, .mask = mask});
}

static cudrop_status_t run_brought(cudrop_context_t *context, const cudropi_op_t *op,
                                   const cudrop_tensor_t *x, const cudrop_tensor_t *keep,
                                   double p, const cudrop_tensor_t *y) {
  return cudropi_run(
      context, &(cudropi_call_t){
                   .op = op,
                   .tensor = {[CUDROPI_X] = x, [CUDROPI_KEEP] = keep, [CUDROPI_Y] = y},
                   .p = p});
}

/* ---- Drop -------------------------------------------------------------------------------- */

cudrop_status_t cudrop_forward(cudrop_context_t *context, const cudrop_tensor_t *x,
                               const cudrop_mask_t *mask, const cudrop_tensor_t *y) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("x", CUDROPI_NUMBERS), OUT("y", CUDROPI_NUMBERS)},
      DROP};
  return run_drawn(context, &op, x, mask, y);
}

cudrop_status_t cudrop_backward(cudrop_context_t *context, const cudrop_tensor_t *dy,
                                const cudrop_mask_t *mask, const cudrop_tensor_t *dx) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("dy", CUDROPI_NUMBERS), OUT("dx", CUDROPI_NUMBERS)},
      DROP};
  return run_drawn(context, &op, dy, mask, dx);
}

cudrop_status_t cudrop_backward_accumulate(cudrop_context_t *context,
                                           const cudrop_tensor_t *dy,
                                           const cudrop_mask_t *mask,
                                           const cudrop_tensor_t *dx) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("dy", CUDROPI_FLOATS), OUT("dx", CUDROPI_FLOATS)},
      KERNELS(CUDROPI_KERNEL_ACCUMULATE, CUDROPI_KERNEL_ACCUMULATE, cudropi_launch_drop)};
  return run_drawn(context, &op, dy, mask, dx);
}

cudrop_status_t cudrop_apply_bytes(cudrop_context_t *context, const cudrop_tensor_t *x,
                                   const cudrop_tensor_t *keep, double p,
                                   const cudrop_tensor_t *y) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("x", CUDROPI_NUMBERS), KEEP("keep", CUDROPI_BYTES),
               OUT("y", CUDROPI_NUMBERS)},
      .keep = CUDROPI_KEEP,
      DROP};
  return run_brought(context, &op, x, keep, p, y);
}

cudrop_status_t cudrop_apply_bits(cudrop_context_t *context, const cudrop_tensor_t *x,
                                  const void *bits, double p, const cudrop_tensor_t *y) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("x", CUDROPI_NUMBERS), KEEP("bits", CUDROPI_BITS),
               OUT("y", CUDROPI_NUMBERS)},
      .keep = CUDROPI_KEEP,
      DROP};
  REQUIRE(x != NULL, CUDROP_ERROR_NULL_POINTER, "%s: x is NULL", __func__);
  const cudrop_tensor_t packed = cudropi_pack(bits, x->rank, x->shape);
  return run_brought(context, &op, x, &packed, p, y);
}

/* ---- Alpha dropout ----------------------------------------------------------------------- */

cudrop_status_t cudrop_alpha_forward(cudrop_context_t *context, const cudrop_tensor_t *x,
                                     const cudrop_mask_t *mask,
                                     const cudrop_tensor_t *y) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("x", CUDROPI_FLOATS), OUT("y", CUDROPI_FLOATS)},
      .is_alpha = true,
      KERNELS(CUDROPI_KERNEL_SELECT, CUDROPI_KERNEL_AFFINE, cudropi_launch_drop)};
  return run_drawn(context, &op, x, mask, y);
}

cudrop_status_t cudrop_alpha_backward(cudrop_context_t *context,
                                      const cudrop_tensor_t *dy,
                                      const cudrop_mask_t *mask,
                                      const cudrop_tensor_t *dx) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {IN("dy", CUDROPI_FLOATS), OUT("dx", CUDROPI_FLOATS)},
      .is_alpha = true,
      DROP};
  return run_drawn(context, &op, dy, mask, dx);
}

/* ---- The mask itself --------------------------------------------------------------------- */

cudrop_status_t cudrop_export_bits(cudrop_context_t *context, const cudrop_mask_t *mask,
                                   int rank, const int64_t *shape, void *bits) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {OUT("bits", CUDROPI_BITS)},
      KERNELS(CUDROPI_KERNEL_BITS, CUDROPI_KERNEL_BITS, cudropi_launch_bits)};
  REQUIRE(rank <= 0 || shape != NULL, CUDROP_ERROR_NULL_POINTER, "%s: shape is NULL",
          __func__);
  const cudrop_tensor_t packed = cudropi_pack(bits, rank, shape);
  return run_drawn(context, &op, NULL, mask, &packed);
}

cudrop_status_t cudrop_export_bytes(cudrop_context_t *context, const cudrop_mask_t *mask,
                                    const cudrop_tensor_t *keep) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {OUT("keep", CUDROPI_BYTES)},
      KERNELS(CUDROPI_KERNEL_BYTES, CUDROPI_KERNEL_BYTES, cudropi_launch_drop)};
  return run_drawn(context, &op, NULL, mask, keep);
}

cudrop_status_t cudrop_export_scale(cudrop_context_t *context, const cudrop_mask_t *mask,
                                    const cudrop_tensor_t *scale) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {OUT("scale", CUDROPI_NUMBERS)},
      KERNELS(CUDROPI_KERNEL_FILL, CUDROPI_KERNEL_FILL, cudropi_launch_drop)};
  return run_drawn(context, &op, NULL, mask, scale);
}

cudrop_status_t cudrop_count_kept(cudrop_context_t *context, const cudrop_mask_t *mask,
                                  int rank, const int64_t *shape, uint64_t *kept) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {OUT("kept", CUDROPI_TOTAL)},
      KERNELS(CUDROPI_KERNEL_COUNT, CUDROPI_KERNEL_COUNT, cudropi_launch_count)};
  REQUIRE(rank <= 0 || shape != NULL, CUDROP_ERROR_NULL_POINTER, "%s: shape is NULL",
          __func__);
  REQUIRE(kept != NULL, CUDROP_ERROR_NULL_POINTER, "%s: kept is NULL", __func__);
  cudrop_tensor_t total = cudropi_pack(kept, rank, shape);
  for (int d = 0; d < CUDROP_MAX_RANK; ++d) total.stride[d] = 0;
  return run_drawn(context, &op, NULL, mask, &total);
}
