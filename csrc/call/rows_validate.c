/* rows_validate.c - the rules of operators on rows. */
#include <math.h>

#include "call/overlap.h"
#include "call/rows.h"
#include "call/validate.h"
#include "core/context.h"
#include "core/status.h"

enum { WORKSPACE_ALIGNMENT = 16 };

/* Of a workspace, as of a tensor: 63 bits count its bits. Overlaps are looked for in such numbers. */
static const uint64_t most_bytes = INT64_MAX / 8;

/* The argument as the rules take it; without a name if it is absent. */
static cudropi_argument_t get_argument(const cudropi_rows_call_t *call, int k) {
  static const cudropi_kind_t kinds[] = {
      [CUDROPI_TYPE_SAME] = CUDROPI_ROW_FLOATS,
      [CUDROPI_TYPE_SAME_OR_F32] = CUDROPI_ROW_FLOATS,
      [CUDROPI_TYPE_F32] = CUDROPI_ROW_FLOATS,
      [CUDROPI_TYPE_I32] = CUDROPI_INTEGERS,
      [CUDROPI_TYPE_INTERNAL] = CUDROPI_INTERNAL,
  };
  const cudropi_rows_argument_t *argument = &call->argument[k];
  return (cudropi_argument_t){
      .kind = kinds[argument->type],
      .name = argument->tensor != NULL ? argument->name : NULL,
      .tensor = argument->tensor,
  };
}

static bool is_empty(const cudrop_tensor_t *tensor) {
  int64_t n = 0;
  return cudropi_count(tensor->rank, tensor->shape, &n) && n == 0;
}

/* Dimension d of `argument` has the size of dimension e of `first`. */
static cudrop_status_t check_size(const char *function,
                                  const cudropi_argument_t *argument, int d,
                                  const cudropi_argument_t *first, int e) {
  REQUIRE(argument->tensor->shape[d] == first->tensor->shape[e], CUDROP_ERROR_SHAPE,
          "%s: %s has shape[%d] = %lld and %s has shape[%d] = %lld", function,
          argument->name, d, (long long)argument->tensor->shape[d], first->name, e,
          (long long)first->tensor->shape[e]);
  return CUDROP_OK;
}

/* The dimensions of `argument` are those of `first` from `from` on, `rank` of them. */
static cudrop_status_t check_dimensions(const char *function,
                                        const cudropi_argument_t *argument,
                                        const cudropi_argument_t *first, int from,
                                        int rank) {
  REQUIRE(argument->tensor->rank == rank, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and with %s of rank = %d it must be %d", function,
          argument->name, argument->tensor->rank, first->name, first->tensor->rank, rank);
  for (int d = 0; d < rank; ++d) TRY(check_size(function, argument, d, first, from + d));
  return CUDROP_OK;
}

/* A matrix whose rows are as long as those of `first`. */
static cudrop_status_t check_table(const char *function, const cudropi_argument_t *table,
                                   const cudropi_argument_t *first) {
  REQUIRE(table->tensor->rank == 2, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and a table has 2", function, table->name,
          table->tensor->rank);
  return check_size(function, table, 1, first, first->tensor->rank - 1);
}

/* A row of it for each place in the last dimension but one. */
static cudrop_status_t check_places(const char *function, const cudropi_argument_t *table,
                                    const cudropi_argument_t *first) {
  const int place = first->tensor->rank - 2;
  REQUIRE(place >= 0, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = 1, and places for %s are the dimension before the last",
          function, first->name, table->name);
  return check_size(function, table, 0, first, place);
}

static cudrop_status_t check_extent(const char *function, cudropi_extent_t extent,
                                    const cudropi_argument_t *argument,
                                    const cudropi_argument_t *first) {
  const cudrop_tensor_t *tensor = argument->tensor;
  const int outer = first->tensor->rank - 1;
  switch (extent) {
    case CUDROPI_EXTENT_ONE:
      return CUDROP_OK;
    case CUDROPI_EXTENT_EACH:
      return check_dimensions(function, argument, first, 0, outer);
    case CUDROPI_EXTENT_FIRST:
      return check_dimensions(function, argument, first, 0, 1);
    case CUDROPI_EXTENT_ROW:
      TRY(check_dimensions(function, argument, first, outer, 1));
      break;
    case CUDROPI_EXTENT_TABLE:
      TRY(check_table(function, argument, first));
      break;
    case CUDROPI_EXTENT_PLACES:
      TRY(check_table(function, argument, first));
      TRY(check_places(function, argument, first));
      break;
    default:
      TRY(cudropi_validate_same_shape(function, argument, first));
  }
  REQUIRE(tensor->stride[tensor->rank - 1] == 1 || tensor->shape[tensor->rank - 1] <= 1,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: %s has stride[%d] = %lld, and rows have 1",
          function, argument->name, tensor->rank - 1,
          (long long)tensor->stride[tensor->rank - 1]);
  return CUDROP_OK;
}

static cudrop_status_t check_type(const char *function, cudropi_type_rule_t rule,
                                  const cudropi_argument_t *argument,
                                  const cudropi_argument_t *first) {
  const cudrop_dtype_t dtype = argument->tensor->dtype, wanted = first->tensor->dtype;
  if (argument->kind != CUDROPI_ROW_FLOATS) return CUDROP_OK; /* a kind of one type */
  const bool may_follow = rule != CUDROPI_TYPE_F32;
  const bool may_be_f32 = rule != CUDROPI_TYPE_SAME;
  REQUIRE(may_follow || dtype == CUDROP_F32, CUDROP_ERROR_DTYPE,
          "%s: %s is %s, and must be F32", function, argument->name,
          cudropi_dtype_name(dtype));
  REQUIRE(dtype == wanted || (may_be_f32 && dtype == CUDROP_F32), CUDROP_ERROR_DTYPE,
          "%s: %s is %s and %s is %s", function, argument->name,
          cudropi_dtype_name(dtype), first->name, cudropi_dtype_name(wanted));
  return CUDROP_OK;
}

/* Each argument by itself, and beside the first. */
static cudrop_status_t check_arguments(const cudropi_rows_call_t *call) {
  const char *function = call->function;
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k) {
    const cudropi_rows_argument_t *argument = &call->argument[k];
    const cudropi_argument_t checked = get_argument(call, k);
    REQUIRE(argument->tensor != NULL || !argument->is_needed, CUDROP_ERROR_NULL_POINTER,
            "%s: %s is NULL", function, argument->name);
    TRY(cudropi_validate_argument(function, &checked));
  }
  const cudropi_argument_t first = get_argument(call, (int)call->first);
  REQUIRE(first.tensor->rank >= 1, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 0, and rows need a dimension", function, first.name);
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k) {
    const cudropi_rows_argument_t *argument = &call->argument[k];
    const cudropi_argument_t checked = get_argument(call, k);
    if (checked.name == NULL) continue;
    TRY(check_extent(function, argument->extent, &checked, &first));
    TRY(check_type(function, argument->type, &checked, &first));
  }
  return CUDROP_OK;
}

static cudrop_status_t check_options(const cudropi_rows_call_t *call) {
  static const int is_activation[] = {
#define IS_ACTIVATION(name, value) [value] = 1,
      CUDROP_ACTIVATION_LIST(IS_ACTIVATION)
#undef IS_ACTIVATION
  };
  const uint32_t bits = CUDROP_ACCUMULATE_DATA | CUDROP_ACCUMULATE_PARAMETERS;
  REQUIRE((size_t)call->activation < sizeof is_activation / sizeof is_activation[0],
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: activation = %d does not exist",
          call->function, (int)call->activation);
  REQUIRE((call->accumulate & ~bits) == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: accumulate = %#x has bits beside those of cudrop_accumulate_t",
          call->function, (unsigned)call->accumulate);
  REQUIRE(
      call->op != CUDROPI_ROWS_NORM || (call->epsilon > 0.0f && isfinite(call->epsilon)),
      CUDROP_ERROR_INVALID_ARGUMENT, "%s: epsilon = %g is not finite and above 0",
      call->function, (double)call->epsilon);
  return CUDROP_OK;
}

static cudrop_status_t check_attention(const cudropi_rows_call_t *call) {
  const char *function = call->function;
  const cudropi_attention_t *attention = call->attention;
  const cudropi_rows_argument_t *first = &call->argument[call->first];
  if (attention == NULL) return CUDROP_OK;
  REQUIRE(first->tensor->rank >= 2, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 1, and queries and keys are 2 dimensions", function,
          first->name);
  REQUIRE(isfinite(attention->scale), CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: scale = %g is not finite", function, (double)attention->scale);
  REQUIRE(attention->causal == 0 || attention->causal == 1, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: causal = %d is neither 0 nor 1", function, attention->causal);
  REQUIRE(attention->query_offset >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: query_offset = %lld is negative", function,
          (long long)attention->query_offset);
  REQUIRE(attention->query_offset == 0 || attention->causal,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: query_offset = %lld means nothing without causal", function,
          (long long)attention->query_offset);
  return CUDROP_OK;
}

/* The ids that are in range. */
static cudrop_status_t check_lookup(const cudropi_rows_call_t *call) {
  const char *function = call->function;
  const cudrop_tensor_t *dtokens = call->argument[CUDROPI_ROWS_DTOKENS].tensor;
  if (call->op != CUDROPI_ROWS_EMBEDDING_GRADIENT) return CUDROP_OK;
  REQUIRE(call->vocabulary > 0 || dtokens != NULL, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: vocabulary = %lld, and without dtokens it is above 0", function,
          (long long)call->vocabulary);
  REQUIRE(
      call->vocabulary == 0 || dtokens == NULL || call->vocabulary == dtokens->shape[0],
      CUDROP_ERROR_SHAPE, "%s: vocabulary = %lld and dtokens has shape[0] = %lld",
      function, (long long)call->vocabulary,
      (long long)(dtokens != NULL ? dtokens->shape[0] : 0));
  return CUDROP_OK;
}

/* A mask, or bits with a rate, or neither. */
static cudrop_status_t check_mask(const cudropi_rows_call_t *call) {
  const char *function = call->function;
  const bool has_bits = call->argument[CUDROPI_ROWS_BITS].tensor != NULL;
  const cudropi_argument_t first = get_argument(call, (int)call->first);
  char text[CUDROPI_NUMBER_SIZE];
  REQUIRE(call->mask == NULL || !has_bits, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: mask and bits are both there, and one of them drops", function);
  REQUIRE(call->p == 0.0 || has_bits, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: p = %s is the rate of bits, and bits is NULL", function,
          cudropi_number(call->p, text));
  if (has_bits) return cudropi_validate_rate(function, call->p);
  return call->mask == NULL ? CUDROP_OK
                            : cudropi_validate_mask(function, call->mask, &first);
}

static cudrop_status_t check_workspace(const cudropi_rows_call_t *call, size_t needed) {
  const cudropi_workspace_t *workspace = &call->workspace;
  if (needed == 0) return CUDROP_OK;
  REQUIRE(workspace->bytes >= needed, CUDROP_ERROR_WORKSPACE,
          "%s: workspace_bytes = %zu, and %s_workspace() says %zu", call->function,
          workspace->bytes, call->function, needed);
  REQUIRE(workspace->memory != NULL, CUDROP_ERROR_NULL_POINTER, "%s: workspace is NULL",
          call->function);
  REQUIRE((uintptr_t)workspace->memory % WORKSPACE_ALIGNMENT == 0,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: workspace = %p is not aligned to %d bytes",
          call->function, workspace->memory, WORKSPACE_ALIGNMENT);
  REQUIRE(needed <= most_bytes && needed <= UINTPTR_MAX - (uintptr_t)workspace->memory,
          CUDROP_ERROR_OVERFLOW, "%s: workspace spans more memory than 63 bits address",
          call->function);
  return CUDROP_OK;
}

/* The workspace is written: the block of a prepared mask is not in it. */
static cudrop_status_t check_block(const cudropi_rows_call_t *call, size_t needed) {
  if (needed == 0 || call->mask == NULL || call->mask->prepared == NULL) return CUDROP_OK;
  const cudropi_footprint_t block = {.address = (uintptr_t)call->mask->prepared,
                                     .width = CUDROP_PREPARED_BYTES};
  const cudropi_footprint_t workspace = {.address = (uintptr_t)call->workspace.memory,
                                         .width = (int64_t)needed};
  REQUIRE(!cudropi_may_meet(&block, &workspace), CUDROP_ERROR_OVERLAP,
          "%s: workspace overlaps %s", call->function, cudropi_block_name);
  return CUDROP_OK;
}

/* Outputs against everything else, and the workspace against everything. */
static cudrop_status_t check_overlaps(const cudropi_rows_call_t *call, size_t needed) {
  const char *function = call->function;
  TRY(check_block(call, needed));
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k) {
    const cudropi_argument_t argument = get_argument(call, k);
    if (argument.name == NULL) continue;
    TRY(cudropi_validate_apart(function, "workspace", call->workspace.memory, needed,
                               &argument));
    if (!call->argument[k].is_output) continue;
    TRY(cudropi_validate_output(function, &argument));
    if (call->mask != NULL)
      TRY(cudropi_validate_apart(function, cudropi_block_name, call->mask->prepared,
                                 CUDROP_PREPARED_BYTES, &argument));
    for (int other = 0; other < CUDROPI_ROWS_OPERANDS; ++other) {
      const cudropi_argument_t input = get_argument(call, other);
      if (other == k || input.name == NULL) continue;
      const bool may_be_same = call->argument[k].extent == CUDROPI_EXTENT_FULL &&
                               call->argument[other].extent == CUDROPI_EXTENT_FULL &&
                               !call->argument[other].is_output;
      TRY(cudropi_validate_pair(function, &input, &argument, may_be_same));
    }
  }
  return CUDROP_OK;
}

static cudrop_status_t check_residence(const cudrop_context_t *context,
                                       const cudropi_rows_call_t *call, size_t needed) {
  const cudropi_backend_t *backend = context->backend;
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k) {
    const cudropi_argument_t argument = get_argument(call, k);
    if (argument.name == NULL || is_empty(argument.tensor)) continue;
    TRY(backend->check_memory(context, call->function, argument.name,
                              argument.tensor->data));
  }
  if (needed > 0)
    TRY(backend->check_memory(context, call->function, "workspace",
                              call->workspace.memory));
  if (call->mask == NULL || call->mask->prepared == NULL) return CUDROP_OK;
  return backend->check_memory(context, call->function, "prepared", call->mask->prepared);
}

cudrop_status_t cudropi_rows_query(const cudropi_rows_call_t *call, size_t *bytes) {
  const cudropi_argument_t first = get_argument(call, (int)call->first);
  REQUIRE(bytes != NULL, CUDROP_ERROR_NULL_POINTER, "%s: bytes is NULL", call->function);
  REQUIRE(first.name != NULL, CUDROP_ERROR_NULL_POINTER, "%s: %s is NULL", call->function,
          call->argument[call->first].name);
  TRY(cudropi_validate_shape(call->function, &first));
  REQUIRE(first.tensor->rank >= 1, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 0, and rows need a dimension", call->function, first.name);
  return cudropi_rows_workspace(call, bytes);
}

cudrop_status_t cudropi_rows_validate(const cudrop_context_t *context,
                                      const cudropi_rows_call_t *call) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL",
          call->function);
  TRY(check_arguments(call));
  TRY(check_options(call));
  TRY(check_attention(call));
  TRY(check_lookup(call));
  TRY(check_mask(call));
  size_t needed = 0;
  TRY(cudropi_rows_workspace(call, &needed));
  TRY(check_workspace(call, needed));
  TRY(check_overlaps(call, needed));
  return check_residence(context, call, needed);
}
