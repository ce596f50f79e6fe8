/*
 * around.h - what a suite does right before and right after the calls that trials make.
 *
 * A suite about what a call does to its thread, or the thread to a call, has every operator
 * called by the trials and looks from here.
 */
#ifndef CUDROP_AROUND_H
#define CUDROP_AROUND_H

#include "cudrop/cudrop.h"

typedef void around_t(void);

/* From now on `before` and `after` run around calls in `context`; NULL, NULL ends that. */
void around_calls(const cudrop_context_t *context, around_t *before, around_t *after);

/* The status of `call`, which is made in `context`. Trials write every such call so. */
#define AROUND(context, call) (around_begin(context), around_end((context), (call)))

void around_begin(const cudrop_context_t *context);
cudrop_status_t around_end(const cudrop_context_t *context, cudrop_status_t status);

#endif /* CUDROP_AROUND_H */
