/* call.h - one call of an operator: its arguments, before any check. */
#ifndef CUDROP_CALL_H
#define CUDROP_CALL_H

#include "call/op.h"

struct cudropi_call {
  const cudropi_op_t *op;
  const cudrop_tensor_t *tensor[CUDROPI_SLOTS]; /* NULL: absent */
  const cudrop_mask_t *mask;                    /* NULL: the call draws no mask */
  double p;            /* the rate of a mask that the caller brings, else 0 */
  uint32_t accumulate; /* bits of cudrop_accumulate_t */
  const void *options; /* a struct that the operator's own files define */
  void *workspace;
  size_t workspace_bytes;
};

/* Write to `shape` the sizes of the mask, of the leader's rank. */
void cudropi_find_mask_shape(const cudropi_call_t *call, int64_t shape[CUDROP_MAX_RANK]);

/* Check, plan and run a call in the default floating-point environment. */
cudrop_status_t cudropi_run(cudrop_context_t *context, const cudropi_call_t *call);

/* Plan and run a checked call. The caller has set the default floating-point environment. */
cudrop_status_t cudropi_run_checked(cudrop_context_t *context,
                                    const cudropi_call_t *call);

/*
 * Check a call without touching the memory of its tensors. After CUDROP_OK every number that plan
 * and kernels compute from the arguments fits 64 bits.
 */
cudrop_status_t cudropi_check(const cudrop_context_t *context,
                              const cudropi_call_t *call);

/* Answer the public query `function`: write to *bytes a workspace that suffices for `rows` rows and
 * `cols` columns, whichever optional tensors the call has. */
cudrop_status_t cudropi_query(const char *function, const cudropi_op_t *op, int64_t rows,
                              int64_t cols, size_t *bytes);

/* Check that `reserved`, a member of the argument called `name`, is all zeros. */
cudrop_status_t cudropi_check_reserved(const char *function, const char *name,
                                       const uint64_t reserved[CUDROP_RESERVED]);

/* Check that p is in [0, 1]. */
cudrop_status_t cudropi_check_rate(const char *function, double p);

/* Check that the address of a prepared block is not NULL and is aligned. */
cudrop_status_t cudropi_check_prepared(const char *function,
                                       const cudrop_prepared_t *prepared);

#endif /* CUDROP_CALL_H */
