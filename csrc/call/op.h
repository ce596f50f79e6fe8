/*
 * op.h - an operator as the pipeline sees it: its tensors, their rules, and its functions.
 *
 *   public call    csrc/ops/X/X.c fills in a cudropi_call_t
 *   check          check.c applies the rules of the slots below, then the operator's own
 *   plan           plan.c turns the call into a cudropi_plan_t
 *   backend        host/ or cuda/ cuts the plan into pieces of work
 *   kernel         csrc/ops/X/X_host.h or kernels/X/X.cuh does a piece
 *
 * An operator is one constant cudropi_op_t, which holds everything that differs from operator to
 * operator. Code outside the operator's own files never asks which operator it runs.
 */
#ifndef CUDROP_OP_H
#define CUDROP_OP_H

#include <stdbool.h>

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDROPI_SLOTS = 12, CUDROPI_OPTION_BYTES = 176 };

/* The sets of instructions that operators on rows are compiled for on the host. */
enum { CUDROPI_HOST_SCALAR, CUDROPI_HOST_AVX2, CUDROPI_HOST_AVX512, CUDROPI_HOST_PATHS };

/* The shape of a tensor. The leader's shape is [..., cols]. */
typedef enum {
  CUDROPI_EXTENT_FULL,    /* the leader's */
  CUDROPI_EXTENT_ROW,     /* [cols] */
  CUDROPI_EXTENT_EACH,    /* [...]: one element a row */
  CUDROPI_EXTENT_LEADING, /* [the first sizes of ...]: one element for several rows */
  CUDROPI_EXTENT_TABLE,   /* [any size, cols] */
  CUDROPI_EXTENT_PLACES,  /* [the last size of ..., cols] */
  CUDROPI_EXTENT_KEYS,    /* [..., keys, cols], beside a leader [..., queries, cols] */
  CUDROPI_EXTENT_ONE      /* [] */
} cudropi_extent_t;

typedef enum {
  CUDROPI_FLOATS,     /* F32, F16, BF16 or F64 */
  CUDROPI_NUMBERS,    /* F32, F16, BF16, F64 or an F8 type */
  CUDROPI_ROW_FLOATS, /* F32, F16 or BF16 */
  CUDROPI_ONLY_F32,
  CUDROPI_BYTES,    /* U8 */
  CUDROPI_INTEGERS, /* I32 or I64 */
  CUDROPI_BITS,     /* packed bits; the caller passes a pointer, not a tensor */
  CUDROPI_TOTAL     /* one uint64_t for all elements; the caller passes a pointer */
} cudropi_types_t;

/*
 * Flags of a slot. The tensors of an operator whose types are FLOATS, NUMBERS or ROW_FLOATS have
 * one type, the branch's, unless CUDROPI_OR_F32 or CUDROPI_STREAM says otherwise.
 */
enum {
  CUDROPI_NEEDED = 1, /* the tensor is not NULL */
  CUDROPI_OUTPUT = 2,
  CUDROPI_OR_F32 = 4, /* the tensor may be F32 */
  CUDROPI_SUM = 8, /* a vector: the sum over rows, from a sum for each slab (tiling.h) */
  CUDROPI_STREAM = 16 /* of the residual stream, whose tensors may all be F32 */
};

/* A tensor of an operator. An unused slot has no name. */
typedef struct {
  const char *name; /* as in the public header */
  uint8_t extent, types, flags;
} cudropi_slot_t;

/* Slots that operators on rows share: a full tensor, and a vector along the rows. */
#define CUDROPI_FULL(NAME, FLAGS) \
  { .name = (NAME), .types = CUDROPI_ROW_FLOATS, .flags = (FLAGS) }
#define CUDROPI_VECTOR(NAME, FLAGS)                                            \
  {                                                                            \
    .name = (NAME), .extent = CUDROPI_EXTENT_ROW, .types = CUDROPI_ROW_FLOATS, \
    .flags = CUDROPI_OR_F32 | (FLAGS)                                          \
  }

/* Bits of an element of a tensor in a slot. */
static inline int32_t cudropi_element_bits(const cudropi_slot_t *slot,
                                           cudrop_dtype_t dtype) {
  if (slot->types == CUDROPI_BITS) return 1;
  if (slot->types == CUDROPI_TOTAL) return 64;
  return 8 * (int32_t)cudrop_dtype_bytes(dtype);
}

/* The slots of every elementwise operator. */
enum { CUDROPI_X, CUDROPI_KEEP, CUDROPI_Y };

/* What an elementwise operator writes for an element with keep bit `keep`. */
typedef enum {
  CUDROPI_KERNEL_SELECT,     /* y = keep ? x : +0, bit for bit */
  CUDROPI_KERNEL_SCALE,      /* y = keep ? x * scale : +0 */
  CUDROPI_KERNEL_ACCUMULATE, /* y = keep ? y + x * scale : y */
  CUDROPI_KERNEL_AFFINE,     /* y = keep ? x * scale + shift : dropped */
  CUDROPI_KERNEL_FILL,       /* y = keep ? scale : +0 */
  CUDROPI_KERNEL_BYTES,      /* y = keep */
  CUDROPI_KERNEL_BITS,       /* y = keep, one bit each; y is cleared before */
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
  uint8_t keep;   /* the slot of a mask that the caller brings; 0: no such slot */
  /* A slot of the extent KEYS: the mask has the shape [..., queries, keys]. 0: there is no such
   * slot, and the mask has the leader's shape. */
  uint8_t keys;
  bool has_rows;        /* works on rows, the last dimension; else elementwise */
  bool has_whole_rows;  /* a block takes whole rows of up to 2,048 columns (tiling.h) */
  bool has_workspace;   /* the caller provides it */
  uint8_t floats_a_row; /* kept in the workspace for each row, beside the sums of slabs */
  int64_t most_rows;    /* 0: no limit */

  /* Elementwise: the kernels at p = 0 and at p > 0. At p = 0 dropout keeps the bits of x. */
  cudropi_kernel_t at_zero, above_zero;
  bool is_alpha; /* uses the constants of alpha dropout */

  /* Check the operator's own rules, after those of the slots. NULL: there are none. */
  cudrop_status_t (*check)(const cudropi_call_t *call);
  /* Write to *bytes the workspace for `rows` rows and `cols` columns, if the call has the tensors
   * in `slots`; false past 63 bits. NULL: plan.c counts the bytes. */
  bool (*count_bytes)(uint32_t slots, int64_t rows, int64_t cols, ptrdiff_t *bytes);
  /* Write the options of a plan, and change what plan.c has written where this operator differs.
   * NULL: nothing to write. */
  void (*plan)(const cudropi_call_t *call, cudropi_plan_t *plan);
  /* Run a checked call. NULL: the backend runs the call as one plan. */
  cudrop_status_t (*run)(cudrop_context_t *context, const cudropi_call_t *call);

  const struct cudropi_host_rows *host[CUDROPI_HOST_PATHS]; /* operators on rows only */
  int (*launch)(const struct cudropi_work *work); /* on a GPU; returns a cudaError_t */
} cudropi_op_t;

/* Declare the functions of X_host.h, compiled for each set of instructions. */
#define CUDROPI_DECLARE_HOST(name) \
  extern const struct cudropi_host_rows name##_scalar, name##_avx2, name##_avx512
/* Their addresses, by CUDROPI_HOST_SCALAR and the like. */
#if defined(CUDROP_WITH_VECTORS)
#define CUDROPI_HOST(name) \
  { &name##_scalar, &name##_avx2, &name##_avx512 }
#else
#define CUDROPI_HOST(name) \
  { &name##_scalar }
#endif

/* The launch function; NULL in a library without GPU code. */
#if defined(CUDROP_WITH_CUDA)
#define CUDROPI_LAUNCH(function) (function)
#else
#define CUDROPI_LAUNCH(function) NULL
#endif

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_OP_H */
