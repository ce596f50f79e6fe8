/* pool.h - threads of a host context, which wait for parts of its work. */
#ifndef CUDROP_POOL_H
#define CUDROP_POOL_H

#include "core/arithmetic.h"

typedef struct cudropi_pool cudropi_pool_t;

/* Do part `part` of `parts` parts of some work, numbered from 0. */
typedef void cudropi_task_t(const void *work, int part, int parts);

/* A pool of `threads` threads, the caller's included; NULL if there is no memory. */
cudropi_pool_t *cudropi_pool_create(int threads);
void cudropi_pool_destroy(cudropi_pool_t *pool); /* NULL is fine */

/* How many processors this process may run on, at least 1. */
int cudropi_count_processors(void);

/*
 * Do `parts` parts of the work and wait for all of them; parts may be more than threads. If threads
 * cannot be started, for instance after a fork with a limit reached, the caller does their parts.
 * If `pool` is NULL, the caller does all parts.
 */
void cudropi_pool_run(cudropi_pool_t *pool, cudropi_task_t *run, const void *work,
                      int parts);

#endif /* CUDROP_POOL_H */
