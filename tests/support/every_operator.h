/*
 * every_operator.h - all operators of the library, in all their types, a few ways each.
 *
 * For suites about what holds of every call; what an operator computes its own suite tests.
 */
#ifndef CUDROP_EVERY_OPERATOR_H
#define CUDROP_EVERY_OPERATOR_H

#include "cudrop/cudrop.h"

/*
 * Call each in `context`, beside `reference` or what its trial expects: an empty text if every
 * byte is right, else what is wrong. The text lives until the next call. Some tensors are large
 * enough for two threads, in a host context whose `least_threaded` is 1.
 */
const char *every_operator(cudrop_context_t *reference, cudrop_context_t *context);

#endif /* CUDROP_EVERY_OPERATOR_H */
