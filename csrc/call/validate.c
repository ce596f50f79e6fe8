/* validate.c - the rules. Each text names the function, the value and the rule. */
#include "call/validate.h"

#include "call/overlap.h"
#include "core/context.h"
#include "core/status.h"
#include "ops/prepare/prepare.h"

/* Mask indices end here: the bits above hold the domain of a Philox counter. */
static const uint64_t index_end = (uint64_t)1 << 59;

cudrop_status_t cudropi_validate_shape(const char *function,
                                       const cudropi_argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  int64_t n = 0;
  REQUIRE(tensor->rank >= 0 && tensor->rank <= CUDROP_MAX_RANK,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: %s has rank = %d, outside [0, %d]",
          function, arg->name, tensor->rank, CUDROP_MAX_RANK);
  for (int d = 0; d < tensor->rank; ++d) {
    REQUIRE(tensor->shape[d] >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: %s has shape[%d] = %lld, which is negative", function, arg->name, d,
            (long long)tensor->shape[d]);
  }
  REQUIRE(cudropi_count(tensor->rank, tensor->shape, &n), CUDROP_ERROR_OVERFLOW,
          "%s: %s has more elements than 63 bits count", function, arg->name);
  return CUDROP_OK;
}

static cudrop_status_t check_dtype(const char *function, const cudropi_argument_t *arg) {
  const cudrop_dtype_t dtype = arg->tensor->dtype;
  const bool is_float = dtype == CUDROP_F32 || dtype == CUDROP_F16 ||
                        dtype == CUDROP_BF16 || dtype == CUDROP_F64;
  const bool is_f8 = dtype == CUDROP_F8E4M3 || dtype == CUDROP_F8E5M2;
  const struct {
    bool fits;
    const char *types;
  } kinds[] = {
      [CUDROPI_FLOATS] = {is_float, "F32, F16, BF16 or F64"},
      [CUDROPI_NUMBERS] = {is_float || is_f8, "F32, F16, BF16, F64 or F8"},
      [CUDROPI_ROW_FLOATS] = {is_float && dtype != CUDROP_F64, "F32, F16 or BF16"},
      [CUDROPI_BYTES] = {dtype == CUDROP_U8, "U8"},
      [CUDROPI_INTEGERS] = {dtype == CUDROP_I32, "I32"},
      [CUDROPI_INTERNAL] = {true, ""}};
  REQUIRE(kinds[arg->kind].fits, CUDROP_ERROR_DTYPE,
          "%s: %s has dtype = %d (%s), which is not %s", function, arg->name, (int)dtype,
          cudropi_dtype_name(dtype), kinds[arg->kind].types);
  return CUDROP_OK;
}

/* The data of a tensor with elements: there, aligned, and all of it addressable. */
static cudrop_status_t check_memory(const char *function, const cudropi_argument_t *arg) {
  const cudrop_tensor_t *tensor = arg->tensor;
  const int64_t bits = cudropi_dtype_bits(tensor->dtype);
  const uint64_t bytes = bits < 8 ? 1 : (uint64_t)bits / 8;
  const uintptr_t address = (uintptr_t)tensor->data;
  REQUIRE(address != 0, CUDROP_ERROR_NULL_POINTER, "%s: %s%s NULL", function, arg->name,
          arg->kind == CUDROPI_INTERNAL ? " is" : " has data =");
  REQUIRE(address % bytes == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: %s has data = %p, which is not aligned to its %d bytes an element",
          function, arg->name, tensor->data, (int)bytes);

  int64_t low = 0, high = bits;
  bool fits = true;
  for (int d = 0; d < tensor->rank; ++d) {
    int64_t extent = 0;
    fits = fits &&
           !__builtin_mul_overflow(tensor->shape[d] - 1, tensor->stride[d], &extent) &&
           !__builtin_mul_overflow(extent, bits, &extent) &&
           !__builtin_add_overflow(extent < 0 ? low : high, extent,
                                   extent < 0 ? &low : &high);
  }
  fits = fits && (uint64_t) - (low / 8) <= address &&
         (uint64_t)high / 8 < UINTPTR_MAX - address;
  REQUIRE(fits, CUDROP_ERROR_OVERFLOW, "%s: %s spans more memory than 63 bits address",
          function, arg->name);
  return CUDROP_OK;
}

cudrop_status_t cudropi_validate_argument(const char *function,
                                          const cudropi_argument_t *arg) {
  int64_t n = 0;
  if (arg->name == NULL) return CUDROP_OK;
  REQUIRE(arg->tensor != NULL, CUDROP_ERROR_NULL_POINTER, "%s: %s is NULL", function,
          arg->name);
  TRY(cudropi_validate_shape(function, arg));
  TRY(check_dtype(function, arg));
  if (cudropi_count(arg->tensor->rank, arg->tensor->shape, &n) && n == 0)
    return CUDROP_OK;
  return check_memory(function, arg);
}

cudrop_status_t cudropi_validate_same_shape(const char *function,
                                            const cudropi_argument_t *a,
                                            const cudropi_argument_t *b) {
  if (a->name == NULL) return CUDROP_OK;
  REQUIRE(a->tensor->rank == b->tensor->rank, CUDROP_ERROR_SHAPE,
          "%s: %s has rank = %d and %s has rank = %d", function, a->name, a->tensor->rank,
          b->name, b->tensor->rank);
  for (int d = 0; d < a->tensor->rank; ++d) {
    REQUIRE(a->tensor->shape[d] == b->tensor->shape[d], CUDROP_ERROR_SHAPE,
            "%s: %s has shape[%d] = %lld and %s has %lld", function, a->name, d,
            (long long)a->tensor->shape[d], b->name, (long long)b->tensor->shape[d]);
  }
  return CUDROP_OK;
}

/* The largest index that the mask gives to an element of `tensor`; false past 64 bits. */
static bool find_last_index(const cudrop_mask_t *mask, const cudrop_tensor_t *tensor,
                            int64_t n, uint64_t *last) {
  *last = mask->index_base;
  if (mask->index_rank == 0) return !__builtin_add_overflow(*last, (uint64_t)n - 1, last);
  for (int d = 0; d < tensor->rank; ++d) {
    uint64_t extent = 0;
    if (__builtin_mul_overflow(tensor->shape[d] - 1, mask->index_stride[d], &extent) ||
        __builtin_add_overflow(*last, extent, last))
      return false;
  }
  return true;
}

cudrop_status_t cudropi_validate_prepared(const char *function,
                                          const cudrop_prepared_t *prepared) {
  REQUIRE(prepared != NULL, CUDROP_ERROR_NULL_POINTER, "%s: prepared is NULL", function);
  REQUIRE((uintptr_t)prepared % CUDROPI_PREPARED_ALIGNMENT == 0,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: prepared = %p is not aligned to its %d bytes", function,
          (const void *)prepared, CUDROPI_PREPARED_ALIGNMENT);
  return CUDROP_OK;
}

/* seed and p of a prepared mask lie in its block: others beside it would be ignored. */
static cudrop_status_t check_prepared(const char *function, const cudrop_mask_t *mask) {
  char text[CUDROPI_NUMBER_SIZE];
  if (mask->prepared == NULL) return CUDROP_OK;
  TRY(cudropi_validate_prepared(function, mask->prepared));
  REQUIRE(mask->seed == 0 && mask->p == 0.0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: mask is prepared and has seed = %llu and p = %s, which must be 0",
          function, (unsigned long long)mask->seed, cudropi_number(mask->p, text));
  return CUDROP_OK;
}

cudrop_status_t cudropi_validate_rate(const char *function, double p) {
  char text[CUDROPI_NUMBER_SIZE];
  REQUIRE(p >= 0.0 && p <= 1.0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: p = %s is outside [0, 1]", function, cudropi_number(p, text));
  return CUDROP_OK;
}

cudrop_status_t cudropi_validate_mask(const char *function, const cudrop_mask_t *mask,
                                      const cudropi_argument_t *y) {
  REQUIRE(mask != NULL, CUDROP_ERROR_NULL_POINTER, "%s: mask is NULL", function);
  TRY(check_prepared(function, mask));
  TRY(cudropi_validate_rate(function, mask->p));
  REQUIRE(mask->index_rank >= 0 && mask->index_rank <= CUDROP_MAX_RANK,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: mask has index_rank = %d, outside [0, %d]",
          function, mask->index_rank, CUDROP_MAX_RANK);
  REQUIRE(mask->index_rank == 0 || mask->index_rank == y->tensor->rank,
          CUDROP_ERROR_SHAPE, "%s: mask has index_rank = %d and %s has rank = %d",
          function, mask->index_rank, y->name, y->tensor->rank);
  for (int d = 0; d < mask->index_rank; ++d) {
    REQUIRE(mask->index_stride[d] >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: mask has index_stride[%d] = %lld, which is negative", function, d,
            (long long)mask->index_stride[d]);
  }
  int64_t n = 0;
  uint64_t last = 0;
  if (cudropi_count(y->tensor->rank, y->tensor->shape, &n) && n == 0) return CUDROP_OK;
  REQUIRE(find_last_index(mask, y->tensor, n, &last) && last < index_end,
          CUDROP_ERROR_OVERFLOW,
          "%s: mask with index_base = %llu reaches an index of 2^59 or more", function,
          (unsigned long long)mask->index_base);
  return CUDROP_OK;
}

static cudropi_footprint_t find_footprint(const cudrop_tensor_t *tensor, int64_t n) {
  cudropi_footprint_t view = {.address = (uintptr_t)tensor->data};
  const int64_t bits = cudropi_dtype_bits(tensor->dtype);
  if (tensor->dtype == CUDROPI_BIT) {
    view.width = n / 8 + (n % 8 != 0);
  } else {
    view.width = bits / 8;
    view.rank = tensor->dtype == CUDROPI_TOTAL ? 0 : tensor->rank;
  }
  for (int d = 0; d < view.rank; ++d) {
    view.shape[d] = tensor->shape[d];
    view.stride[d] = tensor->shape[d] > 1 ? tensor->stride[d] * (bits / 8) : 0;
  }
  return view;
}

static bool is_same_view(const cudrop_tensor_t *a, const cudrop_tensor_t *b) {
  bool same = a->data == b->data && a->dtype == b->dtype;
  for (int d = 0; d < a->rank; ++d)
    same = same && (a->stride[d] == b->stride[d] || a->shape[d] <= 1);
  return same;
}

cudrop_status_t cudropi_validate_output(const char *function,
                                        const cudropi_argument_t *output) {
  int64_t n = 0;
  if (cudropi_count(output->tensor->rank, output->tensor->shape, &n) && n == 0)
    return CUDROP_OK;
  const cudropi_footprint_t footprint = find_footprint(output->tensor, n);
  REQUIRE(!cudropi_may_repeat(&footprint), CUDROP_ERROR_OVERLAP,
          "%s: %s has strides that put two elements in one place", function,
          output->name);
  return CUDROP_OK;
}

cudrop_status_t cudropi_validate_pair(const char *function,
                                      const cudropi_argument_t *input,
                                      const cudropi_argument_t *output,
                                      bool may_be_same) {
  int64_t n_input = 0, n_output = 0;
  if (input->name == NULL || (may_be_same && is_same_view(input->tensor, output->tensor)))
    return CUDROP_OK;
  if (cudropi_count(input->tensor->rank, input->tensor->shape, &n_input) && n_input == 0)
    return CUDROP_OK;
  if (cudropi_count(output->tensor->rank, output->tensor->shape, &n_output) &&
      n_output == 0)
    return CUDROP_OK;
  const cudropi_footprint_t from = find_footprint(input->tensor, n_input);
  const cudropi_footprint_t to = find_footprint(output->tensor, n_output);
  const bool is_hint = may_be_same && input->tensor->dtype == output->tensor->dtype;
  REQUIRE(!cudropi_may_meet(&from, &to), CUDROP_ERROR_OVERLAP, "%s: %s overlaps %s%s",
          function, output->name, input->name,
          is_hint ? " without being the same tensor" : "");
  return CUDROP_OK;
}

cudrop_status_t cudropi_validate_apart(const char *function, const char *name,
                                       const void *memory, size_t bytes,
                                       const cudropi_argument_t *argument) {
  int64_t n = 0;
  if (memory == NULL || bytes == 0 ||
      (cudropi_count(argument->tensor->rank, argument->tensor->shape, &n) && n == 0))
    return CUDROP_OK;
  const cudropi_footprint_t block = {.address = (uintptr_t)memory,
                                     .width = (int64_t)bytes};
  const cudropi_footprint_t tensor = find_footprint(argument->tensor, n);
  REQUIRE(!cudropi_may_meet(&block, &tensor), CUDROP_ERROR_OVERLAP, "%s: %s overlaps %s",
          function, argument->name, name);
  return CUDROP_OK;
}

const char cudropi_block_name[] = "the block of the prepared mask";

static cudrop_status_t check_overlap(const cudropi_call_t *call) {
  TRY(cudropi_validate_output(call->function, &call->y));
  TRY(cudropi_validate_pair(call->function, &call->x, &call->y, true));
  TRY(cudropi_validate_pair(call->function, &call->keep, &call->y, true));
  if (call->mask == NULL) return CUDROP_OK;
  return cudropi_validate_apart(call->function, cudropi_block_name, call->mask->prepared,
                                CUDROP_PREPARED_BYTES, &call->y);
}

/* The rule that only the backend can check: it reaches the memory of every tensor. */
static cudrop_status_t check_residence(const cudrop_context_t *context,
                                       const cudropi_call_t *call) {
  const cudropi_argument_t *arguments[] = {&call->x, &call->keep, &call->y};
  const cudropi_backend_t *backend = context->backend;
  int64_t n = 0;
  for (size_t k = 0; k < sizeof arguments / sizeof arguments[0]; ++k) {
    const cudropi_argument_t *arg = arguments[k];
    const bool is_total = arg->name != NULL && arg->tensor->dtype == CUDROPI_TOTAL;
    if (arg->name == NULL ||
        (cudropi_count(arg->tensor->rank, arg->tensor->shape, &n) && n == 0 && !is_total))
      continue;
    TRY(backend->check_memory(context, call->function, arg->name, arg->tensor->data));
  }
  if (call->mask == NULL || call->mask->prepared == NULL) return CUDROP_OK;
  return backend->check_memory(context, call->function, "prepared", call->mask->prepared);
}

cudrop_status_t cudropi_validate(const cudrop_context_t *context,
                                 const cudropi_call_t *call) {
  const char *function = call->function;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL", function);
  TRY(cudropi_validate_argument(function, &call->x));
  TRY(cudropi_validate_argument(function, &call->keep));
  TRY(cudropi_validate_argument(function, &call->y));
  TRY(cudropi_validate_same_shape(function, &call->x, &call->y));
  TRY(cudropi_validate_same_shape(function, &call->keep, &call->y));
  REQUIRE(call->x.name == NULL || call->x.tensor->dtype == call->y.tensor->dtype,
          CUDROP_ERROR_DTYPE, "%s: %s is %s and %s is %s", function, call->x.name,
          cudropi_dtype_name(call->x.tensor->dtype), call->y.name,
          cudropi_dtype_name(call->y.tensor->dtype));
  TRY(call->keep.name != NULL ? cudropi_validate_rate(function, call->p)
                              : cudropi_validate_mask(function, call->mask, &call->y));
  TRY(check_overlap(call));
  return check_residence(context, call);
}
