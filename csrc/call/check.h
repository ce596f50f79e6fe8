/* check.h - a call that is being checked: what the files of the check share. */
#ifndef CUDROP_CHECK_H
#define CUDROP_CHECK_H

#include "call/call.h"

/* A tensor that the call has, and the memory that its elements span. */
typedef struct {
  const cudropi_slot_t *slot;
  const cudrop_tensor_t *tensor;
  int64_t n;
  uintptr_t low, high; /* bytes [low, high); equal: no memory */
} cudropi_argument_t;

typedef struct {
  const cudropi_call_t *call;
  const char *function;
  cudropi_argument_t leader;
  size_t workspace_bytes; /* that the call needs */
  int count;
  cudropi_argument_t argument[CUDROPI_SLOTS];
} cudropi_check_t;

/* Check each argument by itself, then beside the leader; write the arguments to *check. */
cudrop_status_t cudropi_check_arguments(cudropi_check_t *check);

/* Check the mask: the call draws one, or brings one and its rate, or has none. */
cudrop_status_t cudropi_check_mask(const cudropi_check_t *check);

/* Check that outputs and workspace share no memory with anything else of the call. */
cudrop_status_t cudropi_check_overlaps(const cudropi_check_t *check);

static inline bool cudropi_has_memory(const cudropi_argument_t *arg) {
  return arg->low != arg->high;
}

static inline bool cudropi_is_made_by_library(const cudropi_slot_t *slot) {
  return slot->types == CUDROPI_BITS || slot->types == CUDROPI_TOTAL;
}

#endif /* CUDROP_CHECK_H */
