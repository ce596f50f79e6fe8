/* prepare.c - writing and advancing prepared masks. */
#include "ops/prepare/prepare.h"

#include <math.h>

#include "core/context.h"
#include "core/environment.h"
#include "core/status.h"

/* A block has no padding, whose bytes would differ from backend to backend. */
#define SIZE_OF(member) sizeof((cudrop_prepared_t *)NULL)->member
_Static_assert(SIZE_OF(schedule) == SIZE_OF(schedule.key) + SIZE_OF(schedule.head) +
                                        5 * sizeof(uint32_t) + 2 * sizeof(uint64_t),
               "a schedule has padding");
_Static_assert(SIZE_OF(drop) == SIZE_OF(drop.f64) + SIZE_OF(drop.f32),
               "constants have padding");
_Static_assert(sizeof(cudrop_prepared_t) == SIZE_OF(schedule) + SIZE_OF(index_base) +
                                                SIZE_OF(p) + SIZE_OF(drop) +
                                                SIZE_OF(alpha),
               "a block has padding");

/* The arguments of cudrop_prepare(). */
typedef struct {
  const char *function;
  const cudrop_mask_t *mask;
  cudrop_prepared_t *prepared;
} prepare_t;

static cudrop_status_t prepare(cudrop_context_t *context, const void *argument) {
  const prepare_t *call = argument;
  const cudrop_mask_t *mask = call->mask;
  TRY(cudropi_check_rate(call->function, mask->p));
  REQUIRE(mask->index_base % CUDROP_MASK_LANES == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: index_base = %llu is no multiple of %d, which a prepared one is",
          call->function, (unsigned long long)mask->index_base, CUDROP_MASK_LANES);
  REQUIRE(mask->index_base < CUDROPI_INDEX_END, CUDROP_ERROR_OVERFLOW,
          "%s: index_base = %llu is 2^59 or more", call->function,
          (unsigned long long)mask->index_base);
  TRY(cudropi_check_prepared(call->function, call->prepared));
  TRY(context->backend->check_memory(context, call->function, "prepared",
                                     call->prepared));
  const cudrop_prepared_t value = {
      .schedule = cudrop_mask_schedule(mask->seed, mask->offset, mask->p),
      .index_base = mask->index_base,
      .p = mask->p,
      .drop = cudropi_constants(false, mask->p),
      .alpha = cudropi_constants(true, mask->p)};
  return context->backend->prepare(context, &value, call->prepared);
}

/* Write a block for the public function `function`. */
static cudrop_status_t write(const char *function, cudrop_context_t *context,
                             const cudrop_mask_t *mask, cudrop_prepared_t *prepared) {
  REQUIRE(mask != NULL, CUDROP_ERROR_NULL_POINTER, "%s: mask is NULL", function);
  REQUIRE(mask->prepared == NULL, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: mask is a prepared one itself", function);
  return cudropi_compute(prepare, context, &(prepare_t){function, mask, prepared});
}

cudrop_status_t cudrop_prepare(cudrop_context_t *context, const cudrop_mask_t *mask,
                               cudrop_prepared_t *prepared) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL", __func__);
  return write(__func__, context, mask, prepared);
}

cudrop_status_t cudrop_prepared_create(cudrop_context_t *context,
                                       const cudrop_mask_t *mask,
                                       cudrop_prepared_t **prepared) {
  void *block = NULL;
  REQUIRE(prepared != NULL, CUDROP_ERROR_NULL_POINTER, "%s: prepared is NULL", __func__);
  *prepared = NULL;
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL", __func__);
  TRY(cudrop_alloc(context, CUDROPI_PREPARED_BYTES, &block));
  const cudrop_status_t status = write(__func__, context, mask, block);
  if (status == CUDROP_OK) {
    *prepared = block;
  } else {
    (void)context->backend->free(context, &block); /* `status` is returned */
  }
  return status;
}

cudrop_status_t cudrop_prepared_destroy(cudrop_context_t *context,
                                        cudrop_prepared_t **prepared) {
  REQUIRE(prepared != NULL, CUDROP_ERROR_NULL_POINTER, "%s: prepared is NULL", __func__);
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL", __func__);
  void *block = *prepared;
  const cudrop_status_t status = cudrop_free(context, &block);
  *prepared = block;
  return status;
}

cudrop_status_t cudrop_advance(cudrop_context_t *context, cudrop_prepared_t *prepared,
                               uint64_t offsets) {
  REQUIRE(context != NULL, CUDROP_ERROR_NULL_POINTER, "%s: context is NULL", __func__);
  TRY(cudropi_check_prepared(__func__, prepared));
  TRY(context->backend->check_memory(context, __func__, "prepared", prepared));
  return context->backend->advance(context, prepared, offsets);
}

cudrop_mask_t cudrop_prepared_mask(const cudrop_prepared_t *prepared, uint64_t offset) {
  if (prepared == NULL) return cudrop_mask(0, offset, NAN); /* every call refuses NaN */
  return (cudrop_mask_t){.offset = offset, .prepared = prepared};
}
