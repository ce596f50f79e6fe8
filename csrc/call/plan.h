/* plan.h - an operator's call, worked out: all that a kernel needs to know. */
#ifndef CUDROP_PLAN_H
#define CUDROP_PLAN_H

#include "call/call.h"
#include "call/draw.h"

#ifdef __cplusplus
extern "C" {
#endif

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

/* A tensor without its shape, which all operands of a plan share. */
typedef struct {
  void *data;
  cudrop_dtype_t dtype;
  int64_t stride[CUDROP_MAX_RANK];
} cudropi_operand_t;

/* Survivors become x * scale + shift; what is dropped by an affine kernel is `dropped`. */
typedef struct {
  double scale, shift, dropped;
} cudropi_constants_f64_t;
typedef struct {
  float scale, shift, dropped;
  float unused; /* 0, in place of padding: prepared blocks are these bytes */
} cudropi_constants_f32_t;
typedef struct {
  cudropi_constants_f64_t f64; /* for F64 */
  cudropi_constants_f32_t f32; /* for every other type */
} cudropi_constants_t;

typedef struct {
  cudropi_operator_t op;
  cudropi_kernel_t kernel;

  int64_t n;
  int rank; /* from 1: dimensions of size 1 are gone, those in one piece are merged */
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_operand_t x, keep, y; /* zero where the kernel has none */

  cudropi_draw_t draw;
  cudropi_constants_t constants; /* of draw.p, unless the draw is prepared */
} cudropi_plan_t;

/* The plan of a validated call: a pure function of it. */
cudropi_plan_t cudropi_plan(const cudropi_call_t *call);

/* The same plan with the numbers of the prepared block that it names, read on the host. */
cudropi_plan_t cudropi_plan_prepared(const cudropi_plan_t *plan);

/* The constants of an operator at rate p; p = 1 has no survivors, and constants of 0. */
cudropi_constants_t cudropi_constants(cudropi_operator_t op, double p);

/* Drop dimensions of size 1 and merge neighbours that lie in one piece in every view. */
void cudropi_merge_dimensions(cudropi_plan_t *plan);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_PLAN_H */
