/*
 * test_allocations.c - no operator allocates: malloc and its kin are counted while one works.
 *
 * The program's own definitions stand in front of the C library's, for the library's calls too.
 */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stddef.h>
#include <stdlib.h>

#include "suite.h"

/* The C library's allocator under its other names. */
extern void *__libc_malloc(size_t bytes);               /* NOLINT */
extern void *__libc_calloc(size_t count, size_t bytes); /* NOLINT */
extern void *__libc_realloc(void *old, size_t bytes);   /* NOLINT */
extern void *__libc_memalign(size_t to, size_t bytes);  /* NOLINT */

static _Atomic long allocations;

/* NOLINTBEGIN: the C library's header has names for the parameters that are its own */
void *malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) {
  ++allocations;
  return __libc_realloc(old, bytes);
}
void *aligned_alloc(size_t to, size_t bytes) {
  ++allocations;
  return __libc_memalign(to, bytes);
}
int posix_memalign(void **memory, size_t to, size_t bytes) {
  ++allocations;
  *memory = __libc_memalign(to, bytes);
  return *memory == NULL;
}
/* NOLINTEND */

enum { N = 100003 };

/* Every operator on tensors that are there already; the statuses' sum. */
static int run_all(cudrop_context_t *context, float *x, float *y, uint8_t *bytes,
                   cudrop_prepared_t *block) {
  static const int64_t n = N;
  uint64_t kept = 0;
  const cudrop_tensor_t in = cudrop_vector(x, CUDROP_F32, N);
  const cudrop_tensor_t out = cudrop_vector(y, CUDROP_F32, N);
  const cudrop_tensor_t keep = cudrop_vector(bytes, CUDROP_U8, N);
  cudrop_tensor_t strided = cudrop_vector(y, CUDROP_F32, N / 2);
  strided.stride[0] = 2;
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.3);
  const cudrop_mask_t prepared = cudrop_prepared_mask(block, 1);
  return (int)cudrop_prepare(context, &mask, block) +
         (int)cudrop_forward(context, &in, &mask, &out) +
         (int)cudrop_forward(context, &in, &prepared, &out) +
         (int)cudrop_backward_accumulate(context, &in, &mask, &out) +
         (int)cudrop_alpha_forward(context, &strided, &mask, &strided) +
         (int)cudrop_export_bits(context, &mask, 1, &n, bytes) +
         (int)cudrop_apply_bits(context, &in, bytes, 0.3, &out) +
         (int)cudrop_export_bytes(context, &mask, &keep) +
         (int)cudrop_apply_bytes(context, &in, &keep, 0.3, &out) +
         (int)cudrop_export_scale(context, &mask, &out) +
         (int)cudrop_count_kept(context, &mask, 1, &n, &kept) +
         (int)cudrop_advance(context, block, 3);
}

/* The same of operators on rows, forward and backward. */
static int run_rows(cudrop_context_t *context, float *x, float *y) {
  enum { ROWS = 300, COLS = 256 };
  static float vectors[2][COLS], each[2][ROWS];
  _Alignas(16) static char workspace[1 << 18], large[ROWS * (COLS + 1) * 4];
  const cudrop_tensor_t in = cudrop_matrix(x, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t out = cudrop_matrix(y, CUDROP_F32, ROWS, COLS);
  const cudrop_tensor_t bias = cudrop_vector(vectors[0], CUDROP_F32, COLS);
  const cudrop_tensor_t dbias = cudrop_vector(vectors[1], CUDROP_F32, COLS);
  const cudrop_tensor_t mean = cudrop_vector(each[0], CUDROP_F32, ROWS);
  const cudrop_tensor_t rstd = cudrop_vector(each[1], CUDROP_F32, ROWS);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.3);
  const cudrop_fused_t gelu = {.activation = CUDROP_GELU, .bias = &bias, .mask = &mask};
  const cudrop_fused_forward_t fused = {.fused = &gelu, .x = &in, .y = &out};
  const cudrop_fused_backward_t fused_back = {.fused = &gelu,
                                              .dy = &in,
                                              .x = &in,
                                              .dx = &out,
                                              .dbias = &dbias,
                                              .workspace = workspace,
                                              .workspace_bytes = sizeof workspace};
  const cudrop_norm_t layer = {.epsilon = 1e-5f, .mask = &mask};
  const cudrop_norm_forward_t norm = {
      .norm = &layer, .x = &in, .y = &out, .mean = &mean, .rstd = &rstd};
  const cudrop_norm_backward_t norm_back = {.norm = &layer,
                                            .dy = &in,
                                            .h = &in,
                                            .mean = &mean,
                                            .rstd = &rstd,
                                            .dx = &out,
                                            .dbias = &dbias,
                                            .workspace = workspace,
                                            .workspace_bytes = sizeof workspace};
  const cudrop_attention_t causal = {.causal = CUDROP_CAUSAL, .mask = &mask};
  const cudrop_attention_forward_t attention = {
      .attention = &causal, .scores = &in, .y = &out};
  const cudrop_attention_backward_t attention_back = {
      .attention = &causal, .dy = &in, .weights = &in, .dscores = &out};
  const cudrop_attend_forward_t attend = {
      .attention = &causal, .q = &in, .k = &in, .v = &in, .o = &out, .lse = &mean};
  const cudrop_attend_backward_t attend_back = {.attention = &causal,
                                                .q = &in,
                                                .k = &in,
                                                .v = &in,
                                                .o = &in,
                                                .lse = &mean,
                                                .dout = &in,
                                                .dk = &out,
                                                .workspace = large,
                                                .workspace_bytes = sizeof large};
  static int32_t numbers[ROWS];
  const cudrop_tensor_t ids = cudrop_vector(numbers, CUDROP_I32, ROWS);
  const cudrop_embedding_forward_t embedding = {
      .ids = &ids, .tokens = &in, .mask = &mask, .y = &out};
  const cudrop_embedding_backward_t embedding_back = {
      .ids = &ids,
      .dy = &in,
      .mask = &mask,
      .dtokens = &out,
      .workspace = workspace,
      .workspace_bytes = sizeof workspace};
  return (int)cudrop_embedding_forward(context, &embedding) +
         (int)cudrop_embedding_backward(context, &embedding_back) +
         (int)cudrop_fused_forward(context, &fused) +
         (int)cudrop_fused_backward(context, &fused_back) +
         (int)cudrop_norm_forward(context, &norm) +
         (int)cudrop_norm_backward(context, &norm_back) +
         (int)cudrop_attention_forward(context, &attention) +
         (int)cudrop_attention_backward(context, &attention_back) +
         (int)cudrop_attend_forward(context, &attend) +
         (int)cudrop_attend_backward(context, &attend_back);
}

START_TEST(no_operator_allocates) {
  static float x[N], y[N];
  static uint8_t bytes[N];
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.3);
  cudrop_context_t *context = NULL;
  cudrop_prepared_t *block = NULL;
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_set_threads(context, _i));
  ck_assert_ok(cudrop_prepared_create(context, &mask, &block));
  const long before = allocations;
  const int status = run_all(context, x, y, bytes, block) + run_rows(context, x, y);
  const long after = allocations;
  ck_assert_int_eq(status, 0);
  ck_assert_int_eq(after, before);
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

START_TEST(an_allocation_would_be_counted) {
  cudrop_context_t *context = NULL;
  const long before = allocations;
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  ck_assert_int_gt(allocations, before);
  ck_assert_ok(cudrop_destroy(&context));
}
END_TEST

static TCase *allocations_case(void) {
  TCase *tests = suite_case("allocations", 60);
  tcase_add_loop_test(tests, no_operator_allocates, 1, 5);
  tcase_add_test(tests, an_allocation_would_be_counted);
  return tests;
}

SUITE_MAIN("allocations", allocations_case())
