/* run.h - elementwise operators, on the host. */
#ifndef CUDROP_RUN_H
#define CUDROP_RUN_H

#include "core/context.h"

/* Run an elementwise plan whose draw is not prepared, with the context's path and threads. */
void cudropi_host_run_elements(const cudrop_context_t *context,
                               const cudropi_plan_t *plan);

#endif /* CUDROP_RUN_H */
