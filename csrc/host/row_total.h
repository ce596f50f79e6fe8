/* row_total.h - a row's sum in the order of row_sum.h; compiled for each path, like strip.h. */
#ifndef CUDROP_ROW_TOTAL_H
#define CUDROP_ROW_TOTAL_H

#include "call/row_sum.h"
#include "host/strip.h"

enum { CHUNK = 8 }; /* columns that a thread adds as a tree */

/* The sums so far of each thread of a row. */
typedef struct {
  int32_t threads;
  float sum[CUDROPI_ROW_MOST_THREADS];
} cudropi_row_total_t;

static inline void cudropi_begin_total(cudropi_row_total_t *row, int32_t threads) {
  row->threads = threads;
  memset(row->sum, 0, (size_t)threads * sizeof *row->sum);
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CUDROPI_CAN_SHUFFLE
#endif
#endif

#if defined(CUDROPI_CAN_SHUFFLE)
typedef float cudropi_eight_t __attribute__((vector_size(32)));

/* Transpose 8 chunks: lane c of value[j] becomes value j of chunk c. */
static inline void cudropi_turn_chunks(const float *values, cudropi_eight_t *value) {
  cudropi_eight_t row[CHUNK], pair[CHUNK];
  memcpy(row, values, sizeof row);
  for (int j = 0; j < CHUNK; j += 2) {
    pair[j] = __builtin_shufflevector(row[j], row[j + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pair[j + 1] = __builtin_shufflevector(row[j], row[j + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int j = 0; j < CHUNK; j += 4)
    for (int k = 0; k < 2; ++k) {
      const cudropi_eight_t a = pair[j + k], b = pair[j + k + 2];
      row[j + 2 * k] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
      row[j + 2 * k + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int j = 0; j < CHUNK / 2; ++j) {
    const cudropi_eight_t a = row[j], b = row[j + 4];
    value[j] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
    value[j + 4] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

/* *sums += the sums of 8 chunks that are transposed. */
static inline void cudropi_fold_chunks(const cudropi_eight_t *v, cudropi_eight_t *sums) {
  *sums += ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

/* sum[c] += the sum of chunk c, for 8 chunks. */
static inline void cudropi_add_chunks(float *sum, const float *values) {
  cudropi_eight_t value[CHUNK], total;
  cudropi_turn_chunks(values, value);
  memcpy(&total, sum, sizeof total);
  cudropi_fold_chunks(value, &total);
  memcpy(sum, &total, sizeof total);
}

/* The same, and squares[c] += the sum of the squares of chunk c. */
static inline void cudropi_add_squared_chunks(float *sum, float *squares,
                                              const float *values) {
  cudropi_eight_t value[CHUNK], total, squared;
  cudropi_turn_chunks(values, value);
  memcpy(&total, sum, sizeof total);
  memcpy(&squared, squares, sizeof squared);
  cudropi_fold_chunks(value, &total);
  for (int j = 0; j < CHUNK; ++j) value[j] = value[j] * value[j];
  cudropi_fold_chunks(value, &squared);
  memcpy(sum, &total, sizeof total);
  memcpy(squares, &squared, sizeof squared);
}
#else
static inline void cudropi_add_chunks(float *sum, const float *values) {
  for (int c = 0; c < CHUNK; ++c) sum[c] = sum[c] + cudropi_row_chunk(values + c * CHUNK);
}

static inline void cudropi_add_squared_chunks(float *sum, float *squares,
                                              const float *values) {
  float squared[CHUNK * CHUNK];
  for (int j = 0; j < CHUNK * CHUNK; ++j) squared[j] = values[j] * values[j];
  cudropi_add_chunks(sum, values);
  cudropi_add_chunks(squares, squared);
}
#endif

/* The sums of the threads whose chunks begin at the strip's first column. */
static inline float *cudropi_find_sums(cudropi_row_total_t *row,
                                       const cudropi_strip_t *strip) {
  return row->sum + strip->first / CHUNK % row->threads;
}

/* Copy the last chunk of a strip, which is not whole, to last; the rest of it is 0. */
static inline void cudropi_copy_last(const cudropi_strip_t *strip, const float *values,
                                     float *last) {
  const int left = strip->n % CHUNK;
  memset(last, 0, CHUNK * sizeof *last);
  memcpy(last, values + strip->n - left, (size_t)left * sizeof *last);
}

/* Add a strip's values to a total. */
static inline void cudropi_add_to_total(cudropi_row_total_t *row,
                                        const cudropi_strip_t *strip,
                                        const float *values) {
  const int chunks = strip->n / CHUNK;
  float *sum = cudropi_find_sums(row, strip), last[CHUNK];
  int c = 0;
  for (; c + CHUNK <= chunks; c += CHUNK) cudropi_add_chunks(sum + c, values + c * CHUNK);
  for (; c < chunks; ++c) sum[c] = sum[c] + cudropi_row_chunk(values + c * CHUNK);
  if (strip->n % CHUNK == 0) return;
  cudropi_copy_last(strip, values, last);
  sum[c] = sum[c] + cudropi_row_chunk(last);
}

/* Add a chunk to `sum`, and its squares to `squares`. */
static inline void cudropi_add_squared_chunk(float *sum, float *squares,
                                             const float *values) {
  float squared[CHUNK];
  for (int j = 0; j < CHUNK; ++j) squared[j] = values[j] * values[j];
  *sum = *sum + cudropi_row_chunk(values);
  *squares = *squares + cudropi_row_chunk(squared);
}

/* Add a strip's values to `row` and their squares to `of_squares`, which has as many threads. */
static inline void cudropi_add_to_totals(cudropi_row_total_t *row,
                                         cudropi_row_total_t *of_squares,
                                         const cudropi_strip_t *strip,
                                         const float *values) {
  const int chunks = strip->n / CHUNK;
  float *sum = cudropi_find_sums(row, strip), last[CHUNK];
  float *squares = cudropi_find_sums(of_squares, strip);
  int c = 0;
  for (; c + CHUNK <= chunks; c += CHUNK)
    cudropi_add_squared_chunks(sum + c, squares + c, values + c * CHUNK);
  for (; c < chunks; ++c)
    cudropi_add_squared_chunk(sum + c, squares + c, values + c * CHUNK);
  if (strip->n % CHUNK == 0) return;
  cudropi_copy_last(strip, values, last);
  cudropi_add_squared_chunk(sum + c, squares + c, last);
}

/* Return the sum, and begin a new one. */
static inline float cudropi_finish_total(cudropi_row_total_t *row) {
  const float total = cudropi_row_fold(row->threads, row->sum);
  cudropi_begin_total(row, row->threads);
  return total;
}

#endif /* CUDROP_ROW_TOTAL_H */
