/* mask_in_flags.c - mask.h as a program's own flags compile it; test_mask_in_flags.c names them.
 * MASK_IN is what the functions of one compilation are called. */
#include "mask_in_flags.h"

#define JOIN(name, part) name##part
#define NAMED(name, part) JOIN(name, part)

static cudrop_mask_threshold_t threshold(double p) {
  return cudrop_mask_threshold(p);
}

static cudrop_mask_schedule_t schedule(uint64_t seed, uint64_t offset, double p) {
  return cudrop_mask_schedule(seed, offset, p);
}

static unsigned keep_group(uint64_t seed, uint64_t offset, uint64_t group, double p) {
  return cudrop_mask_keep_group(seed, offset, group, cudrop_mask_threshold(p));
}

const mask_in_flags_t NAMED(mask_in_, MASK_IN) = {threshold, schedule, keep_group};
