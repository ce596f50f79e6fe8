/* geometry.h - how a plan is walked by a GPU: pure functions, known without one. */
#ifndef CUDROP_GEOMETRY_H
#define CUDROP_GEOMETRY_H

#include <stdbool.h>

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Elements of a chunk, the work of one thread at a time: a group of the mask. */
enum {
  CUDROPI_CHUNK = 8,
  CUDROPI_CHUNK_ALIGNMENT =
      16 /* bytes, to be moved as vectors; of a byte an element, two chunks */
};

typedef enum {
  CUDROPI_WALK_NONE,   /* nothing is to be done */
  CUDROPI_WALK_COPY,   /* y gets the bytes of x */
  CUDROPI_WALK_CLEAR,  /* y gets bytes of 0 */
  CUDROPI_WALK_DENSE,  /* every operand in one piece, aligned: chunks are groups */
  CUDROPI_WALK_GENERAL /* any strides, alignments and index maps */
} cudropi_walk_t;

/*
 * Prepare a plan for the GPU's walk: its innermost dimension becomes one along which y lies
 * in one piece, if there is one. Bits and counts keep the order that they are defined by.
 */
void cudropi_order_dimensions(cudropi_plan_t *plan);

cudropi_walk_t cudropi_choose_walk(const cudropi_plan_t *plan);

/* How many bytes COPY and CLEAR move. */
size_t cudropi_walk_bytes(const cudropi_plan_t *plan);

/*
 * GENERAL walks the outer dimensions as lines and cuts each line into chunks, of which the
 * first begins at or before the line, where y is aligned: so many a line, at most.
 */
int64_t cudropi_chunks_per_line(const cudropi_plan_t *plan);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_GEOMETRY_H */
