/* call.h - one call of an operator: what it was asked, before any check. */
#ifndef CUDROP_CALL_H
#define CUDROP_CALL_H

#include "call/op.h"

struct cudropi_call {
  const cudropi_op_t *op;
  const cudrop_tensor_t *tensor[CUDROPI_SLOTS]; /* NULL: absent */
  const cudrop_mask_t *mask;                    /* to draw, or NULL; ... */
  double p;            /* ... the rate of a mask that the caller brings */
  uint32_t accumulate; /* of cudrop_accumulate_t */
  const void *options; /* of the operator, as its own files define them */
  void *workspace;
  size_t workspace_bytes;
};

/* Check, plan and run; the floating-point environment is the default one meanwhile. */
cudrop_status_t cudropi_run(cudrop_context_t *context, const cudropi_call_t *call);

/* Plan and run a call that is checked, in that environment. */
cudrop_status_t cudropi_run_checked(cudrop_context_t *context,
                                    const cudropi_call_t *call);

/*
 * Check a call before any memory is touched. After CUDROP_OK everything that plan and kernels
 * compute with these arguments fits 64 bits.
 */
cudrop_status_t cudropi_check(const cudrop_context_t *context,
                              const cudropi_call_t *call);

/* Answer the public query `function`: the workspace that is enough for so many rows and columns,
 * whichever tensors there are. */
cudrop_status_t cudropi_query(const char *function, const cudropi_op_t *op, int64_t rows,
                              int64_t cols, size_t *bytes);

/* The rule of `reserved`, a member of `name`. */
cudrop_status_t cudropi_check_reserved(const char *function, const char *name,
                                       const uint64_t reserved[CUDROP_RESERVED]);

/* The rules of a rate, and of the address of a prepared block. */
cudrop_status_t cudropi_check_rate(const char *function, double p);
cudrop_status_t cudropi_check_prepared(const char *function,
                                       const cudrop_prepared_t *prepared);

#endif /* CUDROP_CALL_H */
