/* check.c - the rules of every operator, in their order. Each text names function, value and
 * rule. */
#include "call/check.h"

#include "call/plan.h"
#include "core/context.h"
#include "core/status.h"
#include "core/tensor.h"

/* ---- The workspace ----------------------------------------------------------------------- */

enum { WORKSPACE_ALIGNMENT = 16 };

/* The most bytes of a workspace. Its size in bits fits int64_t, as that of a tensor does, and so do
 * the sums of overlap.c. */
static const uint64_t most_bytes = INT64_MAX / 8;

/* Count the workspace that the call needs. */
static cudrop_status_t count_workspace(cudropi_check_t *check) {
  const cudropi_call_t *call = check->call;
  const cudrop_tensor_t *leader = check->leader.tensor;
  const int outer = leader->rank - 1;
  int64_t rows = 0;
  uint32_t slots = 0;
  for (int k = 0; k < CUDROPI_SLOTS; ++k)
    slots |= (uint32_t)(call->tensor[k] != NULL) << k;
  /* The product overflows only where cols is 0: check_shape() has counted all elements. */
  if (!cudropi_count(outer, leader->shape, &rows)) rows = INT64_MAX;
  return cudropi_count_workspace(check->function, call->op, slots, rows,
                                 leader->shape[outer], &check->workspace_bytes);
}

static cudrop_status_t check_workspace(cudropi_check_t *check) {
  const cudropi_call_t *call = check->call;
  const char *function = check->function;
  check->workspace_bytes = 0;
  if (!call->op->has_workspace) return CUDROP_OK;
  TRY(count_workspace(check));
  const size_t needed = check->workspace_bytes;
  if (needed == 0) return CUDROP_OK;
  REQUIRE(call->workspace_bytes >= needed, CUDROP_ERROR_WORKSPACE,
          "%s: workspace_bytes = %zu, and %zu are needed; see %s_workspace()", function,
          call->workspace_bytes, needed, function);
  REQUIRE(call->workspace != NULL, CUDROP_ERROR_NULL_POINTER, "%s: workspace is NULL",
          function);
  REQUIRE((uintptr_t)call->workspace % WORKSPACE_ALIGNMENT == 0,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: workspace = %p is not aligned to %d bytes",
          function, call->workspace, WORKSPACE_ALIGNMENT);
  REQUIRE(needed <= most_bytes && needed <= UINTPTR_MAX - (uintptr_t)call->workspace,
          CUDROP_ERROR_OVERFLOW, "%s: workspace spans more memory than 63 bits address",
          function);
  return CUDROP_OK;
}

cudrop_status_t cudropi_query(const char *function, const cudropi_op_t *op, int64_t rows,
                              int64_t cols, size_t *bytes) {
  REQUIRE(bytes != NULL, CUDROP_ERROR_NULL_POINTER, "%s: bytes is NULL", function);
  REQUIRE(rows >= 0 && cols >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: rows = %lld and cols = %lld, of which one is negative", function,
          (long long)rows, (long long)cols);
  return cudropi_count_workspace(function, op, CUDROPI_ANY_SLOTS, rows, cols, bytes);
}

/* ---- A call ------------------------------------------------------------------------------ */

cudrop_status_t cudropi_check_reserved(const char *function, const char *name,
                                       const uint64_t reserved[CUDROP_RESERVED]) {
  for (int k = 0; k < CUDROP_RESERVED; ++k)
    REQUIRE(reserved[k] == 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: %s has reserved[%d] = %#llx, which must be 0", function, name, k,
            (unsigned long long)reserved[k]);
  return CUDROP_OK;
}

static cudrop_status_t check_accumulate(const cudropi_check_t *check) {
  const uint32_t bits = CUDROP_ACCUMULATE_DATA | CUDROP_ACCUMULATE_PARAMETERS;
  REQUIRE((check->call->accumulate & ~bits) == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: accumulate = %#x has bits beside those of cudrop_accumulate_t",
          check->function, (unsigned)check->call->accumulate);
  return CUDROP_OK;
}

/* Check that the backend reaches all memory of the call. */
static cudrop_status_t check_residence(const cudrop_context_t *context,
                                       const cudropi_check_t *check) {
  const cudropi_backend_t *backend = context->backend;
  const cudropi_call_t *call = check->call;
  for (int k = 0; k < check->count; ++k) {
    const cudropi_argument_t *arg = &check->argument[k];
    if (!cudropi_has_memory(arg)) continue;
    TRY(backend->check_memory(context, check->function, arg->slot->name,
                              arg->tensor->data));
  }
  if (check->workspace_bytes > 0)
    TRY(backend->check_memory(context, check->function, "workspace", call->workspace));
  if (call->mask == NULL || call->mask->prepared == NULL) return CUDROP_OK;
  return backend->check_memory(context, check->function, "prepared",
                               call->mask->prepared);
}

cudrop_status_t cudropi_check(const cudrop_context_t *context,
                              const cudropi_call_t *call) {
  const cudropi_op_t *op = call->op;
  const cudropi_slot_t *slot = &op->slot[op->leader];
  cudropi_check_t check;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL",
          op->function);
  REQUIRE(call->tensor[op->leader] != NULL, CUDROP_ERROR_NULL_POINTER, "%s: %s is NULL",
          op->function, slot->name);
  check.call = call;
  check.function = op->function;
  check.leader = (cudropi_argument_t){.slot = slot, .tensor = call->tensor[op->leader]};
  check.count = 0;
  TRY(cudropi_check_arguments(&check));
  TRY(check_accumulate(&check));
  if (call->op->check != NULL) TRY(call->op->check(call));
  TRY(cudropi_check_mask(&check));
  TRY(check_workspace(&check));
  TRY(cudropi_check_overlaps(&check));
  return check_residence(context, &check);
}
