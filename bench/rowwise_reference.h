/*
 * rowwise_reference.h - a row at a time: what its outputs must hold, in double, and how nearly.
 *
 * An operator on rows has two functions for it. `begin` works out what all elements of a row
 * need; `expect` says of one element what each output holds there, or, of an output that is a
 * sum over rows, what the element adds to it. Both know inputs from bench_content(), whose
 * values are exact in float, and the mask from the scalar functions of mask.h.
 *
 * An operation in float is off by a part of 2^-24 of its result, u. Where one rounding follows
 * from the definition (x + bias), it is done here as well, and is no error: an error of 0 stands
 * for a value whose bits are known.
 */
#ifndef BENCH_ROWWISE_REFERENCE_H
#define BENCH_ROWWISE_REFERENCE_H

#include <math.h>

#include "cudrop/mask.h"
#include "rowwise.h"

#define BENCH_U 0x1p-24

/* A value, and how far from it a computation in float may be. */
struct bench_near {
  double value, error;
};

struct bench_reference {
  const bench_work_t *work;
  bench_sizes_t sizes;
  cudrop_mask_threshold_t threshold;
  double scale; /* of what is kept */
  /* Of each input a period of values, and so much more that the last row is in one piece. */
  float *values[BENCH_MOST_OPERANDS];
  /* The row at hand, of the batch, and its place in a sample; its id, where there are ids. */
  int64_t index, place, id;
  /* What each input has for the row: its columns, or its one element. */
  const float *at[BENCH_MOST_OPERANDS];
  /* What `begin` works out: something of each element, and sums along the row. */
  double *held;
  bench_near_t sum[2];
};

/* Give it to bench_reference_close(), also after a failure. */
bool bench_reference_open(bench_reference_t *row, const bench_work_t *work);
void bench_reference_close(bench_reference_t *row);

/* Go to a row of the batch. */
void bench_reference_begin(bench_reference_t *row, int64_t index);

/* Where an operand has what belongs to a column of the row. */
int64_t bench_reference_position(const bench_reference_t *row, bench_extent_t extent,
                                 int64_t col);

/* Whether the element is kept, and drop(value) rounded to float. */
bool bench_reference_keeps(const bench_reference_t *row, int64_t col);
double bench_reference_drop(const bench_reference_t *row, int64_t col, double value);

/* How far a value of this size may move when it is rounded to a type. */
double bench_find_rounding(cudrop_dtype_t dtype, double size);

/* As an operation in float rounds. */
static inline double bench_round(double value) {
  return (double)(float)value;
}

/* A sum of values that are each off by something. */
typedef struct {
  double value, squares, error;
} bench_sum_t;

static inline void bench_sum_add(bench_sum_t *sum, double value, double error) {
  sum->value += value;
  sum->squares += value * value;
  sum->error += error;
}

/*
 * The sum of n values as it may be in float, where each partial sum is rounded, by a part u at
 * most. If a value goes through A additions, the squares of the partial sums are together about A
 * times those of the values, whose signs are random, or of the total, where all have one. So many
 * additions are allowed for as a sum in blocks has. Roundings are as good as random, and eight
 * times the root of that is out of their reach; yet in a long sum one value too few shows.
 */
bench_near_t bench_sum_finish(const bench_sum_t *sum, int64_t n);

#endif /* BENCH_ROWWISE_REFERENCE_H */
