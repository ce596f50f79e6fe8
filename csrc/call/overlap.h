/* overlap.h - whether strided views share memory, decided without touching it. */
#ifndef CUDROP_OVERLAP_H
#define CUDROP_OVERLAP_H

#include <stdbool.h>

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/* The bytes of a view: `width` bytes at each address + sum of coordinate * stride. */
typedef struct {
  uintptr_t address;
  int64_t width;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];  /* sizes, from 1 */
  int64_t stride[CUDROP_MAX_RANK]; /* in bytes */
} cudropi_footprint_t;

/*
 * Both questions below are subset-sum problems. They are decided exactly for every layout of
 * slices, transpositions and broadcasts. A layout so intricate that the search does not end within
 * some thousand steps counts as overlapping.
 */

/* May two elements of the view share a byte? False only if it is certain that none do. */
bool cudropi_may_repeat(const cudropi_footprint_t *view);
/* May the two views share a byte? False only if it is certain that they do not. */
bool cudropi_may_meet(const cudropi_footprint_t *a, const cudropi_footprint_t *b);

#endif /* CUDROP_OVERLAP_H */
