/* geometry.h - how a GPU walks a plan: pure functions, which need no GPU. */
#ifndef CUDROP_GEOMETRY_H
#define CUDROP_GEOMETRY_H

#include <stdbool.h>

#include "call/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CUDROPI_CHUNK = 8, /* elements that a thread does at a time: a group of the mask */
  CUDROPI_CHUNK_ALIGNMENT = 16 /* bytes, for vectors; two chunks of a 1-byte type */
};

typedef enum {
  CUDROPI_WALK_NONE,   /* nothing is to be done */
  CUDROPI_WALK_COPY,   /* y gets the bytes of x */
  CUDROPI_WALK_CLEAR,  /* y gets zero bytes */
  CUDROPI_WALK_DENSE,  /* every operand in one piece, aligned: chunks are groups */
  CUDROPI_WALK_GENERAL /* any strides, alignments and index maps */
} cudropi_walk_t;

/*
 * Prepare a plan for the GPU's walk: a dimension along which y is in one piece becomes the
 * innermost, if there is one. Operators on rows, BITS and COUNT keep their order.
 */
void cudropi_order_dimensions(cudropi_plan_t *plan);

cudropi_walk_t cudropi_choose_walk(const cudropi_plan_t *plan);

/* How many bytes COPY and CLEAR write. */
size_t cudropi_walk_bytes(const cudropi_plan_t *plan);

/*
 * The most chunks of a line in GENERAL. GENERAL walks the outer dimensions as lines, and cuts each
 * line into chunks. The first chunk begins where y is aligned: at the line or before it.
 */
int64_t cudropi_chunks_per_line(const cudropi_plan_t *plan);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_GEOMETRY_H */
