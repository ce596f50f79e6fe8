/* masks.c - an offset for each dropout of a training. */
#include "choosing.h"

/* The mask of a site in a step: of one seed, and an offset that no other site or step has. */
cudrop_status_t find_mask(uint64_t seed, uint64_t step, uint64_t sites, uint64_t site,
                          double p, cudrop_mask_t *mask) {
  uint64_t offset = 0;
  const cudrop_status_t status = cudrop_offset(step, 1, 0, sites, site, &offset);
  *mask = cudrop_mask(seed, offset, p);
  return status;
}
