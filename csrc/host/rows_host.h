/* rows_host.h - operators on rows, on the host. */
#ifndef CUDROP_ROWS_HOST_H
#define CUDROP_ROWS_HOST_H

#include "core/context.h"

/* Run a plan whose draw is not prepared, with the context's threads. */
void cudropi_host_run_rows(const cudrop_context_t *context, const cudropi_plan_t *plan);

#endif /* CUDROP_ROWS_HOST_H */
