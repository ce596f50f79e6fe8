/*
 * apply.h - what elementwise operators compute for a kept element: one source for C, for vectors in
 * C, and for CUDA.
 *
 * x and y are elements; c.scale and c.shift are constants of the plan. All have the type of the
 * computation: double for F64, else float. Every operation is rounded. A dropped element becomes
 * +0; with ACCUMULATE it keeps its bits; with AFFINE it becomes c.dropped.
 */
#ifndef CUDROP_APPLY_H
#define CUDROP_APPLY_H

/* X(NAME, name, kept): what CUDROPI_KERNEL_NAME computes for a kept element. */
#define CUDROPI_APPLY_LIST(X)                \
  X(SCALE, scale, (x * c.scale))             \
  X(ACCUMULATE, accumulate, y + x * c.scale) \
  X(AFFINE, affine, (x * c.scale) + c.shift) \
  X(FILL, fill, c.scale)

#endif /* CUDROP_APPLY_H */
