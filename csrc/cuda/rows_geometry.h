/* rows_geometry.h - how a GPU walks the plan of an operator on rows. */
#ifndef CUDROP_ROWS_GEOMETRY_H
#define CUDROP_ROWS_GEOMETRY_H

#include "call/rows.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  CUDROPI_ROWS_DRAWN,    /* chunks are aligned, and groups of the mask; by value */
  CUDROPI_ROWS_PREPARED, /* the same, for a prepared mask */
  CUDROPI_ROWS_GENERAL,  /* anything */
  CUDROPI_ROWS_WALKS
} cudropi_rows_walk_t;

cudropi_rows_walk_t cudropi_rows_choose_walk(const cudropi_rows_t *rows);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_ROWS_GEOMETRY_H */
