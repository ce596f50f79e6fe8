/* check_overlaps.c - the rules of memory that tensors, workspace and prepared block share. */
#include "call/check.h"
#include "call/overlap.h"
#include "core/status.h"
#include "ops/prepare/prepare.h"

static const char block_name[] = "the block of the prepared mask";

static cudropi_footprint_t find_footprint(const cudropi_argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int64_t bytes = cudropi_element_bits(arg->slot, tensor->dtype) / 8;
  cudropi_footprint_t view = {.address = (uintptr_t)tensor->data, .width = bytes};
  if (cudropi_is_made_by_library(arg->slot)) { /* in one piece */
    view.width = (int64_t)(arg->high - arg->low);
    return view;
  }
  view.rank = tensor->rank;
  for (int d = 0; d < view.rank; ++d) {
    view.shape[d] = tensor->shape[d];
    view.stride[d] = tensor->shape[d] > 1 ? tensor->stride[d] * bytes : 0;
  }
  return view;
}

static bool is_row_major(const cudrop_tensor_t *tensor) {
  int64_t step = 1;
  for (int d = tensor->rank - 1; d >= 0; --d) {
    if (tensor->shape[d] != 1 && tensor->stride[d] != step) return false;
    step *= tensor->shape[d];
  }
  return true;
}

/* Check that no two elements of an output share memory. */
static cudrop_status_t check_output(const cudropi_check_t *check,
                                    const cudropi_argument_t *output) {
  if (cudropi_is_made_by_library(output->slot) || is_row_major(output->tensor))
    return CUDROP_OK;
  const cudropi_footprint_t footprint = find_footprint(output);
  REQUIRE(!cudropi_may_repeat(&footprint), CUDROP_ERROR_OVERLAP,
          "%s: %s has strides that put two elements in one place", check->function,
          output->slot->name);
  return CUDROP_OK;
}

static bool is_same_view(const cudropi_argument_t *a, const cudropi_argument_t *b) {
  const cudrop_tensor_t *x = a->tensor, *y = b->tensor;
  bool same = x->data == y->data && x->dtype == y->dtype &&
              cudropi_is_made_by_library(a->slot) == cudropi_is_made_by_library(b->slot);
  for (int d = 0; d < x->rank && same; ++d)
    same = x->stride[d] == y->stride[d] || x->shape[d] <= 1;
  return same;
}

static bool may_meet(const cudropi_argument_t *a, const cudropi_argument_t *b) {
  if (a->high <= b->low || b->high <= a->low) return false;
  const cudropi_footprint_t at = find_footprint(a), bt = find_footprint(b);
  return cudropi_may_meet(&at, &bt);
}

/* Check that an output shares no byte with another argument. Exception: a full output may be the
 * same view as a full input, whose elements it replaces. */
static cudrop_status_t check_pair(const cudropi_check_t *check,
                                  const cudropi_argument_t *output,
                                  const cudropi_argument_t *other) {
  const bool may_be_same = output->slot->extent == CUDROPI_EXTENT_FULL &&
                           other->slot->extent == CUDROPI_EXTENT_FULL &&
                           (other->slot->flags & CUDROPI_OUTPUT) == 0;
  if (!cudropi_has_memory(other) || (may_be_same && is_same_view(other, output)))
    return CUDROP_OK;
  const bool is_type = other->tensor->dtype == output->tensor->dtype;
  const char *why = !may_be_same || other->slot->types > CUDROPI_ROW_FLOATS ? ""
                    : is_type ? " without being the same tensor"
                              : ", which has another type";
  REQUIRE(!may_meet(other, output), CUDROP_ERROR_OVERLAP, "%s: %s overlaps %s%s",
          check->function, output->slot->name, other->slot->name, why);
  return CUDROP_OK;
}

/* Check that an argument shares no byte with a block of memory. */
static cudrop_status_t check_apart(const cudropi_check_t *check, const char *name,
                                   const void *memory, size_t bytes,
                                   const cudropi_argument_t *arg) {
  const uintptr_t low = (uintptr_t)memory, high = low + bytes;
  if (memory == NULL || high <= arg->low || arg->high <= low) return CUDROP_OK;
  const cudropi_footprint_t block = {.address = low, .width = (int64_t)bytes};
  const cudropi_footprint_t view = find_footprint(arg);
  REQUIRE(!cudropi_may_meet(&block, &view), CUDROP_ERROR_OVERLAP, "%s: %s overlaps %s",
          check->function, arg->slot->name, name);
  return CUDROP_OK;
}

cudrop_status_t cudropi_check_overlaps(const cudropi_check_t *check) {
  const cudropi_call_t *call = check->call;
  const void *workspace = check->workspace_bytes > 0 ? call->workspace : NULL;
  const void *block = call->mask != NULL ? call->mask->prepared : NULL;
  const uintptr_t from = (uintptr_t)workspace, to = (uintptr_t)block;
  REQUIRE(workspace == NULL || block == NULL || to + CUDROPI_PREPARED_BYTES <= from ||
              from + check->workspace_bytes <= to,
          CUDROP_ERROR_OVERLAP, "%s: workspace overlaps %s", check->function, block_name);
  for (int k = 0; k < check->count; ++k) {
    const cudropi_argument_t *arg = &check->argument[k];
    if (!cudropi_has_memory(arg)) continue;
    TRY(check_apart(check, "workspace", workspace, check->workspace_bytes, arg));
    if ((arg->slot->flags & CUDROPI_OUTPUT) == 0) continue;
    TRY(check_output(check, arg));
    TRY(check_apart(check, block_name, block, CUDROPI_PREPARED_BYTES, arg));
    for (int other = 0; other < check->count; ++other)
      if (other != k) TRY(check_pair(check, arg, &check->argument[other]));
  }
  return CUDROP_OK;
}
