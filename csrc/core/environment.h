/*
 * environment.h - the floating-point environment that operators compute in: the default one.
 *
 * A program may round otherwise, take subnormals for zeros, or let exceptions trap. A library in
 * the process may set this for the program; code linked with -ffast-math does. Results are a
 * function of the arguments alone. So an operator computes in the default environment, and then
 * restores the caller's to the bit, flags of exceptions included.
 */
#ifndef CUDROP_ENVIRONMENT_H
#define CUDROP_ENVIRONMENT_H

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/* A function that does all arithmetic of a call. */
typedef cudrop_status_t cudropi_computation_t(cudrop_context_t *context,
                                              const void *call);

/* Call `compute` in the default environment, then restore the caller's. */
cudrop_status_t cudropi_compute(cudropi_computation_t *compute, cudrop_context_t *context,
                                const void *call);

/* Set the default environment in a thread of the library's own. A new thread has the environment of
 * the thread that made it. */
void cudropi_default_environment(void);

#endif /* CUDROP_ENVIRONMENT_H */
