/* prepare.cuh - writing and advancing the block of a prepared mask. */
#ifndef CUDROP_KERNEL_PREPARE_CUH
#define CUDROP_KERNEL_PREPARE_CUH

#include "launch.h"
#include "port.h"

struct cudropi_prepare_t {
  cudrop_prepared_t *prepared;
  cudrop_prepared_t value;
};

__global__ void cudropi_prepare(const __grid_constant__ cudropi_prepare_t args) {
  *args.prepared = args.value;
}

struct cudropi_advance_t {
  cudrop_prepared_t *prepared;
  uint64_t offsets;
};

/* A separate kernel, because a kernel that draws must not change the offset while its other blocks
 * read it. */
__global__ void cudropi_advance(const __grid_constant__ cudropi_advance_t args) {
  cudrop_mask_schedule_t *schedule = &args.prepared->schedule;
  cudrop_mask_schedule_offset(schedule, schedule->offset + args.offsets);
}

#endif /* CUDROP_KERNEL_PREPARE_CUH */
