/* plan.h - the plan of a call: all that a backend needs to know. */
#ifndef CUDROP_PLAN_H
#define CUDROP_PLAN_H

#include "call/call.h"
#include "call/draw.h"
#include "call/tiling.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor of a plan. All operands share the plan's shape. */
typedef struct {
  void *data;
  cudrop_dtype_t dtype;
  int32_t bits; /* of an element; 0: the call has no such tensor */
  int64_t stride[CUDROP_MAX_RANK];
} cudropi_operand_t;

/* A kept element becomes x * scale + shift. The affine kernel writes `dropped` for the others. */
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

  int64_t n;          /* elements */
  int64_t rows, cols; /* n = rows * cols; operators on rows only */
  /* The types of full tensors without and with CUDROPI_STREAM; operators on rows only. */
  cudrop_dtype_t branch, stream;
  /* At least 1. shape has all dimensions of an elementwise operator, else those that count rows.
   * Dimensions of size 1 are left out; neighbours in one piece are merged. */
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_operand_t operand[CUDROPI_SLOTS]; /* the strides are along shape */

  cudropi_draw_t draw; /* its index_stride is along shape */
  int64_t index_step;  /* of the mask's index from column to column */
  int64_t mask_cols;   /* of a row of the mask: cols, or the keys */

  cudropi_kernel_t kernel; /* elementwise operators only */
  /* The constants of draw.p; elementwise operators only. Unset if the draw is prepared. */
  cudropi_constants_t constants;

  bool adds_to_data, adds_to_parameters;
  cudropi_tiling_t tiling; /* of the rows */
  /* In the workspace, for each slot with a sum: the column sums, [slabs, cols]. Else NULL. */
  float *partial[CUDROPI_SLOTS];
  /* In the workspace: the floats kept for each row, [floats_a_row, rows]. NULL: none are kept. */
  float *of_rows;

  /* A struct that only the operator's own files read. Its offset is a multiple of 8. */
  unsigned char options[CUDROPI_OPTION_BYTES];
};

/* The plan of a checked call. The plan is a pure function of the call. */
cudropi_plan_t cudropi_plan(const cudropi_call_t *call);

/* The same plan with the numbers of its prepared block, which is read on the host. */
cudropi_plan_t cudropi_plan_prepared(const cudropi_plan_t *plan);

/* The constants of an operator at rate p. They are 0 at p = 1, where nothing is kept. */
cudropi_constants_t cudropi_constants(bool is_alpha, double p);

/* Drop dimensions of size 1, and merge neighbours that are in one piece in every operand and in the
 * mask. */
void cudropi_merge_dimensions(cudropi_plan_t *plan);

enum { CUDROPI_ANY_SLOTS = 0xffff };

/*
 * Write to *bytes the workspace for `rows` rows and `cols` columns. `slots` has a bit for each
 * tensor that the call has; CUDROPI_ANY_SLOTS gives a workspace for any tensors and for up to
 * `rows` rows. Refuse a shape that no workspace can have. Sizes are multiplied without a check only
 * after this function has succeeded.
 */
cudrop_status_t cudropi_count_workspace(const char *function, const cudropi_op_t *op,
                                        uint32_t slots, int64_t rows, int64_t cols,
                                        size_t *bytes);

static inline bool cudropi_has(const cudropi_plan_t *plan, int slot) {
  return plan->operand[slot].bits != 0;
}

/* Does the slot hold a vector that is a sum over rows? */
static inline bool cudropi_is_sum(const cudropi_plan_t *plan, int slot) {
  return (plan->op->slot[slot].flags & CUDROPI_SUM) != 0 && cudropi_has(plan, slot);
}

/* Not unrolled on a GPU: eight 64-bit divisions would outweigh the kernel. */
#if defined(__CUDA_ARCH__)
#define CUDROPI_ROLLED _Pragma("unroll 1")
#else
#define CUDROPI_ROLLED
#endif

/* How many elements row `row` lies behind row 0, by the strides along shape[0..rank). */
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
