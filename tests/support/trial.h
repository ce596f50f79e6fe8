/*
 * trial.h - one call of an operator beside the oracle.
 *
 * A trial makes poisoned, fenced tensors of a layout, fills inputs with random values, calls
 * the operator, and compares every byte of the output's memory with the oracle's.
 */
#ifndef CUDROP_TRIAL_H
#define CUDROP_TRIAL_H

#include "view.h"

typedef enum {
  TRIAL_FORWARD,
  TRIAL_BACKWARD,
  TRIAL_ACCUMULATE,
  TRIAL_ALPHA_FORWARD,
  TRIAL_ALPHA_BACKWARD,
  TRIAL_EXPORT_BYTES,
  TRIAL_EXPORT_SCALE,
  TRIAL_EXPORT_BITS,
  TRIAL_COUNT_KEPT,
  TRIAL_APPLY_BYTES,
  TRIAL_APPLY_BITS,
  TRIAL_OPERATORS
} trial_operator_t;

extern const char *const trial_operator_names[TRIAL_OPERATORS];

/* A shape, and the strides of each tensor on it; NULL is row-major. */
typedef struct {
  const char *name;
  int rank;
  int64_t shape[CUDROP_MAX_RANK];
  const int64_t *x_stride, *y_stride;
} layout_t;

typedef struct {
  trial_operator_t op;
  cudrop_dtype_t dtype; /* of x and y, where the operator has a choice */
  const layout_t *layout;
  cudrop_mask_t mask;
  bool in_place; /* y is x; the layout's y_stride is not used */
  bool prepared; /* the mask's numbers lie in a block */
  bool no_mask;  /* NULL is given in the place of the mask, whose p is 0 */
  int x_shift, y_shift;
} trial_t;

/* True when the operator takes an x, so that in_place and x_shift mean something. */
bool trial_has_input(trial_operator_t op);

/* True when the operator draws a mask, and when it takes tensors of a type. */
bool trial_has_mask(trial_operator_t op);
bool trial_takes(trial_operator_t op, cudrop_dtype_t dtype);

/* Make the call; an empty text when it succeeded and every byte is right, else what is
 * wrong. The text lives until the next call. */
const char *trial_run(cudrop_context_t *context, const trial_t *trial);

/* The same with another context in the oracle's place, for more elements than it can do. */
const char *trial_compare(cudrop_context_t *reference, cudrop_context_t *context,
                          const trial_t *trial);

/* The index that a mask gives element e of a tensor; whether it is kept, and the factor of what is
 * kept. A NULL mask keeps everything. */
uint64_t trial_index(const cudrop_mask_t *mask, const view_t *view, int64_t e);
bool trial_keeps(const cudrop_mask_t *mask, const view_t *view, int64_t e);
float trial_scale(const cudrop_mask_t *mask);

/*
 * The same mask with its numbers in a block, which is made here: the mask's offset is the block's
 * and 3. The caller destroys *block.
 */
cudrop_mask_t trial_prepare(cudrop_context_t *context, const cudrop_mask_t *mask,
                            cudrop_prepared_t **block);

/* How attention is given a mask. */
typedef enum { TRIAL_BY_VALUE, TRIAL_PREPARED, TRIAL_BITS, TRIAL_SOURCES } trial_source_t;

/* What a call of attention is given: `mask`, if there is one, or bits and their rate. */
typedef struct {
  bool has_mask;
  cudrop_mask_t mask;
  void *bits;
  double p;
  cudrop_prepared_t *block;
} trial_given_t;

/* A mask, or NULL for none, in this form; bits are those of a tensor of this shape. */
trial_given_t trial_give(cudrop_context_t *context, const cudrop_mask_t *mask,
                         trial_source_t source, int rank, const int64_t *shape);
void trial_take_back(cudrop_context_t *context, trial_given_t *given);

/* The formatted text, which lives until the next call. */
const char *trial_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Is a key not among the last `window` ones that a causal query sees? These end with the key
 * query + offset. No sum here overflows. */
static inline bool trial_is_before(int64_t window, int64_t offset, int64_t query,
                                   int64_t key) {
  return offset < 0 ? query + offset - key >= window : query - key >= window - offset;
}

#endif /* CUDROP_TRIAL_H */
