/* plan.h - an operator's call, worked out: all that a backend needs to know. */
#ifndef CUDROP_PLAN_H
#define CUDROP_PLAN_H

#include "call/call.h"
#include "call/draw.h"
#include "call/tiling.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor without its shape, which all operands of a plan share. */
typedef struct {
  void *data;
  cudrop_dtype_t dtype;
  int32_t bits; /* of an element; 0: there is no such operand */
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

struct cudropi_plan {
  const cudropi_op_t *op;

  int64_t n;
  int64_t rows, cols;            /* n = rows * cols, of an operator that has rows; ... */
  cudrop_dtype_t branch, stream; /* ... and of the full tensors, by CUDROPI_STREAM */
  /* The dimensions of the tensors, or of what counts the rows; from 1: those of size 1 are gone,
   * those in one piece are merged. */
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_operand_t operand[CUDROPI_SLOTS]; /* their strides are along shape */

  cudropi_draw_t draw; /* its index_stride is along shape */
  int64_t index_step;  /* of the mask's index along a row */

  cudropi_kernel_t kernel;       /* elementwise ... */
  cudropi_constants_t constants; /* ... of draw.p, unless the draw is prepared */

  bool adds_to_data, adds_to_parameters;
  cudropi_tiling_t tiling; /* of the rows */
  /* In the workspace: the column sums of each slab of what is a sum, else NULL; and of each row
   * the floats that the operator keeps, those of all rows one after another. */
  float *partial[CUDROPI_SLOTS];
  float *of_rows;

  /* A struct of the operator's, which only its own files read; aligned by what is before it. */
  unsigned char options[CUDROPI_OPTION_BYTES];
};

/* The plan of a checked call: a pure function of it. */
cudropi_plan_t cudropi_plan(const cudropi_call_t *call);

/* The same plan with the numbers of the prepared block that it names, read on the host. */
cudropi_plan_t cudropi_plan_prepared(const cudropi_plan_t *plan);

/* The constants of an operator at rate p; p = 1 has no survivors, and constants of 0. */
cudropi_constants_t cudropi_constants(bool is_alpha, double p);

/* Drop dimensions of size 1 and merge neighbours that lie in one piece in every view. */
void cudropi_merge_dimensions(cudropi_plan_t *plan);

enum { CUDROPI_ANY_SLOTS = 0xffff };

/*
 * Write to *bytes the workspace for so many rows and columns if the tensors in `slots`, a bit each,
 * are there; with CUDROPI_ANY_SLOTS what is enough for any of them, and for fewer rows. Or refuse a shape for which there can be none. No product of sizes is made without a
 * check before this succeeds.
 */
cudrop_status_t cudropi_count_workspace(const char *function, const cudropi_op_t *op,
                                        uint32_t slots, int64_t rows, int64_t cols,
                                        size_t *bytes);

static inline bool cudropi_has(const cudropi_plan_t *plan, int slot) {
  return plan->operand[slot].bits != 0;
}

/* Is there a vector in the slot that is summed over rows? */
static inline bool cudropi_is_sum(const cudropi_plan_t *plan, int slot) {
  return (plan->op->slot[slot].flags & CUDROPI_SUM) != 0 && cudropi_has(plan, slot);
}

/* Not unrolled on a GPU: eight 64-bit divisions would outweigh the kernel. */
#if defined(__CUDA_ARCH__)
#define CUDROPI_ROLLED _Pragma("unroll 1")
#else
#define CUDROPI_ROLLED
#endif

/* How many elements from the first row row `row` lies, by its strides along shape[0..rank). */
CUDROP_INLINE int64_t cudropi_row_place(int rank, const int64_t *shape,
                                        const int64_t *stride, int64_t row) {
  int64_t place = 0;
  CUDROPI_ROLLED
  for (int d = rank - 1; d > 0; --d) {
    const int64_t outer = row / shape[d];
    place += (row - outer * shape[d]) * stride[d];
    row = outer;
  }
  return place + row * stride[0];
}

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_PLAN_H */
