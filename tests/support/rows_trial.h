/*
 * rows_trial.h - one call of an operator on rows beside what its formula says.
 *
 * Full tensors have the trial's shape, are poisoned and fenced, and are compared to the byte
 * where the arithmetic is exact, else within bounds of a computation in double.
 */
#ifndef CUDROP_ROWS_TRIAL_H
#define CUDROP_ROWS_TRIAL_H

#include "view.h"

typedef struct {
  const char *name;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  const int64_t *stride; /* of x and dy; NULL is row-major */
  int shift; /* elements behind an aligned address; x has one more where they are not 4 */
  bool repeats_residual; /* one row of it for all */
} rows_layout_t;

static inline int64_t rows_count(const rows_layout_t *layout) {
  int64_t rows = 1;
  for (int d = 0; d < layout->rank - 1; ++d) rows *= layout->shape[d];
  return rows;
}
static inline int64_t rows_count_cols(const rows_layout_t *layout) {
  return layout->shape[layout->rank - 1];
}

/* What a call does without, beside what vector_dtype and has_residual say. */
enum {
  ROWS_NO_BIAS = 1,
  ROWS_NO_DX = 2,
  ROWS_NO_DBIAS = 4,
  ROWS_NO_X = 8 /* in backward, where the activation is the identity */
};

typedef struct {
  const rows_layout_t *layout;
  cudrop_dtype_t dtype, vector_dtype; /* of full tensors; of bias and dbias, 0 for none */
  cudrop_activation_t activation;
  cudrop_mask_t mask;
  bool no_mask, prepared;
  bool has_residual, in_place, is_wild; /* wild: any bits at all, NaN among them */
  uint32_t left_out, accumulate;
} rows_trial_t;

/* An empty text if the call succeeded and everything is right, else what is wrong. The text
 * lives until the next call. */
const char *rows_trial_forward(cudrop_context_t *context, const rows_trial_t *trial);
const char *rows_trial_backward(cudrop_context_t *context, const rows_trial_t *trial);

/* The same with a host context in the formula's place: every byte must be equal. */
const char *rows_trial_compare_forward(cudrop_context_t *reference,
                                       cudrop_context_t *context,
                                       const rows_trial_t *trial);
const char *rows_trial_compare_backward(cudrop_context_t *reference,
                                        cudrop_context_t *context,
                                        const rows_trial_t *trial);

/* act(z) and act'(z) by their formulas. */
double rows_trial_activation(cudrop_activation_t activation, double z);
double rows_trial_slope(cudrop_activation_t activation, double z);

#endif /* CUDROP_ROWS_TRIAL_H */
