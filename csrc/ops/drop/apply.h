/*
 * apply.h - what elementwise operators make of an element that is kept: one text for C, for vectors
 * of it, and for CUDA.
 *
 * x and y are the elements, c.scale and c.shift the constants of the plan, all of the type of the
 * computation: double for F64, else float. Every operation is rounded. An element that is dropped
 * becomes +0, of ACCUMULATE keeps its bits, and of AFFINE becomes c.dropped.
 */
#ifndef CUDROP_APPLY_H
#define CUDROP_APPLY_H

/* X(NAME, name, kept): of CUDROPI_KERNEL_NAME. */
#define CUDROPI_APPLY_LIST(X)                \
  X(SCALE, scale, (x * c.scale))             \
  X(ACCUMULATE, accumulate, y + x * c.scale) \
  X(AFFINE, affine, (x * c.scale) + c.shift) \
  X(FILL, fill, c.scale)

#endif /* CUDROP_APPLY_H */
