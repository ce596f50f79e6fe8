/*
 * product.h - products of small matrices of floats; compiled for each path, like strip.h.
 *
 * An element of a product is one chain of fused multiply-adds along the common dimension, from +0
 * on: its bits depend neither on the vectors of a path nor on how many rows are done at once.
 */
#ifndef CUDROP_PRODUCT_H
#define CUDROP_PRODUCT_H

#include <math.h>
#if defined(__FMA__)
#include <immintrin.h>
#endif

#include "host/strip.h"

enum { CUDROPI_PANEL = 32 }; /* columns of a panel */

/* Vectors of the path, and the most rows whose sums fit its registers. */
#if defined(__AVX512F__)
typedef __m512 cudropi_lanes_t;
enum { CUDROPI_LANES = 16, CUDROPI_MOST_ROWS = 12 };
#define CUDROPI_LOAD(from) _mm512_loadu_ps(from)
#define CUDROPI_STORE(to, value) _mm512_storeu_ps(to, value)
#define CUDROPI_REPEAT(value) _mm512_set1_ps(value)
#define CUDROPI_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define CUDROPI_PLUS(a, b) _mm512_add_ps(a, b)
#elif defined(__FMA__)
typedef __m256 cudropi_lanes_t;
enum { CUDROPI_LANES = 8, CUDROPI_MOST_ROWS = 6 };
#define CUDROPI_LOAD(from) _mm256_loadu_ps(from)
#define CUDROPI_STORE(to, value) _mm256_storeu_ps(to, value)
#define CUDROPI_REPEAT(value) _mm256_set1_ps(value)
#define CUDROPI_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define CUDROPI_PLUS(a, b) _mm256_add_ps(a, b)
#else
typedef float cudropi_lanes_t;
enum { CUDROPI_LANES = 1, CUDROPI_MOST_ROWS = 4 };
#define CUDROPI_LOAD(from) (*(from))
#define CUDROPI_STORE(to, value) (*(to) = (value))
#define CUDROPI_REPEAT(value) (value)
#define CUDROPI_FMA(a, b, c) fmaf(a, b, c)
#define CUDROPI_PLUS(a, b) ((a) + (b))
#endif
enum { CUDROPI_ACROSS = 2 * CUDROPI_LANES }; /* columns of a block of sums */

/* A matrix in any order: element [i, j] is at data + i * down + j * along. */
typedef struct {
  const float *data;
  int64_t down, along;
} cudropi_matrix_t;

/* Compute `rows` rows and ACROSS columns of a product. `rows` is a constant to the compiler. */
static inline __attribute__((always_inline)) void multiply_block(
    int rows, int depth, const cudropi_matrix_t *a, const float *b, float *c,
    int64_t c_down, bool adds) {
  cudropi_lanes_t sum[CUDROPI_MOST_ROWS][2];
  const float *left = a->data;
  for (int i = 0; i < rows; ++i) sum[i][0] = sum[i][1] = CUDROPI_REPEAT(0.0f);
  for (int t = 0; t < depth; ++t, left += a->along, b += CUDROPI_PANEL) {
    const cudropi_lanes_t b0 = CUDROPI_LOAD(b), b1 = CUDROPI_LOAD(b + CUDROPI_LANES);
    for (int i = 0; i < rows; ++i) {
      const cudropi_lanes_t value = CUDROPI_REPEAT(left[i * a->down]);
      sum[i][0] = CUDROPI_FMA(value, b0, sum[i][0]);
      sum[i][1] = CUDROPI_FMA(value, b1, sum[i][1]);
    }
  }
  for (int i = 0; i < rows; ++i, c += c_down) {
    if (adds) {
      sum[i][0] = CUDROPI_PLUS(CUDROPI_LOAD(c), sum[i][0]);
      sum[i][1] = CUDROPI_PLUS(CUDROPI_LOAD(c + CUDROPI_LANES), sum[i][1]);
    }
    CUDROPI_STORE(c, sum[i][0]);
    CUDROPI_STORE(c + CUDROPI_LANES, sum[i][1]);
  }
}

/* Compute all rows of ACROSS columns: blocks of the most rows, then of 4, 2 and 1. */
static inline void multiply_columns(int rows, int depth, cudropi_matrix_t a,
                                    const float *b, float *c, int64_t c_down, bool adds) {
#define BLOCKS(ROWS)                                       \
  for (; rows >= (ROWS); rows -= (ROWS)) {                 \
    multiply_block((ROWS), depth, &a, b, c, c_down, adds); \
    a.data += (ROWS)*a.down;                               \
    c += (ROWS)*c_down;                                    \
  }
  BLOCKS(CUDROPI_MOST_ROWS)
  BLOCKS(4)
  BLOCKS(2)
  BLOCKS(1)
#undef BLOCKS
}

/*
 * C = A B, or C = C + A B, for A [rows, depth] and C [rows, cols], whose rows are c_down apart. B
 * [depth, cols] is in panels (see below) of `panel_depth` rows. cols is a multiple of PANEL.
 */
CUDROPI_ONCE void cudropi_multiply(int rows, int cols, int depth, cudropi_matrix_t a,
                                   const float *panels, int64_t panel_depth, float *c,
                                   int64_t c_down, bool adds) {
  for (int col = 0; col < cols; col += CUDROPI_ACROSS) {
    const float *b = panels + col / CUDROPI_PANEL * panel_depth * CUDROPI_PANEL;
    multiply_columns(rows, depth, a, b + col % CUDROPI_PANEL, c + col, c_down, adds);
  }
}

/*
 * Panels of a matrix [depth, cols]: panel q holds columns [32 q, 32 q + 32) of all rows, row by
 * row. Write row `row` of the matrix, with cols a multiple of PANEL.
 */
static inline void cudropi_pack_row(const float *values, int row, int cols,
                                    int64_t panel_depth, float *panels) {
  for (int col = 0; col < cols; col += CUDROPI_PANEL)
    memcpy(panels + (col / CUDROPI_PANEL * panel_depth + row) * CUDROPI_PANEL,
           values + col, CUDROPI_PANEL * sizeof *panels);
}

/* Write column `col` of the matrix, with `depth` rows. */
static inline void cudropi_pack_col(const float *values, int col, int depth,
                                    int64_t panel_depth, float *panels) {
  float *to =
      panels + col / CUDROPI_PANEL * panel_depth * CUDROPI_PANEL + col % CUDROPI_PANEL;
  for (int row = 0; row < depth; ++row) to[row * CUDROPI_PANEL] = values[row];
}

#endif /* CUDROP_PRODUCT_H */
