/*
 * main.c - random bits drawn ahead, on a stream of their own, while a matrix product runs.
 *
 *   main    product --------------------------+ softmax and dropout with the bits
 *   side    keep bits of the dropout ---------+
 *
 * Philox needs arithmetic and the product of matrices needs tensor cores or memory: beside each
 * other they may take less time than one after the other. The result has the same bits as with
 * the mask drawn in place; this program compares them, and says how long both ways take.
 */
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/cudrop.h"

enum { SMALL = 64, LARGE = 2048, DEPTH = 64, LARGE_BATCH = 32, REPEATS = 20 };
static const double p = 0.1;

#define CHECK(call, ok, words)                     \
  do {                                             \
    if ((call) != (ok)) {                          \
      fprintf(stderr, "%s: %s\n", #call, (words)); \
      exit(1);                                     \
    }                                              \
  } while (0)
#define CHECK_CUDA(call) CHECK(call, cudaSuccess, "it failed")
#define CHECK_BLAS(call) CHECK(call, CUBLAS_STATUS_SUCCESS, "it failed")
#define CHECK_DROP(call) CHECK(call, CUDROP_OK, cudrop_last_error())

typedef struct {
  int batch, queries, keys; /* of the scores */
  cudrop_context_t *main, *side;
  cudaStream_t main_stream, side_stream;
  cudaEvent_t drawn, used, begin, end;
  cublasHandle_t blas;
  void *q, *k, *scores, *y, *bits;
} state_t;

static size_t count_scores(const state_t *s) {
  return (size_t)s->batch * (size_t)s->queries * (size_t)s->keys;
}

static void *take(const state_t *s, size_t floats) {
  void *buffer = NULL;
  float *values = malloc(floats * sizeof *values);
  if (values == NULL) exit(1);
  for (size_t e = 0; e < floats; ++e) values[e] = sinf((float)e * 0.37f);
  CHECK_DROP(cudrop_alloc(s->main, floats * sizeof(float), &buffer));
  CHECK_DROP(cudrop_upload(s->main, buffer, values, floats * sizeof(float)));
  free(values);
  return buffer;
}

static void open_state(state_t *s) {
  const size_t rows = (size_t)s->batch * (size_t)s->queries;
  CHECK_DROP(cudrop_create(&s->main, CUDROP_CUDA, 0));
  CHECK_DROP(cudrop_create(&s->side, CUDROP_CUDA, 0));
  CHECK_CUDA(cudaStreamCreateWithFlags(&s->main_stream, cudaStreamNonBlocking));
  CHECK_CUDA(cudaStreamCreateWithFlags(&s->side_stream, cudaStreamNonBlocking));
  CHECK_DROP(cudrop_set_stream(s->main, s->main_stream));
  CHECK_DROP(cudrop_set_stream(s->side, s->side_stream));
  CHECK_CUDA(cudaEventCreate(&s->drawn));
  CHECK_CUDA(cudaEventCreate(&s->used));
  CHECK_CUDA(cudaEventCreate(&s->begin));
  CHECK_CUDA(cudaEventCreate(&s->end));
  CHECK_BLAS(cublasCreate(&s->blas));
  CHECK_BLAS(cublasSetStream(s->blas, s->main_stream));
  s->q = take(s, rows * DEPTH);
  s->k = take(s, (size_t)s->keys * DEPTH);
  s->scores = take(s, count_scores(s));
  s->y = take(s, count_scores(s));
  CHECK_DROP(cudrop_alloc(s->main, (count_scores(s) + 7) / 8, &s->bits));
  CHECK_DROP(cudrop_synchronize(s->main)); /* the other stream may use it from here on */
}

static void close_state(state_t *s) {
  void **buffers[] = {&s->q, &s->k, &s->scores, &s->y, &s->bits};
  for (size_t k = 0; k < sizeof buffers / sizeof buffers[0]; ++k)
    CHECK_DROP(cudrop_free(s->main, buffers[k]));
  CHECK_BLAS(cublasDestroy(s->blas));
  cudaEvent_t events[] = {s->drawn, s->used, s->begin, s->end};
  for (size_t k = 0; k < sizeof events / sizeof events[0]; ++k)
    CHECK_CUDA(cudaEventDestroy(events[k]));
  CHECK_DROP(cudrop_synchronize(s->main));
  CHECK_CUDA(cudaStreamDestroy(s->main_stream));
  CHECK_CUDA(cudaStreamDestroy(s->side_stream));
  CHECK_DROP(cudrop_destroy(&s->main));
  CHECK_DROP(cudrop_destroy(&s->side));
}

/* The scores of all queries with the keys, row by row: cuBLAS, which counts by columns, is given
 * the product's transpose. */
static void multiply(const state_t *s) {
  const float one = 1.0f, zero = 0.0f;
  CHECK_BLAS(cublasSgemm(s->blas, CUBLAS_OP_T, CUBLAS_OP_N, s->keys,
                         s->batch * s->queries, DEPTH, &one, s->k, DEPTH, s->q, DEPTH,
                         &zero, s->scores, s->keys));
}

/* ---- The two ways ----------------------------------------------------------------- */

static cudrop_tensor_t make_tensor(const state_t *s, void *data) {
  const int64_t shape[] = {s->batch, s->queries, s->keys};
  return cudrop_tensor(data, CUDROP_F32, 3, shape);
}

static void run_in_place(const state_t *s, const cudrop_mask_t *mask) {
  const cudrop_tensor_t scores = make_tensor(s, s->scores), y = make_tensor(s, s->y);
  multiply(s);
  const cudrop_attention_t attention = {.scale = 0.125f, .mask = mask};
  CHECK_DROP(cudrop_attention_forward(
      s->main, &(cudrop_attention_forward_t){
                   .attention = &attention, .scores = &scores, .y = &y}));
}

/* The bits must not change while the softmax of the round before reads them. */
static void run_ahead(const state_t *s, const cudrop_mask_t *mask) {
  const cudrop_tensor_t scores = make_tensor(s, s->scores), y = make_tensor(s, s->y);
  const cudrop_attention_t attention = {.scale = 0.125f, .bits = s->bits, .p = p};
  CHECK_CUDA(cudaStreamWaitEvent(s->side_stream, s->used, 0));
  CHECK_DROP(cudrop_export_bits(s->side, mask, 3, scores.shape, s->bits));
  CHECK_CUDA(cudaEventRecord(s->drawn, s->side_stream));
  multiply(s);
  CHECK_CUDA(cudaStreamWaitEvent(s->main_stream, s->drawn, 0));
  CHECK_DROP(cudrop_attention_forward(
      s->main, &(cudrop_attention_forward_t){
                   .attention = &attention, .scores = &scores, .y = &y}));
  CHECK_CUDA(cudaEventRecord(s->used, s->main_stream));
}

typedef void way_t(const state_t *s, const cudrop_mask_t *mask);

/* Microseconds of a round, after one that is not counted. */
static double time_way(const state_t *s, way_t *way) {
  float milliseconds = 0.0f;
  for (uint64_t round = 0; round <= REPEATS; ++round) {
    const cudrop_mask_t mask = cudrop_mask(42, round, p);
    if (round == 1) CHECK_CUDA(cudaEventRecord(s->begin, s->main_stream));
    way(s, &mask);
  }
  CHECK_CUDA(cudaEventRecord(s->end, s->main_stream));
  CHECK_CUDA(cudaEventSynchronize(s->end));
  CHECK_CUDA(cudaEventElapsedTime(&milliseconds, s->begin, s->end));
  return (double)milliseconds * 1e3 / REPEATS;
}

/* The result of the last round. */
static float *fetch(const state_t *s) {
  const size_t bytes = count_scores(s) * sizeof(float);
  float *y = malloc(bytes);
  if (y == NULL) exit(1);
  CHECK_DROP(cudrop_download(s->main, y, s->y, bytes));
  return y;
}

/* What was there must not pass for a result. */
static void spoil(const state_t *s) {
  const size_t bytes = count_scores(s) * sizeof(float);
  void *values = malloc(bytes);
  if (values == NULL) exit(1);
  memset(values, 0xca, bytes);
  CHECK_DROP(cudrop_upload(s->main, s->y, values, bytes));
  free(values);
}

int main(int count, char **arguments) {
  const int is_small = count > 1 && strcmp(arguments[1], "--small") == 0;
  if (count > 1 + is_small) {
    fprintf(stderr, "rng_ahead: '%s' is not an option; usage: rng_ahead [--small]\n",
            arguments[1 + is_small]);
    return 2;
  }
  state_t s = {.batch = is_small ? 1 : LARGE_BATCH,
               .queries = is_small ? SMALL : LARGE,
               .keys = is_small ? SMALL : LARGE};
  open_state(&s);
  const double in_place = time_way(&s, run_in_place);
  float *first = fetch(&s);
  spoil(&s);
  const double ahead = time_way(&s, run_ahead);
  float *second = fetch(&s);
  const int equal = memcmp(first, second, count_scores(&s) * sizeof *first) == 0;
  printf("scores [%d, %d, %d]: product, softmax and dropout\n", s.batch, s.queries,
         s.keys);
  printf("  mask drawn in place  %10.1f us\n", in_place);
  printf("  bits drawn ahead     %10.1f us, %s bits\n", ahead,
         equal ? "the same" : "OTHER");
  free(first);
  free(second);
  close_state(&s);
  return equal ? 0 : 1;
}
