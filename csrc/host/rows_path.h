/* rows_path.h - operators on rows, compiled for the instructions of each path. */
#ifndef CUDROP_ROWS_PATH_H
#define CUDROP_ROWS_PATH_H

#include "call/plan.h"
#include "host/draw_host.h"
#include "host/span.h"

/* How many keep bytes are drawn ahead, because a row can be short. */
enum { CUDROPI_DRAWN = 1024 };

/* Memory of a thread for tiles that are too large for a stack, aligned to a cache line. A context
 * has it from the start, because no operator allocates; what nobody writes to costs nothing. */
enum { CUDROPI_SCRATCH_BYTES = 1280 << 10 };

/* The keep bytes of indices [first, first + n), drawn ahead. */
typedef struct {
  uint64_t first;
  int n;
  _Alignas(64) uint8_t bytes[CUDROPI_DRAWN + CUDROPI_SPAN_STEP];
} cudropi_kept_t;

/* A plan that is being run, and how its mask is drawn. */
typedef struct {
  const cudropi_plan_t *plan;
  cudropi_draw_groups_t *draw; /* draws neighbours; NULL: draw by scalar code */
  cudropi_kept_t *kept;        /* of this thread */
  void *scratch;               /* of this thread: CUDROPI_SCRATCH_BYTES */
} cudropi_rows_job_t;

typedef void cudropi_slab_function_t(const cudropi_rows_job_t *job, int64_t slab);
typedef void cudropi_job_function_t(const cudropi_rows_job_t *job);

/* The functions of an operator on rows. */
typedef struct cudropi_host_rows {
  cudropi_slab_function_t *slab;       /* does one slab */
  cudropi_job_function_t *begin, *end; /* before and after all slabs; may be NULL */
} cudropi_host_rows_t;

/* Add up the partial sums of the vector in a slot, and store the gradient. */
typedef void cudropi_sum_function_t(const cudropi_rows_job_t *job, int slot);

cudropi_sum_function_t cudropi_finish_sum_scalar, cudropi_finish_sum_avx2,
    cudropi_finish_sum_avx512;

#endif /* CUDROP_ROWS_PATH_H */
