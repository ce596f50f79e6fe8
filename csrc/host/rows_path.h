/* rows_path.h - operators on rows, by the instructions of a path. */
#ifndef CUDROP_ROWS_PATH_H
#define CUDROP_ROWS_PATH_H

#include "call/plan.h"
#include "host/draw_host.h"
#include "host/span.h"

/* Keep bytes from index `first` on, drawn ahead: a row can be short. */
enum { CUDROPI_DRAWN = 1024 };
typedef struct {
  uint64_t first;
  int n;
  _Alignas(64) uint8_t bytes[CUDROPI_DRAWN + CUDROPI_SPAN_STEP];
} cudropi_kept_t;

/* A plan that is being done, and how its mask is drawn. */
typedef struct {
  const cudropi_plan_t *plan;
  cudropi_draw_groups_t *draw; /* neighbours; NULL: an element at a time */
  cudropi_kept_t *kept;        /* of the thread that does a part */
} cudropi_rows_job_t;

typedef void cudropi_slab_function_t(const cudropi_rows_job_t *job, int64_t slab);
typedef void cudropi_job_function_t(const cudropi_rows_job_t *job);

/* The functions of an operator: of a slab; and before and after all slabs, or NULL. */
typedef struct cudropi_host_rows {
  cudropi_slab_function_t *slab;
  cudropi_job_function_t *begin, *end;
} cudropi_host_rows_t;

/* The sums of a vector's partial sums over slabs, to its gradient. */
typedef void cudropi_sum_function_t(const cudropi_rows_job_t *job, int slot);

cudropi_sum_function_t cudropi_finish_sum_scalar, cudropi_finish_sum_avx2,
    cudropi_finish_sum_avx512;

#endif /* CUDROP_ROWS_PATH_H */
