/* check_arguments.c - the rules of the slots: shapes, types, and data that is there. */
#include "call/check.h"
#include "core/status.h"
#include "core/tensor.h"

/* ---- An argument by itself --------------------------------------------------------------- */

/* Check rank and sizes, and write the number of elements to arg->n. */
static cudrop_status_t check_shape(const char *function, cudropi_argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const char *name = arg->slot->name;
  REQUIRE(tensor->rank >= 0 && tensor->rank <= CUDROP_MAX_RANK,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: %s has rank = %d, outside [0, %d]",
          function, name, tensor->rank, CUDROP_MAX_RANK);
  for (int d = 0; d < tensor->rank; ++d) {
    REQUIRE(tensor->shape[d] >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: %s has shape[%d] = %lld, which is negative", function, name, d,
            (long long)tensor->shape[d]);
  }
  REQUIRE(cudropi_count(tensor->rank, tensor->shape, &arg->n), CUDROP_ERROR_OVERFLOW,
          "%s: %s has more elements than 63 bits count", function, name);
  return CUDROP_OK;
}

static bool is_type(cudropi_types_t types, cudrop_dtype_t dtype) {
  const bool is_row_float =
      dtype == CUDROP_F32 || dtype == CUDROP_F16 || dtype == CUDROP_BF16;
  const bool is_float = is_row_float || dtype == CUDROP_F64;
  switch (types) {
    case CUDROPI_FLOATS:
      return is_float;
    case CUDROPI_NUMBERS:
      return is_float || dtype == CUDROP_F8E4M3 || dtype == CUDROP_F8E5M2;
    case CUDROPI_ROW_FLOATS:
      return is_row_float;
    case CUDROPI_ONLY_F32:
      return dtype == CUDROP_F32;
    case CUDROPI_BYTES:
      return dtype == CUDROP_U8;
    case CUDROPI_INTEGERS:
      return dtype == CUDROP_I32 || dtype == CUDROP_I64;
    default:
      return true;
  }
}

static cudrop_status_t check_dtype(const char *function, const cudropi_argument_t *arg) {
  static const char *const texts[] = {[CUDROPI_FLOATS] = "F32, F16, BF16 or F64",
                                      [CUDROPI_NUMBERS] = "F32, F16, BF16, F64 or F8",
                                      [CUDROPI_ROW_FLOATS] = "F32, F16 or BF16",
                                      [CUDROPI_ONLY_F32] = "F32",
                                      [CUDROPI_BYTES] = "U8",
                                      [CUDROPI_INTEGERS] = "I32 or I64"};
  const cudropi_types_t types = (cudropi_types_t)arg->slot->types;
  const cudrop_dtype_t dtype = arg->tensor->dtype;
  REQUIRE(is_type(types, dtype), CUDROP_ERROR_DTYPE,
          "%s: %s has dtype = %d (%s), which is not %s", function, arg->slot->name,
          (int)dtype, cudropi_dtype_name(dtype), texts[types]);
  return CUDROP_OK;
}

/* Write to *low and *high the bytes that the elements span, relative to data. False if the number
 * of their bits overflows 63 bits. */
static bool find_span(const cudropi_argument_t *arg, int64_t *low, int64_t *high) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int64_t bits = cudropi_element_bits(arg->slot, tensor->dtype);
  bool fits = true;
  *low = 0;
  *high = bits;
  for (int d = 0; d < tensor->rank; ++d) {
    int64_t extent = 0;
    fits = fits &&
           !__builtin_mul_overflow(tensor->shape[d] - 1, tensor->stride[d], &extent) &&
           !__builtin_mul_overflow(extent, bits, &extent) &&
           !__builtin_add_overflow(extent < 0 ? *low : *high, extent,
                                   extent < 0 ? low : high);
  }
  *low = *low / 8;
  *high = *high / 8 + (*high % 8 != 0);
  return fits;
}

/* Check that data is not NULL, is aligned and lies within the address space; write the span of the
 * elements to *arg. */
static cudrop_status_t check_data(const char *function, cudropi_argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int32_t bits = cudropi_element_bits(arg->slot, tensor->dtype);
  const uint32_t bytes = bits < 8 ? 1 : (uint32_t)bits / 8;
  const uintptr_t address = (uintptr_t)tensor->data;
  int64_t low = 0, high = 0;
  REQUIRE(address != 0, CUDROP_ERROR_NULL_POINTER, "%s: %s%s NULL", function,
          arg->slot->name, cudropi_is_made_by_library(arg->slot) ? " is" : " has data =");
  REQUIRE(address % bytes == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has data = %p, which is not aligned to its %d bytes an element",
          function, arg->slot->name, tensor->data, (int)bytes);
  const bool fits = find_span(arg, &low, &high) && (uint64_t)-low <= address &&
                    (uint64_t)high < UINTPTR_MAX - address;
  REQUIRE(fits, CUDROP_ERROR_OVERFLOW, "%s: %s spans more memory than 63 bits address",
          function, arg->slot->name);
  arg->low = address + (uint64_t)low;
  arg->high = address + (uint64_t)high;
  return CUDROP_OK;
}

static cudrop_status_t check_argument(const char *function, cudropi_argument_t *arg) {
  TRY(check_shape(function, arg));
  TRY(check_dtype(function, arg));
  if (arg->n == 0 && arg->slot->types != CUDROPI_TOTAL) return CUDROP_OK;
  return check_data(function, arg);
}

/* ---- An argument beside the leader ------------------------------------------------------- */

/* Check that dimension d of the argument has the size of dimension e of the leader. */
static cudrop_status_t check_size(const cudropi_check_t *check,
                                  const cudropi_argument_t *arg, int d, int e) {
  const cudropi_argument_t *leader = &check->leader;
  REQUIRE(arg->tensor->shape[d] == leader->tensor->shape[e], CUDROP_ERROR_SHAPE,
          "%s: %s has shape[%d] = %lld and %s has shape[%d] = %lld", check->function,
          arg->slot->name, d, (long long)arg->tensor->shape[d], leader->slot->name, e,
          (long long)leader->tensor->shape[e]);
  return CUDROP_OK;
}

/* Check that the argument has rank `rank` and the leader's sizes from dimension `from` on. */
static cudrop_status_t check_dimensions(const cudropi_check_t *check,
                                        const cudropi_argument_t *arg, int from,
                                        int rank) {
  const cudropi_argument_t *leader = &check->leader;
  REQUIRE(arg->tensor->rank == rank, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and with %s of rank = %d it must be %d", check->function,
          arg->slot->name, arg->tensor->rank, leader->slot->name, leader->tensor->rank,
          rank);
  for (int d = 0; d < rank; ++d) TRY(check_size(check, arg, d, from + d));
  return CUDROP_OK;
}

static cudrop_status_t check_same_shape(const cudropi_check_t *check,
                                        const cudropi_argument_t *arg) {
  const cudropi_argument_t *leader = &check->leader;
  REQUIRE(arg->tensor->rank == leader->tensor->rank, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d and %s has rank = %d", check->function, arg->slot->name,
          arg->tensor->rank, leader->slot->name, leader->tensor->rank);
  for (int d = 0; d < arg->tensor->rank; ++d) {
    REQUIRE(arg->tensor->shape[d] == leader->tensor->shape[d], CUDROP_ERROR_SHAPE,
            "%s: %s has shape[%d] = %lld and %s has %lld", check->function,
            arg->slot->name, d, (long long)arg->tensor->shape[d], leader->slot->name,
            (long long)leader->tensor->shape[d]);
  }
  return CUDROP_OK;
}

/* Check that the argument's sizes are the leader's first ones, without the leader's last. */
static cudrop_status_t check_leading(const cudropi_check_t *check,
                                     const cudropi_argument_t *arg) {
  const int outer = check->leader.tensor->rank - 1, rank = arg->tensor->rank;
  REQUIRE(outer >= 1, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 1, and %s is for dimensions before the last",
          check->function, check->leader.slot->name, arg->slot->name);
  REQUIRE(rank >= 1 && rank <= outer, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and with %s of rank = %d it must be 1 to %d",
          check->function, arg->slot->name, rank, check->leader.slot->name, outer + 1,
          outer);
  for (int d = 0; d < rank; ++d) TRY(check_size(check, arg, d, d));
  return CUDROP_OK;
}

/* Check that a table is a matrix whose rows are as long as the leader's. */
static cudrop_status_t check_table(const cudropi_check_t *check,
                                   const cudropi_argument_t *table) {
  REQUIRE(table->tensor->rank == 2, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and a table has 2", check->function, table->slot->name,
          table->tensor->rank);
  return check_size(check, table, 1, check->leader.tensor->rank - 1);
}

/* Check that a table has one row for each place in the leader's last dimension but one. */
static cudrop_status_t check_places(const cudropi_check_t *check,
                                    const cudropi_argument_t *table) {
  const int place = check->leader.tensor->rank - 2;
  REQUIRE(place >= 0, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = 1, and places for %s are the dimension before the last",
          check->function, check->leader.slot->name, table->slot->name);
  return check_size(check, table, 0, place);
}

/* Check dimension d, the one of heads, of a tensor along the keys. */
static cudrop_status_t check_heads(const cudropi_check_t *check,
                                   const cudropi_argument_t *arg, int d) {
  const cudropi_argument_t *leader = &check->leader;
  const int64_t heads = leader->tensor->shape[d], shared = arg->tensor->shape[d];
  REQUIRE(shared == 0 ? heads == 0 : heads % shared == 0, CUDROP_ERROR_SHAPE,
          "%s: %s has shape[%d] = %lld heads, which does not divide the %lld of %s",
          check->function, arg->slot->name, d, (long long)shared, (long long)heads,
          leader->slot->name);
  return CUDROP_OK;
}

/* Check a tensor along the keys beside the leader, and beside the tensor in the slot `keys`. */
static cudrop_status_t check_keys(const cudropi_check_t *check,
                                  const cudropi_argument_t *arg) {
  const cudropi_op_t *op = check->call->op;
  const cudrop_tensor_t *tensor = arg->tensor, *first = check->call->tensor[op->keys];
  const int rank = check->leader.tensor->rank;
  REQUIRE(tensor->rank == rank, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d and %s has rank = %d", check->function, arg->slot->name,
          tensor->rank, check->leader.slot->name, rank);
  for (int d = 0; d < rank - 3; ++d) TRY(check_size(check, arg, d, d));
  if (rank >= 3) TRY(check_heads(check, arg, rank - 3));
  TRY(check_size(check, arg, rank - 1, rank - 1));
  for (int d = 0; d < rank; ++d)
    REQUIRE(tensor->shape[d] == first->shape[d], CUDROP_ERROR_SHAPE,
            "%s: %s has shape[%d] = %lld and %s has %lld", check->function,
            arg->slot->name, d, (long long)tensor->shape[d], op->slot[op->keys].name,
            (long long)first->shape[d]);
  return CUDROP_OK;
}

static cudrop_status_t check_extent(const cudropi_check_t *check,
                                    const cudropi_argument_t *arg) {
  const int outer = check->leader.tensor->rank - 1;
  switch ((cudropi_extent_t)arg->slot->extent) {
    case CUDROPI_EXTENT_ONE:
      return CUDROP_OK;
    case CUDROPI_EXTENT_EACH:
      return check_dimensions(check, arg, 0, outer);
    case CUDROPI_EXTENT_LEADING:
      return check_leading(check, arg);
    case CUDROPI_EXTENT_ROW:
      return check_dimensions(check, arg, outer, 1);
    case CUDROPI_EXTENT_TABLE:
      return check_table(check, arg);
    case CUDROPI_EXTENT_PLACES:
      TRY(check_table(check, arg));
      return check_places(check, arg);
    case CUDROPI_EXTENT_KEYS:
      return check_keys(check, arg);
    default:
      return check_same_shape(check, arg);
  }
}

/* Check that the elements of a row are neighbours in memory. */
static cudrop_status_t check_row(const cudropi_check_t *check,
                                 const cudropi_argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int inner = tensor->rank - 1;
  const cudropi_extent_t extent = (cudropi_extent_t)arg->slot->extent;
  if (!check->call->op->has_rows || extent == CUDROPI_EXTENT_ONE ||
      extent == CUDROPI_EXTENT_EACH || extent == CUDROPI_EXTENT_LEADING)
    return CUDROP_OK;
  REQUIRE(tensor->stride[inner] == 1 || tensor->shape[inner] <= 1,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: %s has stride[%d] = %lld, and rows have 1",
          check->function, arg->slot->name, inner, (long long)tensor->stride[inner]);
  return CUDROP_OK;
}

/* Is the argument a full tensor of the branch (`stream` is 0) or of the residual stream (`stream`
 * is CUDROPI_STREAM)? */
static bool is_of(const cudropi_argument_t *arg, int stream) {
  return arg->slot->types <= CUDROPI_ROW_FLOATS &&
         arg->slot->extent == CUDROPI_EXTENT_FULL &&
         (arg->slot->flags & CUDROPI_STREAM) == stream;
}

/* The first argument for which is_of() holds; NULL if there is none. */
static const cudropi_argument_t *find_first(const cudropi_check_t *check, int stream) {
  for (int k = 0; k < check->count; ++k)
    if (is_of(&check->argument[k], stream)) return &check->argument[k];
  return NULL;
}

static cudrop_status_t check_like(const cudropi_check_t *check,
                                  const cudropi_argument_t *arg,
                                  const cudropi_argument_t *other, bool may_be_f32) {
  const cudrop_dtype_t dtype = arg->tensor->dtype, wanted = other->tensor->dtype;
  REQUIRE(dtype == wanted || (may_be_f32 && dtype == CUDROP_F32), CUDROP_ERROR_DTYPE,
          "%s: %s is %s and %s is %s", check->function, arg->slot->name,
          cudropi_dtype_name(dtype), other->slot->name, cudropi_dtype_name(wanted));
  return CUDROP_OK;
}

/*
 * Check that the branch has one type, and that the residual stream has one type: the branch's or
 * F32. `branch` and `stream` are the first tensor of each, or NULL. Where a stream of F32 has no
 * branch beside it, vectors may have any type.
 */
static cudrop_status_t check_same_type(const cudropi_check_t *check,
                                       const cudropi_argument_t *arg,
                                       const cudropi_argument_t *branch,
                                       const cudropi_argument_t *stream) {
  const bool may_be_f32 = (arg->slot->flags & CUDROPI_OR_F32) != 0;
  if (arg->slot->types > CUDROPI_ROW_FLOATS) return CUDROP_OK; /* need not match */
  if (is_of(arg, CUDROPI_STREAM)) {
    if (branch != NULL) TRY(check_like(check, arg, branch, true));
    return check_like(check, arg, stream, false);
  }
  if (branch != NULL) return check_like(check, arg, branch, may_be_f32);
  return stream->tensor->dtype == CUDROP_F32 ? CUDROP_OK
                                             : check_like(check, arg, stream, may_be_f32);
}

static cudrop_status_t check_rank(const cudropi_check_t *check) {
  const cudropi_op_t *op = check->call->op;
  const int rank = check->leader.tensor->rank;
  REQUIRE(!op->has_rows || rank >= 1, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 0, and rows need a dimension", check->function,
          check->leader.slot->name);
  REQUIRE(op->keys == 0 || rank >= 2, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has rank = 1, which is not at least 2: rows and columns",
          check->function, check->leader.slot->name);
  return CUDROP_OK;
}

cudrop_status_t cudropi_check_arguments(cudropi_check_t *check) {
  const cudropi_call_t *call = check->call;
  for (int k = 0; k < CUDROPI_SLOTS; ++k) {
    const cudropi_slot_t *slot = &call->op->slot[k];
    cudropi_argument_t *arg = &check->argument[check->count];
    REQUIRE(call->tensor[k] != NULL || (slot->flags & CUDROPI_NEEDED) == 0,
            CUDROP_ERROR_NULL_POINTER, "%s: %s is NULL", check->function, slot->name);
    if (call->tensor[k] == NULL) continue;
    *arg = (cudropi_argument_t){.slot = slot, .tensor = call->tensor[k]};
    TRY(check_argument(check->function, arg));
    if (k == call->op->leader) check->leader = *arg;
    ++check->count;
  }
  TRY(check_rank(check));
  const cudropi_argument_t *stream = find_first(check, CUDROPI_STREAM);
  const cudropi_argument_t *branch =
      is_of(&check->leader, 0) ? &check->leader : find_first(check, 0);
  for (int k = 0; k < check->count; ++k) {
    const cudropi_argument_t *arg = &check->argument[k];
    if (arg->slot != check->leader.slot && arg->slot->types != CUDROPI_BITS)
      TRY(check_extent(check, arg));
    TRY(check_row(check, arg));
    TRY(check_same_type(check, arg, branch, stream));
  }
  return CUDROP_OK;
}
