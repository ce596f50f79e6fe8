/* mask_in_flags.h - functions of mask.h, compiled with other flags than the test. */
#ifndef CUDROP_MASK_IN_FLAGS_H
#define CUDROP_MASK_IN_FLAGS_H

#include "cudrop/mask.h"

typedef struct {
  cudrop_mask_threshold_t (*threshold)(double p);
  cudrop_mask_schedule_t (*schedule)(uint64_t seed, uint64_t offset, double p);
  unsigned (*keep_group)(uint64_t seed, uint64_t offset, uint64_t group, double p);
} mask_in_flags_t;

extern const mask_in_flags_t mask_in_exact, mask_in_fast, mask_in_parts, mask_in_native;

#endif /* CUDROP_MASK_IN_FLAGS_H */
