/* rowwise_inspect.c - the outputs of an operator on rows beside what they should hold. */
#include <stdlib.h>

#include "failure.h"
#include "format.h"
#include "rowwise_reference.h"
#include "window.h"

/* Of large outputs: elements in the rows that are inspected, and at least so many rows; of sums
 * over rows, elements that are summed, and sums that are made, in fewer columns where they
 * would be more. All rows are summed, and the rows that a mean needs are whole. */
enum { SOME_ELEMENTS = 1 << 17, LEAST_ROWS = 8, SOME_SUMMED = 1 << 21 };

/* Some of the operator's operands. */
typedef struct {
  int count, k[BENCH_MOST_OPERANDS];
} list_t;

/* The row at hand, and the outputs as they are: those that belong to a row, and sums over rows. */
typedef struct {
  const bench_rowwise_t *op;
  bench_reference_t row;
  bench_window_t window[BENCH_MOST_OPERANDS];
  list_t of_rows, sums;
} inspection_t;

/* ---- Beside each other ------------------------------------------------------------------- */

/* How far a result may be from what is wanted, which is rounded to the output's type; errors of
 * second order are allowed for. */
static double find_bound(cudrop_dtype_t dtype, const bench_near_t *wanted) {
  const double error = 1.01 * wanted->error;
  return error + bench_find_rounding(dtype, fabs(wanted->value) + error);
}

static bench_verdict_t compare(inspection_t *in, int k, int64_t position,
                               const bench_near_t *wanted) {
  const cudrop_dtype_t dtype = in->window[k].operand->dtype;
  uint64_t element = 0;
  if (!bench_window_read(&in->window[k], position, &element)) return BENCH_FAILED;
  const double found = bench_decode(dtype, element);
  const double bound = wanted->error > 0.0 ? find_bound(dtype, wanted) : 0.0;
  const bool is_right = bound > 0.0 ? fabs(found - wanted->value) <= bound
                                    : element == bench_encode(dtype, wanted->value);
  if (is_right) return BENCH_RIGHT;
  bench_fail("element %lld of %s is %.9g and should be %.9g within %.3g",
             (long long)position, in->op->members[k].name, found, wanted->value, bound);
  return BENCH_WRONG;
}

/* The k-th of `picked` things out of `total`, in their order: all, or the first, the last, and in
 * between one at random of each stretch. */
static int64_t pick(int64_t k, int64_t picked, int64_t total) {
  const int64_t stretch = total / picked;
  if (k == picked - 1) return total - 1;
  return k == 0
             ? 0
             : k * stretch + (int64_t)(cudrop_mask_mix((uint64_t)k) % (uint64_t)stretch);
}

/* ---- Rows -------------------------------------------------------------------------------- */

static bench_verdict_t inspect_row(inspection_t *in, int64_t index) {
  bench_near_t near[BENCH_MOST_OPERANDS];
  bench_reference_begin(&in->row, index);
  for (int64_t col = 0; col < in->row.sizes.cols; ++col) {
    in->op->expect(&in->row, col, near);
    for (int i = 0; i < in->of_rows.count; ++i) {
      const int k = in->of_rows.k[i];
      const bench_extent_t extent = in->op->members[k].extent;
      if (extent == BENCH_EACH && col > 0) continue;
      const bench_verdict_t verdict =
          compare(in, k, bench_reference_position(&in->row, extent, col), &near[k]);
      if (verdict != BENCH_RIGHT) return verdict;
    }
  }
  return BENCH_RIGHT;
}

static bench_verdict_t inspect_rows(inspection_t *in) {
  const bench_sizes_t *sizes = &in->row.sizes;
  const int64_t some =
      SOME_ELEMENTS / sizes->cols > LEAST_ROWS ? SOME_ELEMENTS / sizes->cols : LEAST_ROWS;
  const bool is_all = in->row.work->what.n <= BENCH_INSPECTED || some > sizes->rows;
  const int64_t picked = is_all ? sizes->rows : some;
  bench_verdict_t verdict = BENCH_RIGHT;
  for (int64_t k = 0; k < picked && verdict == BENCH_RIGHT; ++k)
    verdict = inspect_row(in, pick(k, picked, sizes->rows));
  return verdict;
}

/* ---- Sums over rows ---------------------------------------------------------------------- */

/* The sums that an output is, in some columns, and how many rows are in each. */
typedef struct {
  int64_t keys;
  bench_sum_t *sum; /* [keys][columns] */
  int64_t *terms;   /* [keys] */
} totals_t;

static int64_t count_keys(const inspection_t *in, int k) {
  return bench_count(&in->row.sizes, in->op->members[k].extent) / in->row.sizes.cols;
}

static int64_t count_columns(const inspection_t *in) {
  int64_t most = in->row.sizes.rows;
  for (int i = 0; i < in->sums.count; ++i) {
    const int64_t keys = count_keys(in, in->sums.k[i]);
    most = keys > most ? keys : most;
  }
  const int64_t columns = SOME_SUMMED / most > 1 ? SOME_SUMMED / most : 1;
  return columns < in->row.sizes.cols ? columns : in->row.sizes.cols;
}

/* Add what a row has to the sums. */
static void add_row(inspection_t *in, int64_t index, int64_t columns, totals_t *totals) {
  const int64_t cols = in->row.sizes.cols;
  bench_near_t near[BENCH_MOST_OPERANDS];
  bench_reference_begin(&in->row, index);
  for (int64_t j = 0; j < columns; ++j) {
    in->op->expect(&in->row, pick(j, columns, cols), near);
    for (int i = 0; i < in->sums.count; ++i) {
      const int k = in->sums.k[i];
      const int64_t key =
          bench_reference_position(&in->row, in->op->members[k].extent, 0) / cols;
      bench_sum_add(&totals[i].sum[key * columns + j], near[k].value, near[k].error);
      if (j == 0) ++totals[i].terms[key];
    }
  }
}

static bench_verdict_t compare_sums(inspection_t *in, int k, int64_t columns,
                                    const totals_t *totals) {
  const int64_t cols = in->row.sizes.cols;
  for (int64_t key = 0; key < totals->keys; ++key) {
    for (int64_t j = 0; j < columns; ++j) {
      const bench_near_t wanted =
          bench_sum_finish(&totals->sum[key * columns + j], totals->terms[key]);
      const bench_verdict_t verdict =
          compare(in, k, key * cols + pick(j, columns, cols), &wanted);
      if (verdict != BENCH_RIGHT) return verdict;
    }
  }
  return BENCH_RIGHT;
}

static bool open_totals(const inspection_t *in, int64_t columns, totals_t *totals) {
  for (int i = 0; i < in->sums.count; ++i) {
    const int64_t keys = count_keys(in, in->sums.k[i]);
    totals[i] = (totals_t){
        .keys = keys,
        .sum = calloc((size_t)(keys * columns), sizeof *totals[i].sum),
        .terms = calloc((size_t)keys, sizeof *totals[i].terms),
    };
    if (totals[i].sum == NULL || totals[i].terms == NULL)
      return bench_fail("no memory for %lld sums", (long long)(keys * columns));
  }
  return true;
}

static bench_verdict_t inspect_sums(inspection_t *in) {
  const int64_t columns = count_columns(in);
  totals_t totals[BENCH_MOST_OPERANDS] = {{0}};
  bench_verdict_t verdict = open_totals(in, columns, totals) ? BENCH_RIGHT : BENCH_FAILED;
  for (int64_t index = 0; index < in->row.sizes.rows && verdict == BENCH_RIGHT; ++index)
    add_row(in, index, columns, totals);
  for (int i = 0; i < in->sums.count && verdict == BENCH_RIGHT; ++i)
    verdict = compare_sums(in, in->sums.k[i], columns, &totals[i]);
  for (int i = 0; i < BENCH_MOST_OPERANDS; ++i) {
    free(totals[i].sum);
    free(totals[i].terms);
  }
  return verdict;
}

/* ---- All --------------------------------------------------------------------------------- */

static bool open_inspection(inspection_t *in, const bench_work_t *work) {
  *in = (inspection_t){.op = bench_find_rowwise(&work->what)};
  for (int k = 0; in->op->members[k].name != NULL; ++k) {
    const bench_member_t *member = &in->op->members[k];
    const bool is_of_rows = member->extent == BENCH_FULL || member->extent == BENCH_EACH;
    list_t *list = is_of_rows ? &in->of_rows : &in->sums;
    if (!member->is_output) continue;
    list->k[list->count++] = k;
    if (!bench_window_open(&in->window[k], work->context, &work->operand[k]))
      return false;
  }
  return bench_reference_open(&in->row, work);
}

static void close_inspection(inspection_t *in) {
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k) bench_window_close(&in->window[k]);
  bench_reference_close(&in->row);
}

bench_verdict_t bench_rowwise_inspect(const bench_work_t *work) {
  inspection_t in;
  bench_verdict_t verdict = open_inspection(&in, work) ? BENCH_RIGHT : BENCH_FAILED;
  if (verdict == BENCH_RIGHT && in.of_rows.count > 0) verdict = inspect_rows(&in);
  if (verdict == BENCH_RIGHT && in.sums.count > 0) verdict = inspect_sums(&in);
  close_inspection(&in);
  return verdict;
}
