/* prepare.h - the contents of a prepared mask's block. */
#ifndef CUDROP_PREPARED_H
#define CUDROP_PREPARED_H

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Size and alignment of a block. No output may overlap these bytes. */
enum { CUDROPI_PREPARED_BYTES = 256, CUDROPI_PREPARED_ALIGNMENT = 16 };

/*
 * All numbers that depend on seed, offset and p, computed on the host. The schedule comes first,
 * where device.cuh looks for it.
 */
struct cudrop_prepared {
  cudrop_mask_schedule_t schedule;
  uint64_t index_base; /* a multiple of CUDROP_MASK_LANES */
  double p;
  cudropi_constants_t drop, alpha; /* of dropout and of alpha dropout */
};

#ifdef __cplusplus
}
static_assert(sizeof(cudrop_prepared_t) <= CUDROPI_PREPARED_BYTES,
              "the block is too small");
#else
_Static_assert(sizeof(cudrop_prepared_t) <= CUDROPI_PREPARED_BYTES,
               "the block is too small");
#endif

#endif /* CUDROP_PREPARED_H */
