/*
 * environment.h - the floating-point environment that operators compute in: the default one.
 *
 * A program may round otherwise, take subnormals for zeros, or have exceptions trap; a library
 * in its process may do so for it, as whatever is linked with -ffast-math does. Results are a
 * function of the arguments alone. So an operator computes in the default environment, and
 * gives its caller's back to the bit: the flags of exceptions are then those that the caller
 * had.
 */
#ifndef CUDROP_ENVIRONMENT_H
#define CUDROP_ENVIRONMENT_H

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/* What an operator does with a call, all arithmetic of it. */
typedef cudrop_status_t cudropi_computation_t(cudrop_context_t *context,
                                              const void *call);

/* Compute in the default environment, and put the caller's back. */
cudrop_status_t cudropi_compute(cudropi_computation_t *compute, cudrop_context_t *context,
                                const void *call);

/* Give the calling thread, which is the library's own, the default environment. A thread
 * begins with that of the thread that made it. */
void cudropi_default_environment(void);

#endif /* CUDROP_ENVIRONMENT_H */
