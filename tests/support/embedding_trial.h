/* embedding_trial.h - an embedding or its gradients beside a slow computation, to the byte. */
#ifndef CUDROP_EMBEDDING_TRIAL_H
#define CUDROP_EMBEDDING_TRIAL_H

#include "view.h"

typedef struct {
  const char *name;
  int rank; /* of ids, from 0 */
  int64_t shape[CUDROP_MAX_RANK - 1];
  const int64_t *id_stride,
      *y_stride; /* NULL is row-major; of y and dy also their rows' */
  int64_t vocabulary, cols;
  int64_t gap; /* columns between the rows of tables */
  int shift;   /* elements behind an aligned address, of all floats */
} embedding_layout_t;

typedef enum {
  IDS_SPREAD, /* over the vocabulary */
  IDS_FEW,    /* three of them, so that keys have many runs */
  IDS_ONE,    /* the last one alone */
  IDS_WILD,   /* among them some out of range, on both sides */
  IDS_KINDS
} embedding_ids_t;

typedef struct {
  const embedding_layout_t *layout;
  cudrop_dtype_t dtype, table_dtype;
  embedding_ids_t ids;
  cudrop_mask_t mask;
  bool no_mask, prepared;
  bool no_tokens, no_positions; /* tokens are missing in backward alone */
  bool no_counter, is_wild;     /* wild: any bits at all, NaN among them */
  uint32_t accumulate;
} embedding_trial_t;

/* An empty text if both directions succeed and every byte is right, else what is wrong. The text
 * lives until the next call. */
const char *embedding_trial_run(cudrop_context_t *context,
                                const embedding_trial_t *trial);

#endif /* CUDROP_EMBEDDING_TRIAL_H */
