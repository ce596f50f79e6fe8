/* check.c - the rules of every operator. Each text names the function, the value and the rule. */
#include "call/overlap.h"
#include "call/plan.h"
#include "core/context.h"
#include "core/status.h"
#include "core/tensor.h"
#include "ops/prepare/prepare.h"

enum { WORKSPACE_ALIGNMENT = 16 };

/* The most bytes of a workspace. Its size in bits fits int64_t, as that of a tensor does, and so do
 * the sums of overlap.c. */
static const uint64_t most_bytes = INT64_MAX / 8;

/* A tensor that the call has, and the memory that its elements span. */
typedef struct {
  const cudropi_slot_t *slot;
  const cudrop_tensor_t *tensor;
  int64_t n;
  uintptr_t low, high; /* bytes [low, high); equal: no memory */
} argument_t;

/* A call that is being checked. */
typedef struct {
  const cudropi_call_t *call;
  const char *function;
  argument_t leader;
  size_t workspace_bytes; /* that the call needs */
  int count;
  argument_t argument[CUDROPI_SLOTS];
} check_t;

/* ---- An argument by itself --------------------------------------------------------------- */

static bool has_memory(const argument_t *arg) {
  return arg->low != arg->high;
}

static bool is_made_by_library(const cudropi_slot_t *slot) {
  return slot->types == CUDROPI_BITS || slot->types == CUDROPI_TOTAL;
}

/* Check rank and sizes, and write the number of elements to arg->n. */
static cudrop_status_t check_shape(const char *function, argument_t *arg) {
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

static cudrop_status_t check_dtype(const char *function, const argument_t *arg) {
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
static bool find_span(const argument_t *arg, int64_t *low, int64_t *high) {
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
static cudrop_status_t check_data(const char *function, argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int32_t bits = cudropi_element_bits(arg->slot, tensor->dtype);
  const uint32_t bytes = bits < 8 ? 1 : (uint32_t)bits / 8;
  const uintptr_t address = (uintptr_t)tensor->data;
  int64_t low = 0, high = 0;
  REQUIRE(address != 0, CUDROP_ERROR_NULL_POINTER, "%s: %s%s NULL", function,
          arg->slot->name, is_made_by_library(arg->slot) ? " is" : " has data =");
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

static cudrop_status_t check_argument(const char *function, argument_t *arg) {
  TRY(check_shape(function, arg));
  TRY(check_dtype(function, arg));
  if (arg->n == 0 && arg->slot->types != CUDROPI_TOTAL) return CUDROP_OK;
  return check_data(function, arg);
}

/* ---- An argument beside the leader ------------------------------------------------------- */

/* Check that dimension d of the argument has the size of dimension e of the leader. */
static cudrop_status_t check_size(const check_t *check, const argument_t *arg, int d,
                                  int e) {
  const argument_t *leader = &check->leader;
  REQUIRE(arg->tensor->shape[d] == leader->tensor->shape[e], CUDROP_ERROR_SHAPE,
          "%s: %s has shape[%d] = %lld and %s has shape[%d] = %lld", check->function,
          arg->slot->name, d, (long long)arg->tensor->shape[d], leader->slot->name, e,
          (long long)leader->tensor->shape[e]);
  return CUDROP_OK;
}

/* Check that the argument has rank `rank` and the leader's sizes from dimension `from` on. */
static cudrop_status_t check_dimensions(const check_t *check, const argument_t *arg,
                                        int from, int rank) {
  const argument_t *leader = &check->leader;
  REQUIRE(arg->tensor->rank == rank, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and with %s of rank = %d it must be %d", check->function,
          arg->slot->name, arg->tensor->rank, leader->slot->name, leader->tensor->rank,
          rank);
  for (int d = 0; d < rank; ++d) TRY(check_size(check, arg, d, from + d));
  return CUDROP_OK;
}

static cudrop_status_t check_same_shape(const check_t *check, const argument_t *arg) {
  const argument_t *leader = &check->leader;
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
static cudrop_status_t check_leading(const check_t *check, const argument_t *arg) {
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
static cudrop_status_t check_table(const check_t *check, const argument_t *table) {
  REQUIRE(table->tensor->rank == 2, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d, and a table has 2", check->function, table->slot->name,
          table->tensor->rank);
  return check_size(check, table, 1, check->leader.tensor->rank - 1);
}

/* Check that a table has one row for each place in the leader's last dimension but one. */
static cudrop_status_t check_places(const check_t *check, const argument_t *table) {
  const int place = check->leader.tensor->rank - 2;
  REQUIRE(place >= 0, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = 1, and places for %s are the dimension before the last",
          check->function, check->leader.slot->name, table->slot->name);
  return check_size(check, table, 0, place);
}

static cudrop_status_t check_extent(const check_t *check, const argument_t *arg) {
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
    default:
      return check_same_shape(check, arg);
  }
}

/* Check that the elements of a row are neighbours in memory. */
static cudrop_status_t check_row(const check_t *check, const argument_t *arg) {
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
static bool is_of(const argument_t *arg, int stream) {
  return arg->slot->types <= CUDROPI_ROW_FLOATS &&
         arg->slot->extent == CUDROPI_EXTENT_FULL &&
         (arg->slot->flags & CUDROPI_STREAM) == stream;
}

/* The first argument for which is_of() holds; NULL if there is none. */
static const argument_t *find_first(const check_t *check, int stream) {
  for (int k = 0; k < check->count; ++k)
    if (is_of(&check->argument[k], stream)) return &check->argument[k];
  return NULL;
}

static cudrop_status_t check_like(const check_t *check, const argument_t *arg,
                                  const argument_t *other, bool may_be_f32) {
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
static cudrop_status_t check_same_type(const check_t *check, const argument_t *arg,
                                       const argument_t *branch,
                                       const argument_t *stream) {
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

static cudrop_status_t check_rank(const check_t *check) {
  REQUIRE(!check->call->op->has_rows || check->leader.tensor->rank >= 1,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: %s has rank = 0, and rows need a dimension",
          check->function, check->leader.slot->name);
  return CUDROP_OK;
}

/* Check each argument by itself, then beside the leader. */
static cudrop_status_t check_arguments(check_t *check) {
  const cudropi_call_t *call = check->call;
  for (int k = 0; k < CUDROPI_SLOTS; ++k) {
    const cudropi_slot_t *slot = &call->op->slot[k];
    argument_t *arg = &check->argument[check->count];
    REQUIRE(call->tensor[k] != NULL || (slot->flags & CUDROPI_NEEDED) == 0,
            CUDROP_ERROR_NULL_POINTER, "%s: %s is NULL", check->function, slot->name);
    if (call->tensor[k] == NULL) continue;
    *arg = (argument_t){.slot = slot, .tensor = call->tensor[k]};
    TRY(check_argument(check->function, arg));
    if (k == call->op->leader) check->leader = *arg;
    ++check->count;
  }
  TRY(check_rank(check));
  const argument_t *stream = find_first(check, CUDROPI_STREAM);
  const argument_t *branch =
      is_of(&check->leader, 0) ? &check->leader : find_first(check, 0);
  for (int k = 0; k < check->count; ++k) {
    const argument_t *arg = &check->argument[k];
    if (arg->slot != check->leader.slot) TRY(check_extent(check, arg));
    TRY(check_row(check, arg));
    TRY(check_same_type(check, arg, branch, stream));
  }
  return CUDROP_OK;
}

/* ---- The mask ---------------------------------------------------------------------------- */

cudrop_status_t cudropi_check_rate(const char *function, double p) {
  char text[CUDROPI_NUMBER_SIZE];
  REQUIRE(p >= 0.0 && p <= 1.0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: p = %s is outside [0, 1]", function, cudropi_number(p, text));
  return CUDROP_OK;
}

cudrop_status_t cudropi_check_prepared(const char *function,
                                       const cudrop_prepared_t *prepared) {
  REQUIRE(prepared != NULL, CUDROP_ERROR_NULL_POINTER, "%s: prepared is NULL", function);
  REQUIRE((uintptr_t)prepared % CUDROPI_PREPARED_ALIGNMENT == 0,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: prepared = %p is not aligned to its %d bytes", function,
          (const void *)prepared, CUDROPI_PREPARED_ALIGNMENT);
  return CUDROP_OK;
}

/* Check a prepared mask. Its seed and p lie in the block; others in *mask would be ignored. */
static cudrop_status_t check_prepared(const char *function, const cudrop_mask_t *mask) {
  char text[CUDROPI_NUMBER_SIZE];
  if (mask->prepared == NULL) return CUDROP_OK;
  TRY(cudropi_check_prepared(function, mask->prepared));
  REQUIRE(mask->seed == 0 && mask->p == 0.0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: mask is prepared and has seed = %llu and p = %s, which must be 0",
          function, (unsigned long long)mask->seed, cudropi_number(mask->p, text));
  return CUDROP_OK;
}

/* Write to *last the largest index that the mask gives to an element; false past 64 bits. */
static bool find_last_index(const cudrop_mask_t *mask, const argument_t *arg,
                            uint64_t *last) {
  *last = mask->index_base;
  if (mask->index_rank == 0)
    return !__builtin_add_overflow(*last, (uint64_t)arg->n - 1, last);
  for (int d = 0; d < arg->tensor->rank; ++d) {
    uint64_t extent = 0;
    if (__builtin_mul_overflow(arg->tensor->shape[d] - 1, mask->index_stride[d],
                               &extent) ||
        __builtin_add_overflow(*last, extent, last))
      return false;
  }
  return true;
}

static cudrop_status_t check_map(const check_t *check, const cudrop_mask_t *mask) {
  const argument_t *leader = &check->leader;
  const char *function = check->function;
  uint64_t last = 0;
  REQUIRE(mask->index_rank >= 0 && mask->index_rank <= CUDROP_MAX_RANK,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: mask has index_rank = %d, outside [0, %d]",
          function, mask->index_rank, CUDROP_MAX_RANK);
  REQUIRE(mask->index_rank == 0 || mask->index_rank == leader->tensor->rank,
          CUDROP_ERROR_SHAPE, "%s: mask has index_rank = %d and %s has rank = %d",
          function, mask->index_rank, leader->slot->name, leader->tensor->rank);
  for (int d = 0; d < mask->index_rank; ++d) {
    REQUIRE(mask->index_stride[d] >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: mask has index_stride[%d] = %lld, which is negative", function, d,
            (long long)mask->index_stride[d]);
  }
  REQUIRE(leader->n == 0 ||
              (find_last_index(mask, leader, &last) && last < CUDROPI_INDEX_END),
          CUDROP_ERROR_OVERFLOW,
          "%s: mask with index_base = %llu reaches an index of 2^59 or more", function,
          (unsigned long long)mask->index_base);
  return CUDROP_OK;
}

/* Check the mask: the call draws one, or brings one and its rate, or has none. */
static cudrop_status_t check_mask(const check_t *check) {
  const cudropi_call_t *call = check->call;
  const char *function = check->function;
  const bool is_brought = call->op->keep != 0 && call->tensor[call->op->keep] != NULL;
  char text[CUDROPI_NUMBER_SIZE];
  REQUIRE(call->mask == NULL || !is_brought, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: mask and bits are both there, and one of them drops", function);
  REQUIRE(call->p == 0.0 || is_brought, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: p = %s is the rate of bits, and bits is NULL", function,
          cudropi_number(call->p, text));
  if (is_brought) return cudropi_check_rate(function, call->p);
  if (call->mask == NULL) return CUDROP_OK;
  TRY(check_prepared(function, call->mask));
  TRY(cudropi_check_rate(function, call->mask->p));
  return check_map(check, call->mask);
}

/* ---- The workspace ----------------------------------------------------------------------- */

/* Count the workspace that the call needs. */
static cudrop_status_t count_workspace(check_t *check) {
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

static cudrop_status_t check_workspace(check_t *check) {
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

/* ---- Memory that is shared --------------------------------------------------------------- */

static const char block_name[] = "the block of the prepared mask";

static cudropi_footprint_t find_footprint(const argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int64_t bytes = cudropi_element_bits(arg->slot, tensor->dtype) / 8;
  cudropi_footprint_t view = {.address = (uintptr_t)tensor->data, .width = bytes};
  if (is_made_by_library(arg->slot)) { /* in one piece */
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
static cudrop_status_t check_output(const check_t *check, const argument_t *output) {
  if (is_made_by_library(output->slot) || is_row_major(output->tensor)) return CUDROP_OK;
  const cudropi_footprint_t footprint = find_footprint(output);
  REQUIRE(!cudropi_may_repeat(&footprint), CUDROP_ERROR_OVERLAP,
          "%s: %s has strides that put two elements in one place", check->function,
          output->slot->name);
  return CUDROP_OK;
}

static bool is_same_view(const argument_t *a, const argument_t *b) {
  const cudrop_tensor_t *x = a->tensor, *y = b->tensor;
  bool same = x->data == y->data && x->dtype == y->dtype &&
              is_made_by_library(a->slot) == is_made_by_library(b->slot);
  for (int d = 0; d < x->rank && same; ++d)
    same = x->stride[d] == y->stride[d] || x->shape[d] <= 1;
  return same;
}

static bool may_meet(const argument_t *a, const argument_t *b) {
  if (a->high <= b->low || b->high <= a->low) return false;
  const cudropi_footprint_t at = find_footprint(a), bt = find_footprint(b);
  return cudropi_may_meet(&at, &bt);
}

/* Check that an output shares no byte with another argument. Exception: a full output may be the
 * same view as a full input, whose elements it replaces. */
static cudrop_status_t check_pair(const check_t *check, const argument_t *output,
                                  const argument_t *other) {
  const bool may_be_same = output->slot->extent == CUDROPI_EXTENT_FULL &&
                           other->slot->extent == CUDROPI_EXTENT_FULL &&
                           (other->slot->flags & CUDROPI_OUTPUT) == 0;
  if (!has_memory(other) || (may_be_same && is_same_view(other, output)))
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
static cudrop_status_t check_apart(const check_t *check, const char *name,
                                   const void *memory, size_t bytes,
                                   const argument_t *arg) {
  const uintptr_t low = (uintptr_t)memory, high = low + bytes;
  if (memory == NULL || high <= arg->low || arg->high <= low) return CUDROP_OK;
  const cudropi_footprint_t block = {.address = low, .width = (int64_t)bytes};
  const cudropi_footprint_t view = find_footprint(arg);
  REQUIRE(!cudropi_may_meet(&block, &view), CUDROP_ERROR_OVERLAP, "%s: %s overlaps %s",
          check->function, arg->slot->name, name);
  return CUDROP_OK;
}

/* Check that outputs and workspace share no memory with anything else of the call. */
static cudrop_status_t check_overlaps(const check_t *check) {
  const cudropi_call_t *call = check->call;
  const void *workspace = check->workspace_bytes > 0 ? call->workspace : NULL;
  const void *block = call->mask != NULL ? call->mask->prepared : NULL;
  const uintptr_t from = (uintptr_t)workspace, to = (uintptr_t)block;
  REQUIRE(workspace == NULL || block == NULL || to + CUDROP_PREPARED_BYTES <= from ||
              from + check->workspace_bytes <= to,
          CUDROP_ERROR_OVERLAP, "%s: workspace overlaps %s", check->function, block_name);
  for (int k = 0; k < check->count; ++k) {
    const argument_t *arg = &check->argument[k];
    if (!has_memory(arg)) continue;
    TRY(check_apart(check, "workspace", workspace, check->workspace_bytes, arg));
    if ((arg->slot->flags & CUDROPI_OUTPUT) == 0) continue;
    TRY(check_output(check, arg));
    TRY(check_apart(check, block_name, block, CUDROP_PREPARED_BYTES, arg));
    for (int other = 0; other < check->count; ++other)
      if (other != k) TRY(check_pair(check, arg, &check->argument[other]));
  }
  return CUDROP_OK;
}

/* Check that the backend reaches all memory of the call. */
static cudrop_status_t check_residence(const cudrop_context_t *context,
                                       const check_t *check) {
  const cudropi_backend_t *backend = context->backend;
  const cudropi_call_t *call = check->call;
  for (int k = 0; k < check->count; ++k) {
    const argument_t *arg = &check->argument[k];
    if (!has_memory(arg)) continue;
    TRY(backend->check_memory(context, check->function, arg->slot->name,
                              arg->tensor->data));
  }
  if (check->workspace_bytes > 0)
    TRY(backend->check_memory(context, check->function, "workspace", call->workspace));
  if (call->mask == NULL || call->mask->prepared == NULL) return CUDROP_OK;
  return backend->check_memory(context, check->function, "prepared",
                               call->mask->prepared);
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

static cudrop_status_t check_accumulate(const check_t *check) {
  const uint32_t bits = CUDROP_ACCUMULATE_DATA | CUDROP_ACCUMULATE_PARAMETERS;
  REQUIRE((check->call->accumulate & ~bits) == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: accumulate = %#x has bits beside those of cudrop_accumulate_t",
          check->function, (unsigned)check->call->accumulate);
  return CUDROP_OK;
}

cudrop_status_t cudropi_check(const cudrop_context_t *context,
                              const cudropi_call_t *call) {
  const cudropi_op_t *op = call->op;
  const cudropi_slot_t *slot = &op->slot[op->leader];
  check_t check;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL",
          op->function);
  REQUIRE(call->tensor[op->leader] != NULL, CUDROP_ERROR_NULL_POINTER, "%s: %s is NULL",
          op->function, slot->name);
  check.call = call;
  check.function = op->function;
  check.leader = (argument_t){.slot = slot, .tensor = call->tensor[op->leader]};
  check.workspace_bytes = 0;
  check.count = 0;
  TRY(check_arguments(&check));
  TRY(check_accumulate(&check));
  if (call->op->check != NULL) TRY(call->op->check(call));
  TRY(check_mask(&check));
  TRY(check_workspace(&check));
  TRY(check_overlaps(&check));
  return check_residence(context, &check);
}
