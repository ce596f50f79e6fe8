/* prepared.h - what lies in the block of a prepared mask. */
#ifndef CUDROP_PREPARED_H
#define CUDROP_PREPARED_H

#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDROPI_PREPARED_ALIGNMENT = 16 };

/*
 * Everything that depends on seed, offset and p, worked out on the host. The schedule comes
 * first, where device.cuh looks for it.
 */
struct cudrop_prepared {
  cudrop_mask_schedule_t schedule;
  double p;
  cudropi_constants_t drop,
      alpha; /* of CUDROPI_DROP, and of CUDROPI_ALPHA and its gradient */
};

#ifdef __cplusplus
}
#define CUDROPI_ASSERT static_assert
#else
#define CUDROPI_ASSERT _Static_assert
#endif
CUDROPI_ASSERT(sizeof(cudrop_prepared_t) <= CUDROP_PREPARED_BYTES,
               "the block is too small");
/* Padding would have other bytes on the host and on a GPU. */
CUDROPI_ASSERT(sizeof(cudrop_mask_schedule_t) ==
                       CUDROP_PHILOX_ROUNDS * 8 + 4 * 4 + 2 * 8 + 4 * 4 &&
                   sizeof(cudropi_constants_t) == 3 * 8 + 4 * 4 &&
                   sizeof(cudrop_prepared_t) == sizeof(cudrop_mask_schedule_t) + 8 +
                                                    2 * sizeof(cudropi_constants_t),
               "the block has padding");
#undef CUDROPI_ASSERT

#endif /* CUDROP_PREPARED_H */
