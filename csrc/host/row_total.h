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
/* Eight floats in memory, as one access. gcc 12 does a memcpy of 32 bytes in halves, and a processor
 * waits before it loads 32 bytes that two stores have written. */
typedef float cudropi_eight_near_t
    __attribute__((vector_size(32), aligned(4), may_alias));

static inline void cudropi_load_chunks(const float *values, cudropi_eight_t *chunk) {
  for (int c = 0; c < CHUNK; ++c)
    chunk[c] = *(const cudropi_eight_near_t *)(const void *)(values + c * CHUNK);
}

/* The sums of neighbours of v[0] = a and v[1] = b:
 * a0+a1, a2+a3, b0+b1, b2+b3, a4+a5, a6+a7, b4+b5, b6+b7. */
static inline void cudropi_add_neighbours(const cudropi_eight_t *v,
                                          cudropi_eight_t *sums) {
  *sums = __builtin_shufflevector(v[0], v[1], 0, 2, 8, 10, 4, 6, 12, 14) +
          __builtin_shufflevector(v[0], v[1], 1, 3, 9, 11, 5, 7, 13, 15);
}

/* sum[c] += the sum of chunk c, for 8 chunks. */
static inline void cudropi_fold_chunks(const cudropi_eight_t *chunk, float *sum) {
  cudropi_eight_t quarters[4], halves[2];
  for (int k = 0; k < 4; ++k) cudropi_add_neighbours(chunk + 2 * k, quarters + k);
  for (int k = 0; k < 2; ++k) cudropi_add_neighbours(quarters + 2 * k, halves + k);
  *(cudropi_eight_near_t *)(void *)sum +=
      __builtin_shufflevector(halves[0], halves[1], 0, 1, 2, 3, 8, 9, 10, 11) +
      __builtin_shufflevector(halves[0], halves[1], 4, 5, 6, 7, 12, 13, 14, 15);
}

/* The same, for chunks in memory. */
static inline void cudropi_add_chunks(float *sum, const float *values) {
  cudropi_eight_t chunk[CHUNK];
  cudropi_load_chunks(values, chunk);
  cudropi_fold_chunks(chunk, sum);
}

/* The same, and squares[c] += the sum of the squares of chunk c. */
static inline void cudropi_add_squared_chunks(float *sum, float *squares,
                                              const float *values) {
  cudropi_eight_t chunk[CHUNK];
  cudropi_load_chunks(values, chunk);
  cudropi_fold_chunks(chunk, sum);
  for (int c = 0; c < CHUNK; ++c) chunk[c] = chunk[c] * chunk[c];
  cudropi_fold_chunks(chunk, squares);
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
