/*
 * engine.h - what the network computes apart from the operators of cudrop, as a table of
 * functions: products of matrices, the loss, and the steps of AdamW.
 *
 * The host has one table, CBLAS and loops in C, for F32; CUDA has another, cuBLAS and kernels,
 * for F32 and BF16, where both are built in. All pointers are memory of the context. CUDA works
 * on its default stream, which is the context's, and returns before the work is done. Equal
 * calls give equal bits on one device.
 *
 * Every function returns a status; failure_words() has the words.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Matrices [rows][cols] in memory, whose neighbouring rows are `row` elements apart. A batch of
 * them has two dimensions, along which neighbours are next[0] and next[1] elements apart.
 */
typedef struct {
  void *data;
  cudrop_dtype_t dtype; /* F32 or BF16 */
  int64_t row;
  int64_t next[2];
} engine_matrix_t;

/*
 * c = op(a) op(b), where op(a) is [rows][inner] and op(b) is [inner][cols]: the matrix itself,
 * or the transpose of the one that lies in memory; for each of a batch of count[0] * count[1].
 * Sums are made in float. a and b have one type, c that or F32.
 */
typedef struct {
  bool transposes_a, transposes_b;
  int64_t rows, cols, inner;
  int64_t count[2];
  engine_matrix_t a, b, c;
} engine_product_t;

/* Rows of logits [rows][classes], and the class that each should have told. */
typedef struct {
  void *logits;
  cudrop_dtype_t dtype;
  int64_t rows, classes;
  const int32_t *target; /* [rows] */
  float *loss;           /* [rows]: -log of the probability of the target */
  float scale;           /* of the gradient */
} engine_judged_t;

/*
 * The numbers of one step of AdamW on the gradient g of every parameter w:
 *
 *   m = m + take_mean (g - m)        v = v + take_square (g^2 - v)
 *   w = w - w * decay - scale * m / (sqrt(v) * unbias + epsilon)
 *
 * Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019.
 */
typedef struct {
  float take_mean, take_square;
  float decay;
  float scale;  /* the rate, corrected for the mean that began with 0 */
  float unbias; /* the correction of the root of the square */
  float epsilon;
} engine_adamw_t;

/* The n parameters of a step, and what belongs to each. */
typedef struct {
  size_t n;
  const float *gradient;
  float *mean, *square, *parameter;
  uint16_t *narrow; /* the parameters once more, rounded to BF16; or NULL */
} engine_trained_t;

typedef struct engine engine_t;

typedef struct {
  cudrop_status_t (*open)(engine_t *engine);
  cudrop_status_t (*close)(engine_t *engine);
  cudrop_status_t (*multiply)(engine_t *engine, const engine_product_t *product);

  /* The losses; and in place of the logits their gradient, scale (softmax - one-hot). */
  cudrop_status_t (*judge)(engine_t *engine, const engine_judged_t *judged);

  cudrop_status_t (*update)(engine_t *engine, const engine_adamw_t *step,
                            const engine_trained_t *trained);

  /* narrow = parameter, rounded; for the beginning of a run. */
  cudrop_status_t (*narrow)(engine_t *engine, const engine_trained_t *trained);
} engine_table_t;

struct engine {
  const engine_table_t *table;
  struct cublasContext *blas; /* a cublasHandle_t; NULL on the host */
  failure_t failure;
};

extern const engine_table_t engine_host;
extern const engine_table_t engine_cuda; /* defined where GPT_WITH_CUDA is */

/*
 * Open the engine of a context's backend; ERROR_NOT_BUILT if this program has none for it. Give
 * it to engine_close() in any case, before the context is destroyed.
 */
cudrop_status_t engine_open(engine_t *engine, const cudrop_context_t *context);
cudrop_status_t engine_close(engine_t *engine);

/* The backend to ask cudrop_create() for: AUTO is the host where there is no engine for CUDA. */
cudrop_backend_t engine_backend(cudrop_backend_t wanted);

#ifdef __cplusplus
}
#endif

#endif /* ENGINE_H */
