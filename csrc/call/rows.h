/*
 * rows.h - one call of an operator on rows: what it was asked, and its plan.
 *
 * Such an operator sees its tensors as rows of `cols` neighbours: the last dimension is a row,
 * those before it count the rows. Beside full tensors there are vectors along a row (a bias)
 * and tensors of one element a row (a mean).
 */
#ifndef CUDROP_ROWS_H
#define CUDROP_ROWS_H

#include "call/plan.h"
#include "call/tiling.h"
#include "ops/attention/attention.h"
#include "ops/embedding/embedding.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  CUDROPI_ROWS_FUSED,          /* y = residual + drop(act(x + bias)) */
  CUDROPI_ROWS_FUSED_GRADIENT, /* dx = act'(x + bias) * drop(dy), dbias = column sums */
  CUDROPI_ROWS_NORM,           /* y = norm(h), h = residual + drop(x + bias) */
  CUDROPI_ROWS_NORM_GRADIENT,
  CUDROPI_ROWS_ATTENTION,          /* weights = softmax(scale * x), y = drop(weights) */
  CUDROPI_ROWS_ATTENTION_REAPPLY,  /* y = drop(weights) */
  CUDROPI_ROWS_ATTENTION_GRADIENT, /* dx, from dy and weights */
  CUDROPI_ROWS_EMBEDDING,          /* y = drop(tokens[ids] + positions) */
  CUDROPI_ROWS_EMBEDDING_GRADIENT, /* dtokens or dpositions, a sum over rows of drop(dy) */
  CUDROPI_ROWS_OPERATORS
} cudropi_rows_operator_t;

/* Every tensor that an operator on rows may have. */
typedef enum {
  CUDROPI_ROWS_X,
  CUDROPI_ROWS_BIAS,
  CUDROPI_ROWS_RESIDUAL,
  CUDROPI_ROWS_Y,
  CUDROPI_ROWS_DY,
  CUDROPI_ROWS_DX,
  CUDROPI_ROWS_DBIAS,
  CUDROPI_ROWS_H,
  CUDROPI_ROWS_DH,
  CUDROPI_ROWS_DRESIDUAL,
  CUDROPI_ROWS_GAMMA,
  CUDROPI_ROWS_BETA,
  CUDROPI_ROWS_DGAMMA,
  CUDROPI_ROWS_DBETA,
  CUDROPI_ROWS_MEAN,
  CUDROPI_ROWS_RSTD,
  CUDROPI_ROWS_WEIGHTS,
  CUDROPI_ROWS_LENGTHS,
  CUDROPI_ROWS_BITS,
  CUDROPI_ROWS_IDS,
  CUDROPI_ROWS_TOKENS,
  CUDROPI_ROWS_POSITIONS,
  CUDROPI_ROWS_DTOKENS,
  CUDROPI_ROWS_DPOSITIONS,
  CUDROPI_ROWS_COUNTER,
  CUDROPI_ROWS_OPERANDS
} cudropi_rows_operand_t;

typedef enum {
  CUDROPI_EXTENT_FULL,   /* [..., cols] */
  CUDROPI_EXTENT_ROW,    /* [cols] */
  CUDROPI_EXTENT_EACH,   /* [...]: one element a row */
  CUDROPI_EXTENT_FIRST,  /* [the first size]: one element for all rows of a batch */
  CUDROPI_EXTENT_TABLE,  /* [any size, cols] */
  CUDROPI_EXTENT_PLACES, /* [the last size but one, cols] */
  CUDROPI_EXTENT_ONE     /* [] */
} cudropi_extent_t;

typedef enum {
  CUDROPI_TYPE_SAME,        /* that of the first full tensor: F32, F16 or BF16 */
  CUDROPI_TYPE_SAME_OR_F32, /* parameters and their gradients */
  CUDROPI_TYPE_F32,
  CUDROPI_TYPE_I32,
  CUDROPI_TYPE_INTERNAL /* of tensor.h: a tensor that the library makes */
} cudropi_type_rule_t;

/* A tensor of a call and what it must be; no name: this operator has none such. */
typedef struct {
  const char *name;
  const cudrop_tensor_t *tensor; /* NULL where it may be absent and is */
  cudropi_extent_t extent;
  cudropi_type_rule_t type;
  bool is_needed, is_output;
} cudropi_rows_argument_t;

/* Memory that the caller lends for sums over rows. */
typedef struct {
  void *memory;
  size_t bytes;
} cudropi_workspace_t;

typedef struct {
  const char *function; /* the public function, for texts */
  cudropi_rows_operator_t op;
  cudropi_rows_operand_t
      first; /* the full tensor whose shape and type the others follow */
  cudropi_rows_argument_t argument[CUDROPI_ROWS_OPERANDS];
  const cudrop_mask_t *mask; /* NULL: everything is kept, or what has a bit, ... */
  double p;                  /* ... with this rate */
  const cudropi_attention_t *attention; /* NULL for other operators */
  cudrop_activation_t activation;
  cudrop_norm_t norm;
  float epsilon;
  uint32_t accumulate; /* of cudrop_accumulate_t */
  int floats_a_row;    /* that the operator keeps in the workspace */
  int64_t vocabulary;  /* of ids, where there are no tokens */
  cudropi_workspace_t workspace;
} cudropi_rows_call_t;

typedef struct {
  cudropi_rows_operator_t op;

  int64_t rows, cols;
  int rank; /* of what counts the rows, from 1; merged as a plan's dimensions are */
  int64_t shape[CUDROP_MAX_RANK];
  cudropi_operand_t
      operand[CUDROPI_ROWS_OPERANDS]; /* strides from row to row, along shape;
                                                       no type: absent */
  cudropi_extent_t extent[CUDROPI_ROWS_OPERANDS];
  bool is_sum[CUDROPI_ROWS_OPERANDS]; /* over rows: a gradient of a parameter */

  cudropi_draw_t draw; /* its index_stride is from row to row, along shape */
  int64_t index_step;  /* of the mask's index, along a row */
  const uint8_t *bits; /* CUDROPI_FROM_OPERAND: element e is bit e & 7 of byte e >> 3 */

  cudropi_visible_t visible; /* attention weights */
  float scores_scale;
  cudropi_lookup_t lookup; /* embedding; its gradient ... */
  cudropi_gather_t gather; /* ... that of one table */
  cudrop_activation_t activation;
  cudrop_norm_t norm;
  float epsilon;
  bool adds_to_data, adds_to_parameters;
  cudropi_tiling_t tiling;

  /* In the workspace: the column sums of each slab of what is a sum, else NULL; and of each row
     the floats that the operator keeps, those of all rows one after another. */
  float *partial[CUDROPI_ROWS_OPERANDS];
  float *of_rows;
} cudropi_rows_t;

/* Check a call before any memory is touched. */
cudrop_status_t cudropi_rows_validate(const cudrop_context_t *context,
                                      const cudropi_rows_call_t *call);

/* The plan of a validated call: a pure function of it. */
cudropi_rows_t cudropi_rows_plan(const cudropi_rows_call_t *call);

/*
 * Write to *bytes the workspace that a call needs, whose first tensor is valid, or refuse a shape
 * for which there can be none. No product of sizes is made without a check before this succeeds.
 */
cudrop_status_t cudropi_rows_workspace(const cudropi_rows_call_t *call, size_t *bytes);

/* Answer a public query for it: only the first tensor of the call needs to be there. */
cudrop_status_t cudropi_rows_query(const cudropi_rows_call_t *call, size_t *bytes);

/* Validate, plan and run. */
cudrop_status_t cudropi_rows_run(cudrop_context_t *context,
                                 const cudropi_rows_call_t *call);

/* The table that a gradient of one is for. */
static inline cudropi_rows_operand_t cudropi_rows_table(const cudropi_rows_t *rows) {
  return rows->gather.is_sorted ? CUDROPI_ROWS_DTOKENS : CUDROPI_ROWS_DPOSITIONS;
}

/* A loop that a GPU's compiler shall leave as it is: its division, eight times, is more code than
 * the rest of a kernel. */
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

static inline bool cudropi_rows_has(const cudropi_rows_t *rows,
                                    cudropi_rows_operand_t operand) {
  return rows->operand[operand].dtype != 0;
}

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_ROWS_H */
