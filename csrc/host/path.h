/* path.h - which instructions of this processor the host backend uses. */
#ifndef CUDROP_PATH_H
#define CUDROP_PATH_H

#include <stddef.h>

#include "host/rows_path.h"

typedef struct {
  const char *name;               /* "avx512", "avx2", "sse2", or "scalar" */
  cudropi_find_span_t *find_span; /* NULL: every element goes the scalar way */
  cudropi_draw_groups_t *draw;    /* NULL likewise */
  int rows; /* CUDROPI_HOST_SCALAR and the like: operators on rows */
  cudropi_sum_function_t *finish_sum;
} cudropi_path_t;

/*
 * Write the path called `name` to *path, or with NULL the best that this processor has. False
 * if there is no such path here. Results do not depend on the path.
 */
bool cudropi_choose_path(const char *name, cudropi_path_t *path);

/* Bytes of the last level of cache; beyond 3/4 of it results go around the caches. */
size_t cudropi_cache_bytes(void);

#endif /* CUDROP_PATH_H */
