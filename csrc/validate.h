/* validate.h - every rule that an operator's arguments must keep. */
#ifndef CUDROP_VALIDATE_H
#define CUDROP_VALIDATE_H

#include "call.h"

/*
 * Check a call before any memory is touched. After CUDROP_OK everything that plan and
 * kernels compute with these arguments fits 64 bits.
 */
cudrop_status_t cudropi_validate(const cudrop_context_t *context,
                                 const cudropi_call_t *call);

/* The rules of a rate, and of the address of a prepared block. */
cudrop_status_t cudropi_validate_rate(const char *function, double p);
cudrop_status_t cudropi_validate_prepared(const char *function,
                                          const cudrop_prepared_t *prepared);

#endif /* CUDROP_VALIDATE_H */
