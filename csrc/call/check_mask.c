/* check_mask.c - the rules of masks, and of prepared blocks. */
#include "call/check.h"
#include "call/draw.h"
#include "core/status.h"
#include "core/tensor.h"
#include "ops/prepare/prepare.h"

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

/* Write to *last the largest index that the mask gives to an element of a shape without zeros;
 * false past 64 bits. */
static bool find_last_index(const cudrop_mask_t *mask, int rank, const int64_t *shape,
                            uint64_t *last) {
  int64_t n = 0;
  *last = mask->index_base;
  if (mask->index_rank == 0)
    return cudropi_count(rank, shape, &n) &&
           !__builtin_add_overflow(*last, (uint64_t)n - 1, last);
  for (int d = 0; d < rank; ++d) {
    uint64_t extent = 0;
    if (__builtin_mul_overflow(shape[d] - 1, mask->index_stride[d], &extent) ||
        __builtin_add_overflow(*last, extent, last))
      return false;
  }
  return true;
}

static bool has_zero(int rank, const int64_t *shape) {
  for (int d = 0; d < rank; ++d)
    if (shape[d] == 0) return true;
  return false;
}

static cudrop_status_t check_map(const cudropi_check_t *check,
                                 const cudrop_mask_t *mask) {
  const cudropi_argument_t *leader = &check->leader;
  const char *function = check->function;
  const int rank = leader->tensor->rank;
  int64_t shape[CUDROP_MAX_RANK];
  uint64_t last = 0;
  REQUIRE(mask->index_rank >= 0 && mask->index_rank <= CUDROP_MAX_RANK,
          CUDROP_ERROR_INVALID_ARGUMENT, "%s: mask has index_rank = %d, outside [0, %d]",
          function, mask->index_rank, CUDROP_MAX_RANK);
  REQUIRE(mask->index_rank == 0 || mask->index_rank == rank, CUDROP_ERROR_SHAPE,
          "%s: mask has index_rank = %d and %s has rank = %d", function, mask->index_rank,
          leader->slot->name, rank);
  for (int d = 0; d < mask->index_rank; ++d) {
    REQUIRE(mask->index_stride[d] >= 0, CUDROP_ERROR_INVALID_ARGUMENT,
            "%s: mask has index_stride[%d] = %lld, which is negative", function, d,
            (long long)mask->index_stride[d]);
  }
  cudropi_find_mask_shape(check->call, shape);
  REQUIRE(has_zero(rank, shape) ||
              (find_last_index(mask, rank, shape, &last) && last < CUDROPI_INDEX_END),
          CUDROP_ERROR_OVERFLOW,
          "%s: mask with index_base = %llu reaches an index of 2^59 or more", function,
          (unsigned long long)mask->index_base);
  return CUDROP_OK;
}

cudrop_status_t cudropi_check_mask(const cudropi_check_t *check) {
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
