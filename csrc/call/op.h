/*
 * op.h - what an operator is to the pipeline: the tensors that it has, the rules that they keep,
 * and its functions.
 *
 *   public call    csrc/ops/X/X.c fills in a cudropi_call_t
 *   check          check.c holds it against the slots below, then against the operator's own rules
 *   plan           plan.c makes a cudropi_plan_t of it: numbers alone
 *   backend        host/ or cuda/ cuts the plan into pieces of work
 *   kernel         what is done with a piece: csrc/ops/X/X_host.h, kernels/X/X.cuh
 *
 * An operator is one cudropi_op_t, a constant: whatever differs from operator to operator stands
 * there, and nothing outside its own files asks which one it is.
 */
#ifndef CUDROP_OP_H
#define CUDROP_OP_H

#include <stdbool.h>

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDROPI_SLOTS = 12, CUDROPI_OPTION_BYTES = 160 };

/* The sets of instructions that operators on rows are compiled for on the host. */
enum { CUDROPI_HOST_SCALAR, CUDROPI_HOST_AVX2, CUDROPI_HOST_AVX512, CUDROPI_HOST_PATHS };

/* The shape of a tensor beside the leader's, which is [..., cols]. */
typedef enum {
  CUDROPI_EXTENT_FULL,    /* the leader's */
  CUDROPI_EXTENT_ROW,     /* [cols] */
  CUDROPI_EXTENT_EACH,    /* [...]: one element a row */
  CUDROPI_EXTENT_LEADING, /* [the first sizes, some of ...]: one element for several rows */
  CUDROPI_EXTENT_TABLE,   /* [any size, cols] */
  CUDROPI_EXTENT_PLACES, /* [the last size but one, cols] */
  CUDROPI_EXTENT_ONE     /* [] */
} cudropi_extent_t;

typedef enum {
  CUDROPI_FLOATS,     /* F32, F16, BF16 or F64: what is computed with */
  CUDROPI_NUMBERS,    /* those and the F8 types: what is moved */
  CUDROPI_ROW_FLOATS, /* F32, F16 or BF16: what networks are trained in */
  CUDROPI_ONLY_F32,
  CUDROPI_BYTES,    /* U8 */
  CUDROPI_INTEGERS, /* I32 or I64 */
  CUDROPI_BITS,     /* packed, in memory of the caller's that is no tensor of his */
  CUDROPI_TOTAL     /* one uint64_t, likewise; all elements share it */
} cudropi_types_t;

/*
 * Of the first three types all tensors of an operator have the same: that of the branch. But a
 * tensor with CUDROPI_OR_F32 may have F32, and those with CUDROPI_STREAM, of a residual stream,
 * may all have F32.
 */
enum {
  CUDROPI_NEEDED = 1,
  CUDROPI_OUTPUT = 2,
  CUDROPI_OR_F32 = 4,
  CUDROPI_SUM = 8, /* over rows: a vector that is made of sums of each slab (tiling.h) */
  CUDROPI_STREAM = 16
};

/* A tensor of an operator; no name: there is none. */
typedef struct {
  const char *name; /* the public header's */
  uint8_t extent, types, flags;
} cudropi_slot_t;

/* Bits of an element of a tensor in a slot. */
static inline int32_t cudropi_element_bits(const cudropi_slot_t *slot,
                                           cudrop_dtype_t dtype) {
  if (slot->types == CUDROPI_BITS) return 1;
  if (slot->types == CUDROPI_TOTAL) return 64;
  return 8 * (int32_t)cudrop_dtype_bytes(dtype);
}

/* The slots of every elementwise operator. */
enum { CUDROPI_X, CUDROPI_KEEP, CUDROPI_Y };

/* What an elementwise operator does with an element that is known to be kept or not. */
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

struct cudropi_host_rows; /* host/rows_path.h */
struct cudropi_work;      /* cuda/launch.h */
typedef struct cudropi_call cudropi_call_t;
typedef struct cudropi_plan cudropi_plan_t;

typedef struct cudropi_op {
  const char *function; /* the public function, for texts */
  cudropi_slot_t slot[CUDROPI_SLOTS];
  uint8_t leader; /* the slot whose shape and type the others follow */
  uint8_t keep;   /* the slot of a mask that the caller brings; 0: there is none such */
  bool has_rows;  /* the last dimension stays whole; else a tensor is cut anywhere */
  bool has_workspace;   /* which the call lends */
  uint8_t floats_a_row; /* in the workspace, beside the sums of slabs */
  int64_t most_rows;    /* 0: as many as there are */

  /* Elementwise: at p = 0, which must leave the bits of x as they are, and above it. */
  cudropi_kernel_t at_zero, above_zero;
  bool is_alpha; /* the constants of alpha dropout */

  /* Rules of its own, of arguments that keep those of the slots. Here and below NULL is a function
   * that does nothing. */
  cudrop_status_t (*check)(const cudropi_call_t *call);
  /* Instead of those of plan.c, the bytes of workspace for so many rows and columns, if the tensors
   * in these slots are there; false past 63 bits. */
  bool (*count_bytes)(uint32_t slots, int64_t rows, int64_t cols, ptrdiff_t *bytes);
  /* Write the options of a plan, and whatever differs from what plan.c has written. */
  void (*plan)(const cudropi_call_t *call, cudropi_plan_t *plan);
  /* Instead of one plan for the backend: of a call that is checked. */
  cudrop_status_t (*run)(cudrop_context_t *context, const cudropi_call_t *call);

  const struct cudropi_host_rows *host[CUDROPI_HOST_PATHS]; /* with rows */
  int (*launch)(const struct cudropi_work *work); /* on a GPU; gives a cudaError_t */
} cudropi_op_t;

/* The functions of X_host.h, compiled for each set of instructions; and what a path has of them. */
#define CUDROPI_DECLARE_HOST(name) \
  extern const struct cudropi_host_rows name##_scalar, name##_avx2, name##_avx512
#if defined(CUDROP_WITH_VECTORS)
#define CUDROPI_HOST(name) \
  { &name##_scalar, &name##_avx2, &name##_avx512 }
#else
#define CUDROPI_HOST(name) \
  { &name##_scalar }
#endif

/* The launch; a library without GPU code has none. */
#if defined(CUDROP_WITH_CUDA)
#define CUDROPI_LAUNCH(function) (function)
#else
#define CUDROPI_LAUNCH(function) NULL
#endif

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_OP_H */
