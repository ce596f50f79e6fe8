/* attention_tensors.h - the tensors of a trial of attention weights. */
#ifndef CUDROP_ATTENTION_TENSORS_H
#define CUDROP_ATTENTION_TENSORS_H

#include "attention_trial.h"

typedef struct {
  view_t scores, dy, lengths;
  view_t weights, y, again, dscores; /* `again` is the y of reapply */
} tensors_t;

static inline int64_t count_keys(const attention_trial_t *trial) {
  return trial->layout->shape[trial->layout->rank - 1];
}

/* The keys [begin, end) that the row of element e sees. */
typedef struct {
  int64_t begin, end;
} attention_seen_t;
attention_seen_t attention_find_seen(const attention_trial_t *trial, const view_t *view,
                                     int64_t e);

/* Does the row of element e see its key? */
bool attention_sees(const attention_trial_t *trial, const view_t *view, int64_t e);

/* An empty text if every row of every output is right, else what is wrong. */
const char *attention_check_rows(const attention_trial_t *trial, const tensors_t *t);

#endif /* CUDROP_ATTENTION_TENSORS_H */
