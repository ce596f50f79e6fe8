/* draw.h - the draw of a call: which elements it drops, computed once for every backend. */
#ifndef CUDROP_DRAW_H
#define CUDROP_DRAW_H

#include <stdbool.h>

#include "cudrop/cudrop.h"
#include "cudrop/mask.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mask indices are below this: the bits above hold the domain of a Philox counter. */
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
  cudrop_mask_schedule_t schedule;   /* of seed, offset and p; unset if prepared */
  const cudrop_prepared_t *prepared; /* if prepared: the block with the schedule */
  uint64_t offset;                   /* if prepared: added to the block's offset */
  uint64_t index_base;
  int64_t index_stride[CUDROP_MAX_RANK]; /* along the tensor's dimensions */
} cudropi_draw_t;

/*
 * The draw of a tensor of this shape under `mask`. If `mask` is NULL, either the caller brings a
 * mask of rate p (`is_brought`), or p is 0 and everything is kept.
 */
cudropi_draw_t cudropi_draw(const cudrop_mask_t *mask, double p, bool is_brought,
                            int rank, const int64_t *shape);

/* The same draw with the numbers of its prepared block, which is read on the host. */
cudropi_draw_t cudropi_draw_prepared(const cudropi_draw_t *draw);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_DRAW_H */
