/*
 * attend_trial.h - attention with dropout beside what its formulas say: forward and backward of one
 * q, k and v.
 *
 * A key that no query of its head sees is NaN, and so is its value, so that whoever looks at one is
 * found out.
 */
#ifndef CUDROP_ATTEND_TRIAL_H
#define CUDROP_ATTEND_TRIAL_H

#include "attend_tensors.h"
#include "trial.h"

/* How the mask is given. */
typedef enum {
  ATTEND_BY_VALUE = TRIAL_BY_VALUE,
  ATTEND_PREPARED = TRIAL_PREPARED,
  ATTEND_BITS = TRIAL_BITS,
  ATTEND_SOURCES = TRIAL_SOURCES
} attend_source_t;

typedef enum {
  ATTEND_ORDINARY,
  ATTEND_HUGE,   /* scores whose powers float cannot hold */
  ATTEND_SPECIAL /* batches take turns: scores of -infinity alone, a few, NaN, infinity */
} attend_values_t;

/* How tensors lie in memory. */
typedef enum {
  ATTEND_DENSE,
  ATTEND_HEADS_INSIDE, /* [..., queries, heads, D] */
  ATTEND_BACKWARDS,    /* all strides but the last are negative, and rows have gaps */
  ATTEND_SHIFTED,      /* dense, behind an address that is aligned to an element alone */
  ATTEND_LAYOUTS
} attend_layout_t;

typedef struct {
  const char *name;
  int rank;
  int64_t q[CUDROP_MAX_RANK]; /* shape */
  int64_t shared, keys;       /* of k; 0 shared heads: as many as q has */
} attend_shape_t;

typedef struct {
  const attend_shape_t *shape;
  cudrop_dtype_t dtype;
  attend_layout_t layout;
  float scale;
  cudrop_causal_t causal;
  int64_t query_offset;  /* of CUDROP_CAUSAL alone */
  int64_t window;        /* if causal */
  int lengths_rank;      /* 0: none */
  bool has_wide_lengths; /* I64 */
  cudrop_mask_t mask;
  bool no_mask;
  attend_source_t source;
  attend_values_t values;
  attend_ways_t ways;
} attend_trial_t;

/* An empty text if both calls succeeded and everything is right, else what is wrong. The text lives
 * until the next call. */
const char *attend_trial_run(cudrop_context_t *context, const attend_trial_t *trial);

/* The same with another trial of the same shape and values, in another context, in the formula's
 * place: every element of every output that both have must be equal. */
const char *attend_trial_compare(cudrop_context_t *reference, const attend_trial_t *other,
                                 cudrop_context_t *context, const attend_trial_t *trial);

/* The largest part of its bound that an error of F32 has had so far, of each output. */
double attend_trial_worst(attend_output_t output);

/* The keys [begin, end) that a row sees, where rows are counted row-major over [..., heads,
 * queries]. */
typedef struct {
  int64_t begin, end;
} attend_seen_t;
attend_seen_t attend_find_seen(const attend_trial_t *trial, int64_t row);

/* How many shared heads there are in all batches, and which one a row reads. */
int64_t attend_count_shared(const attend_trial_t *trial);
int64_t attend_find_shared(const attend_trial_t *trial, int64_t row);

/* An empty text if all outputs are right, else what is wrong. `before` is what outputs held before
 * the calls; `rounds_weights` says that a GPU has rounded weights to the tensors' type. */
const char *attend_check(const attend_trial_t *trial, const attend_tensors_t *t,
                         const attend_tensors_t *before, bool rounds_weights);

/* ---- Formulas of one query ---------------------------------------------------------------- */

typedef struct {
  int64_t n, cols;        /* keys that are seen, and D */
  double scale, factor;   /* of scores, and 1/(1 - p) */
  const uint8_t *kept;    /* [n] */
  const double *q, *dout; /* [cols] */
  const double *k, *v;    /* [n, cols] */
  double error;           /* how far off a weight may be, relative to itself */
  double least, coarse;   /* how far off dS, and a weight, may be beside that */
  int64_t readers;        /* how many queries add to a row of dk and dv */
} attend_query_t;

/* A sum, and how far off it may be. */
typedef struct {
  double *value, *bound;
} attend_sum_t;

/* Write the weights after softmax. Returns lse; *size is the largest sum of |scale q k|. */
double attend_weigh(const attend_query_t *query, double *weights, double *size);

/* Write o = drop(weights) v, and the sum of |weight v| to o.bound. */
void attend_output(const attend_query_t *query, const double *weights, attend_sum_t o);

/* Add the gradients by `dout`, from an o that may have been rounded. */
void attend_differentiate(const attend_query_t *query, const double *weights,
                          const double *o, attend_sum_t dq, attend_sum_t dk,
                          attend_sum_t dv);

#endif /* CUDROP_ATTEND_TRIAL_H */
