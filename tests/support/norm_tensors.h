/* norm_tensors.h - the tensors of a trial of the norm, and what is expected of them. */
#ifndef CUDROP_NORM_TENSORS_H
#define CUDROP_NORM_TENSORS_H

#include "norm_trial.h"

/* X, RESIDUAL and Y are dy, dh and dx in backward, where H is an input. */
typedef enum {
  X,
  RESIDUAL,
  H,
  Y,
  DRESIDUAL,
  BIAS,
  GAMMA,
  BETA,
  DBIAS,
  DGAMMA,
  DBETA,
  MEAN,
  RSTD,
  VIEWS
} name_t;

extern const char *const norm_names[VIEWS]; /* for texts */

typedef struct {
  view_t view[VIEWS], before[VIEWS];
  bool is_there[VIEWS], is_output[VIEWS];
  name_t from[VIEWS]; /* the input that an output is in the place of, or itself */
} tensors_t;

static inline bool has(const norm_trial_t *trial, uint32_t part) {
  return (trial->parts & part) != 0;
}

static inline int64_t count_cols(const norm_trial_t *trial) {
  return rows_count_cols(trial->layout);
}

static inline int64_t count_rows(const norm_trial_t *trial) {
  return rows_count(trial->layout);
}

/* An empty text if the outputs of a call are right, else what is wrong. */
const char *norm_check_forward(const norm_trial_t *trial, const tensors_t *t);
const char *norm_check_backward(const norm_trial_t *trial, const tensors_t *t);

#endif /* CUDROP_NORM_TENSORS_H */
