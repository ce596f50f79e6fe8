/* rowwise_reference.c - what expectations are made of. */
#include "rowwise_reference.h"

#include <stdlib.h>

#include "failure.h"
#include "format.h"

/* ---- A row ------------------------------------------------------------------------------- */

/* A period of values, and so much of the next one that every row is in one piece. */
static bool hold_values(bench_reference_t *row, int k) {
  const bench_operand_t *operand = &row->work->operand[k];
  const int64_t most = BENCH_PERIOD + row->sizes.cols;
  const int64_t count = operand->positions < most ? operand->positions : most;
  row->values[k] = malloc((size_t)count * sizeof(float));
  if (row->values[k] == NULL)
    return bench_fail("no memory for %lld values", (long long)count);
  for (int64_t at = 0; at < count; ++at)
    row->values[k][at] = (float)bench_decode(operand->dtype, bench_content(operand, at));
  return true;
}

bool bench_reference_open(bench_reference_t *row, const bench_work_t *work) {
  *row = (bench_reference_t){.work = work,
                             .sizes = bench_find_sizes(&work->what),
                             .threshold = cudrop_mask_threshold(work->what.p),
                             .scale = (double)cudrop_mask_scale(work->what.p)};
  row->held = malloc((size_t)row->sizes.cols * sizeof *row->held);
  if (row->held == NULL)
    return bench_fail("no memory for %lld columns", (long long)row->sizes.cols);
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k) {
    const bench_operand_t *operand = &work->operand[k];
    if (operand->form == BENCH_VALUES && !operand->is_output && !hold_values(row, k))
      return false;
  }
  return true;
}

void bench_reference_close(bench_reference_t *row) {
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k) free(row->values[k]);
  free(row->held);
}

void bench_reference_begin(bench_reference_t *row, int64_t index) {
  const bench_rowwise_t *op = bench_find_rowwise(&row->work->what);
  row->index = index;
  row->place = index % row->sizes.inner;
  for (int k = 0; op->members[k].name != NULL; ++k) { /* ids come before tables */
    const bench_operand_t *operand = &row->work->operand[k];
    if (operand->form == BENCH_IDS) row->id = (int64_t)bench_content(operand, index);
    if (row->values[k] == NULL) continue;
    const int64_t first = bench_reference_position(row, op->members[k].extent, 0);
    row->at[k] = row->values[k] + first % BENCH_PERIOD;
  }
  if (op->begin != NULL) op->begin(row);
}

int64_t bench_reference_position(const bench_reference_t *row, bench_extent_t extent,
                                 int64_t col) {
  const int64_t cols = row->sizes.cols;
  switch (extent) {
    case BENCH_ROW:
      return col;
    case BENCH_EACH:
      return row->index;
    case BENCH_TABLE:
      return row->id * cols + col;
    case BENCH_PLACES:
      return row->place * cols + col;
    default:
      return row->index * cols + col;
  }
}

bool bench_reference_keeps(const bench_reference_t *row, int64_t col) {
  const uint64_t index = (uint64_t)(row->index * row->sizes.cols + col);
  return cudrop_mask_keep(row->work->mask.seed, row->work->mask.offset, index,
                          row->threshold) != 0;
}

double bench_reference_drop(const bench_reference_t *row, int64_t col, double value) {
  return bench_reference_keeps(row, col) ? bench_round(value * row->scale) : 0.0;
}

/* ---- Bounds ------------------------------------------------------------------------------ */

/* Half a unit of the last place, at least of the smallest value. */
double bench_find_rounding(cudrop_dtype_t dtype, double size) {
  const bench_format_t *format = &bench_formats[dtype];
  return ldexp(fabs(size), -format->fraction - 1) +
         ldexp(1.0, -format->bias - format->fraction);
}

bench_near_t bench_sum_finish(const bench_sum_t *sum, int64_t n) {
  const double count = (double)n;
  const double additions = n > 1 ? fmin(count - 1.0, 4.0 * sqrt(count) + 64.0) : 0.0;
  const double squares = additions * (sum->squares + sum->value * sum->value);
  return (bench_near_t){sum->value, sum->error + 8.0 * BENCH_U * sqrt(squares)};
}
