/* path.h - which instructions of this processor the host backend uses. */
#ifndef CUDROP_PATH_H
#define CUDROP_PATH_H

#include <stddef.h>

#include "host/rows_path.h"

typedef struct {
  const char *name;               /* "avx512", "avx2", "sse2", or "scalar" */
  cudropi_find_span_t *find_span; /* NULL: elementwise operators use scalar code */
  cudropi_draw_groups_t *draw;    /* NULL: operators on rows draw by scalar code */
  int rows; /* the set of functions for operators on rows: CUDROPI_HOST_SCALAR, ... */
  cudropi_sum_function_t *finish_sum;
} cudropi_path_t;

/*
 * Write the path called `name` to *path, or if `name` is NULL the best path of this processor.
 * False if this processor has no such path. Results do not depend on the path.
 */
bool cudropi_choose_path(const char *name, cudropi_path_t *path);

/* Bytes of the last level of cache. Results of more than 3/4 of it bypass the caches. */
size_t cudropi_cache_bytes(void);

#endif /* CUDROP_PATH_H */
