/* draw.h - which elements a call drops: its mask, worked out once for every backend. */
#ifndef CUDROP_DRAW_H
#define CUDROP_DRAW_H

#include <stdbool.h>

#include "cudrop/cudrop.h"
#include "cudrop/mask.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mask indices end here: the bits above hold the domain of a Philox counter. */
#define CUDROPI_INDEX_END ((uint64_t)1 << 59)

/* Where keep bits come from. */
typedef enum {
  CUDROPI_FROM_PHILOX,
  CUDROPI_FROM_PREPARED, /* Philox too, but seed and p are known only when the work runs */
  CUDROPI_FROM_OPERAND,  /* the caller's mask: bytes or bits */
  CUDROPI_ALL_KEPT,
  CUDROPI_ALL_DROPPED
} cudropi_source_t;

typedef struct {
  cudropi_source_t source;
  double p;
  cudrop_mask_schedule_t schedule; /* of seed, offset and p, unless it is prepared */
  /* CUDROPI_FROM_PREPARED: the block that has the schedule, and what is added to its offset. */
  const cudrop_prepared_t *prepared;
  uint64_t offset;
  uint64_t index_base;
  int64_t index_stride[CUDROP_MAX_RANK]; /* along the dimensions of what is dropped */
} cudropi_draw_t;

/*
 * The draw of a tensor of this shape under `mask`. Without a mask p is the rate of one that the
 * caller brings, if `is_brought`; else p is 0 and everything is kept.
 */
cudropi_draw_t cudropi_draw(const cudrop_mask_t *mask, double p, bool is_brought,
                            int rank, const int64_t *shape);

/* The same draw with the numbers of the prepared block that it names, read on the host. */
cudropi_draw_t cudropi_draw_prepared(const cudropi_draw_t *draw);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_DRAW_H */
