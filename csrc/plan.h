/* plan.h - an operator's call, worked out: all that a kernel needs to know. */
#ifndef CUDROP_PLAN_H
#define CUDROP_PLAN_H

#include "call.h"
#include "cudrop/mask.h"

/* What is done with each element, once it is known whether it is kept. */
typedef enum {
  CUDROPI_KERNEL_SELECT,     /* y = keep ? x : +0, bit for bit */
  CUDROPI_KERNEL_SCALE,      /* y = keep ? x * scale : +0 */
  CUDROPI_KERNEL_ACCUMULATE, /* y = keep ? y + x * scale : y */
  CUDROPI_KERNEL_AFFINE,     /* y = keep ? x * scale + shift : dropped */
  CUDROPI_KERNEL_FILL,       /* y = keep ? scale : +0 */
  CUDROPI_KERNEL_BYTES,      /* y = keep */
  CUDROPI_KERNEL_BITS,       /* y = keep, one bit each; bits of y are clear before */
  CUDROPI_KERNEL_COUNT,      /* y += keep */
  CUDROPI_KERNELS
} cudropi_kernel_t;

/* Where the keep bits come from. */
typedef enum {
  CUDROPI_FROM_PHILOX,
  CUDROPI_FROM_OPERAND, /* the caller's mask: bytes or bits */
  CUDROPI_ALL_KEPT,
  CUDROPI_ALL_DROPPED
} cudropi_source_t;

/* A tensor without its shape, which all operands of a plan share. */
typedef struct {
  void *data;
  cudrop_dtype_t dtype;
  int64_t stride[CUDROP_MAX_RANK];
} cudropi_operand_t;

typedef struct {
  cudropi_kernel_t kernel;
  cudropi_source_t source;

  int64_t n;
  int rank; /* from 1: dimensions of size 1 are gone, those in one piece are merged */
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_operand_t x, keep, y; /* zero where the kernel has none */

  uint64_t seed, offset; /* the draw */
  cudrop_mask_threshold_t threshold;
  uint64_t index_base;
  int64_t index_stride[CUDROP_MAX_RANK];

  struct {
    double scale, shift, dropped; /* for F64 */
  } f64;
  struct {
    float scale, shift, dropped; /* for every other type */
  } f32;
} cudropi_plan_t;

/* The plan of a validated call: a pure function of it. */
cudropi_plan_t cudropi_plan(const cudropi_call_t *call);

#endif /* CUDROP_PLAN_H */
