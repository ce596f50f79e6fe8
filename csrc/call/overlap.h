/* overlap.h - whether strided views share memory, decided without touching it. */
#ifndef CUDROP_OVERLAP_H
#define CUDROP_OVERLAP_H

#include <stdbool.h>

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/* The bytes of a view: `width` of them at address + sum of coordinate * stride. */
typedef struct {
  uintptr_t address;
  int64_t width;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];  /* sizes, from 1 */
  int64_t stride[CUDROP_MAX_RANK]; /* in bytes */
} cudropi_footprint_t;

/*
 * False only if it is certain that no two elements of the view share a byte, and that the
 * two views share none. The question is a subset-sum problem: it is decided exactly for
 * every layout of slices, transpositions and broadcasts, and a layout so intricate that
 * the search would not end within some thousand steps counts as overlapping.
 */
bool cudropi_may_repeat(const cudropi_footprint_t *view);
bool cudropi_may_meet(const cudropi_footprint_t *a, const cudropi_footprint_t *b);

#endif /* CUDROP_OVERLAP_H */
