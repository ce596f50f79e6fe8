/* run.h - the walk over a plan. */
#ifndef CUDROP_RUN_H
#define CUDROP_RUN_H

#include "core/context.h"

/* Do an elementwise plan whose draw is known, with the context's path and threads. */
void cudropi_host_run_elements(const cudrop_context_t *context,
                               const cudropi_plan_t *plan);

#endif /* CUDROP_RUN_H */
