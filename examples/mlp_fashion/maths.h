/*
 * maths.h - what the network computes apart from dropout, as a table of functions.
 *
 * The host has one table, CBLAS and loops in C; CUDA has another, cuBLAS and kernels, where
 * both are built in. All pointers are memory of the context, matrices are dense and
 * row-major. CUDA works on its default stream, which is the context's until maths_set_stream()
 * says otherwise, and returns before the work is done. Equal calls give equal bits on one
 * device. Two devices differ in what multiply() gives, which has an order of summation of its
 * own on each, and in the last place of exp(); the rest is the same to the bit.
 *
 * Every function returns a status; failure_words() has the words of a failure.
 */
#ifndef MATHS_H
#define MATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(MLP_DOUBLE)
typedef double real_t;
#else
typedef float real_t;
#endif

/*
 * c = op(a) op(b) + beta c, where op(a) is [rows][inner] and op(b) is [inner][cols]: the
 * matrix itself, or the transpose of the one that lies in memory. With beta 0 what was in
 * c does not matter.
 */
typedef struct {
  bool transposes_a, transposes_b;
  int rows, cols, inner;
  const real_t *a, *b;
  real_t beta;
  real_t *c;
} maths_product_t;

/* The numbers of one step of Adam; mlp_update() says what becomes of them. */
typedef struct {
  real_t keep_mean, take_mean;
  real_t keep_square, take_square;
  real_t scale;  /* the rate, corrected for the mean that began with 0 */
  real_t unbias; /* the correction of the root of the square */
  real_t epsilon;
} maths_adam_t;

typedef struct maths maths_t;

typedef struct {
  cudrop_status_t (*open)(maths_t *maths);
  cudrop_status_t (*close)(maths_t *maths);
  cudrop_status_t (*set_stream)(maths_t *maths, cudrop_stream_t stream);

  cudrop_status_t (*multiply)(maths_t *maths, const maths_product_t *product);

  /* y[r][c] = row[c] */
  cudrop_status_t (*repeat_row)(maths_t *maths, const real_t *row, int rows, int cols,
                                real_t *y);

  /* y[c] = the sum of x[r][c] over r, in the order of r */
  cudrop_status_t (*sum_rows)(maths_t *maths, const real_t *x, int rows, int cols,
                              real_t *y);

  /* x = x > 0 ? x : 0, for n elements */
  cudrop_status_t (*rectify)(maths_t *maths, size_t n, real_t *x);

  /* dy = y > 0 ? dy : 0, for n elements */
  cudrop_status_t (*differentiate_rectify)(maths_t *maths, size_t n, const real_t *y,
                                           real_t *dy);

  /* d[r] = (softmax(logit[r]) - one-hot(label[r])) / rows, each [classes] */
  cudrop_status_t (*differentiate_loss)(maths_t *maths, const real_t *logit,
                                        const uint8_t *label, int rows, int classes,
                                        real_t *d);

  /* A step on n parameters w with the gradients g and their running averages. */
  cudrop_status_t (*adam)(maths_t *maths, const maths_adam_t *step, size_t n,
                          const real_t *g, real_t *mean, real_t *square, real_t *w);
} maths_table_t;

struct maths {
  const maths_table_t *table;
  struct cublasContext *blas; /* a cublasHandle_t; NULL on the host */
  cudrop_stream_t stream;     /* NULL: the default one */
  failure_t failure;
};

extern const maths_table_t maths_host;
extern const maths_table_t maths_cuda; /* defined where MLP_WITH_CUDA is */

/*
 * Open the maths of a context's backend; ERROR_NOT_BUILT if this program has none for it.
 * Give them to maths_close() in any case, before the context is destroyed.
 */
cudrop_status_t maths_open(maths_t *maths, const cudrop_context_t *context);
cudrop_status_t maths_close(maths_t *maths);

/* Let later work run on a stream, NULL or that of cudrop_set_stream(). */
cudrop_status_t maths_set_stream(maths_t *maths, cudrop_stream_t stream);

/* The backend to ask cudrop_create() for: AUTO is the host where CUDA has no maths. */
cudrop_backend_t maths_backend(cudrop_backend_t wanted);

#ifdef __cplusplus
}
#endif

#endif /* MATHS_H */
