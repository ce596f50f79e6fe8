/*
 * attention_trial.h - attention weights beside what their formulas say: forward, reapply and
 * backward of one tensor of scores.
 *
 * What a query does not see is NaN in every input, so that whoever looks at it is found out.
 */
#ifndef CUDROP_ATTENTION_TRIAL_H
#define CUDROP_ATTENTION_TRIAL_H

#include "trial.h"

/* Rows of scores that are not ordinary: every third row takes turns. */
typedef enum {
  TRIAL_ORDINARY,
  TRIAL_EQUAL,  /* all scores are 1 */
  TRIAL_LARGE,  /* far apart, so that weights vanish */
  TRIAL_TINY,   /* most are zeros and subnormals of both signs, and so is dy */
  TRIAL_SPECIAL /* rows with -infinity, with nothing else, with NaN, with infinity */
} trial_scores_t;

typedef struct {
  const char *name;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  const int64_t *stride; /* of scores and dy; NULL is row-major */
  int shift; /* elements behind an aligned address, of scores, weights and y */
} attention_layout_t;

typedef struct {
  const attention_layout_t *layout;
  cudrop_dtype_t dtype;
  float scale;
  cudrop_causal_t causal;
  int64_t query_offset; /* of CUDROP_CAUSAL alone */
  int64_t window;       /* if causal */
  bool has_lengths;     /* 0, some, all, too many and a negative number take turns */
  cudrop_mask_t mask;
  bool no_mask;
  trial_source_t source; /* how the mask is given */
  trial_scores_t scores;
  bool
      in_place; /* weights are the scores' tensor, y of reapply the weights', dscores dy's */
  bool without_weights; /* of forward; y alone */
  bool without_y;       /* of forward; weights alone */
} attention_trial_t;

/* An empty text if all three calls succeeded and everything is right, else what is wrong. The
 * text lives until the next call. */
const char *attention_trial_run(cudrop_context_t *context,
                                const attention_trial_t *trial);

/* The same with another trial, in another context, in the formula's place: every byte of every
 * output must be equal. */
const char *attention_trial_compare(cudrop_context_t *reference,
                                    const attention_trial_t *other,
                                    cudrop_context_t *context,
                                    const attention_trial_t *trial);

/* The largest part of its bound that an error has had so far: of weights, of gradients. */
double attention_trial_worst(bool of_gradients);

/* Their formulas, for a row of n keys: softmax(scale * s), and dS from P and dP. */
void attention_trial_softmax(int64_t n, const double *s, double scale, double *p);
void attention_trial_gradient(int64_t n, const double *p, const double *dp, double scale,
                              double *ds);

#endif /* CUDROP_ATTENTION_TRIAL_H */
