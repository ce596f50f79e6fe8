/* rows_path.h - operators on rows, by the instructions of a path. */
#ifndef CUDROP_ROWS_PATH_H
#define CUDROP_ROWS_PATH_H

#include "call/rows.h"
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
  const cudropi_rows_t *rows;
  cudropi_draw_groups_t
      *draw;            /* how neighbours are drawn, or NULL: an element at a time */
  cudropi_kept_t *kept; /* of the thread that does a part */
} cudropi_rows_job_t;

typedef void cudropi_slab_function_t(const cudropi_rows_job_t *job, int64_t slab);
typedef void cudropi_job_function_t(const cudropi_rows_job_t *job);

typedef struct {
  struct {
    cudropi_slab_function_t *slab;       /* a slab of the rows */
    cudropi_job_function_t *begin, *end; /* before and after all slabs; NULL: nothing */
  } operators[CUDROPI_ROWS_OPERATORS];
  /* The sums of a vector's partial sums over slabs, to its gradient. */
  void (*finish_sum)(const cudropi_rows_job_t *job, cudropi_rows_operand_t operand);
} cudropi_rows_functions_t;

/* All have the same bits. */
extern const cudropi_rows_functions_t cudropi_rows_scalar, cudropi_rows_avx2,
    cudropi_rows_avx512;

#endif /* CUDROP_ROWS_PATH_H */
