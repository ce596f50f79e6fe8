/*
 * norm_trial.h - one call of cudrop_norm_forward() or _backward() beside its formulas.
 *
 * h is compared to the byte; all else lies within bounds that follow from how many roundings a
 * result has gone through (norm_trial.c derives them) of a computation in double.
 */
#ifndef CUDROP_NORM_TRIAL_H
#define CUDROP_NORM_TRIAL_H

#include "rows_trial.h"

/* What a call has beside what it needs. */
enum {
  NORM_BIAS = 1,
  NORM_RESIDUAL = 2, /* and in backward a dh and a dresidual */
  NORM_GAMMA = 4,
  NORM_BETA = 8,
  NORM_H = 16,
  NORM_SAVED = 32, /* mean and rstd are written */
  NORM_DX = 64,
  NORM_EVERYTHING = 127,
  NORM_NO_INPUTS = 128,   /* backward: there is no dh and no gamma, ... */
  NORM_NO_GRADIENTS = 256 /* ... or no dresidual and no dgamma, though forward had them */
};

typedef enum {
  NORM_APART,
  NORM_Y_IS_X,         /* backward: dx is dy */
  NORM_Y_IS_RESIDUAL,  /* dx is dh */
  NORM_H_IS_X,         /* dresidual is dy */
  NORM_BOTH_ARE_INPUTS /* y is x and h is the residual; dx is h and dresidual is dy */
} norm_sharing_t;

typedef struct {
  const rows_layout_t *layout;
  cudrop_dtype_t dtype, vector_dtype; /* of full tensors, of vectors */
  cudrop_norm_kind_t kind;
  float epsilon, shift; /* shift: added to x, to make a mean */
  uint32_t parts, accumulate;
  norm_sharing_t sharing;
  cudrop_mask_t mask;
  bool no_mask, prepared, is_wild;
  bool upside_down; /* mean and rstd lie upside down, with gaps */
} norm_trial_t;

/* An empty text if the call succeeded and everything is right, else what is wrong. The text
 * lives until the next call. */
const char *norm_trial_forward(cudrop_context_t *context, const norm_trial_t *trial);
const char *norm_trial_backward(cudrop_context_t *context, const norm_trial_t *trial);

/* The same with a host context in the formula's place: every byte must be equal. */
const char *norm_trial_compare_forward(cudrop_context_t *reference,
                                       cudrop_context_t *context,
                                       const norm_trial_t *trial);
const char *norm_trial_compare_backward(cudrop_context_t *reference,
                                        cudrop_context_t *context,
                                        const norm_trial_t *trial);

#endif /* CUDROP_NORM_TRIAL_H */
