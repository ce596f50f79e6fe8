/* row_total.h - a row's sum in the order of row_sum.h; compiled as strip.h is. */
#ifndef CUDROP_ROW_TOTAL_H
#define CUDROP_ROW_TOTAL_H

#include "row_sum.h"
#include "strip.h"

enum { CHUNK = 8 }; /* columns that a thread takes one by one */

/* What the threads of a row have summed so far. */
typedef struct {
  int32_t threads;
  float sum[CUDROPI_ROW_MOST_THREADS];
} cudropi_row_total_t;

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CUDROPI_CAN_SHUFFLE
#endif
#endif

#if defined(CUDROPI_CAN_SHUFFLE)
/* sum[c] += the values of chunk c one by one, for 8 chunks: lane c of vector j is value j of
 * chunk c, once they are transposed. */
static inline void cudropi_add_chunks(float *sum, const float *values) {
  typedef float eight_t __attribute__((vector_size(32)));
  eight_t row[CHUNK], pair[CHUNK], total;
  memcpy(row, values, sizeof row);
  for (int j = 0; j < CHUNK; j += 2) {
    pair[j] = __builtin_shufflevector(row[j], row[j + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pair[j + 1] = __builtin_shufflevector(row[j], row[j + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int j = 0; j < CHUNK; j += 4)
    for (int k = 0; k < 2; ++k) {
      const eight_t a = pair[j + k], b = pair[j + k + 2];
      row[j + 2 * k] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
      row[j + 2 * k + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int j = 0; j < CHUNK / 2; ++j) {
    const eight_t a = row[j], b = row[j + 4];
    pair[j] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
    pair[j + 4] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
  }
  memcpy(&total, sum, sizeof total);
  for (int j = 0; j < CHUNK; ++j) total = total + pair[j];
  memcpy(sum, &total, sizeof total);
}
#else
static inline void cudropi_add_chunks(float *sum, const float *values) {
  for (int j = 0; j < CHUNK; ++j)
    for (int c = 0; c < CHUNK; ++c) sum[c] = sum[c] + values[c * CHUNK + j];
}
#endif

/* Add a strip's values; those behind its end, to the end of a chunk, become 0. */
static inline void cudropi_add_to_total(cudropi_row_total_t *row,
                                        const cudropi_strip_t *strip, float *values) {
  const int chunks = (strip->n + CHUNK - 1) / CHUNK;
  float *sum = row->sum + strip->first / CHUNK % row->threads;
  int c = 0;
  for (int j = strip->n; j < chunks * CHUNK; ++j) values[j] = 0.0f;
  for (; c + CHUNK <= chunks; c += CHUNK) cudropi_add_chunks(sum + c, values + c * CHUNK);
  for (; c < chunks; ++c)
    for (int j = 0; j < CHUNK; ++j) sum[c] = sum[c] + values[c * CHUNK + j];
}

/* The sum, and begin another. */
static inline float cudropi_finish_total(cudropi_row_total_t *row) {
  const float total = cudropi_row_fold(row->threads, row->sum);
  memset(row->sum, 0, sizeof row->sum);
  return total;
}

#endif /* CUDROP_ROW_TOTAL_H */
