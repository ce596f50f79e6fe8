/* validate.h - every rule that an operator's arguments must keep. */
#ifndef CUDROP_VALIDATE_H
#define CUDROP_VALIDATE_H

#include "call/call.h"

/*
 * Check a call before any memory is touched. After CUDROP_OK everything that plan and
 * kernels compute with these arguments fits 64 bits.
 */
cudrop_status_t cudropi_validate(const cudrop_context_t *context,
                                 const cudropi_call_t *call);

/* ---- What the rules are made of --------------------------------------------------- */

/* One argument by itself: shape, type by its kind, memory that is there and aligned. An
 * argument without a name is none, here and below. */
cudrop_status_t cudropi_validate_argument(const char *function,
                                          const cudropi_argument_t *argument);

cudrop_status_t cudropi_validate_shape(const char *function,
                                       const cudropi_argument_t *argument);
cudrop_status_t cudropi_validate_same_shape(const char *function,
                                            const cudropi_argument_t *a,
                                            const cudropi_argument_t *b);

/* A mask for tensors like y: not NULL, its rate, map and indices. */
cudrop_status_t cudropi_validate_mask(const char *function, const cudrop_mask_t *mask,
                                      const cudropi_argument_t *y);

/* An output has no two elements in one place; shares no byte with an input, but that it may be
 * the very tensor if `may_be_same`; an argument shares none with a block of memory. */
cudrop_status_t cudropi_validate_output(const char *function,
                                        const cudropi_argument_t *output);
cudrop_status_t cudropi_validate_pair(const char *function,
                                      const cudropi_argument_t *input,
                                      const cudropi_argument_t *output, bool may_be_same);
cudrop_status_t cudropi_validate_apart(const char *function, const char *name,
                                       const void *memory, size_t bytes,
                                       const cudropi_argument_t *argument);
extern const char cudropi_block_name[]; /* of a prepared mask, for the last */

/* The rules of a rate, and of the address of a prepared block. */
cudrop_status_t cudropi_validate_rate(const char *function, double p);
cudrop_status_t cudropi_validate_prepared(const char *function,
                                          const cudrop_prepared_t *prepared);

#endif /* CUDROP_VALIDATE_H */
