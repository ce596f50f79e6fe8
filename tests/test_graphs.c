/* test_graphs.c - streams, and CUDA graphs whose masks change from replay to replay. */
#include <cuda_runtime_api.h>
#include <string.h>

#include "on_stream.h"
#include "oracle.h"

static cudaGraphExec_t end_capture(void) {
  cudaGraph_t graph = NULL;
  cudaGraphExec_t executable = NULL;
  ck_assert_cuda(cudaStreamEndCapture(stream, &graph));
  ck_assert_cuda(cudaGraphInstantiate(&executable, graph, 0));
  ck_assert_cuda(cudaGraphDestroy(graph));
  return executable;
}

/* Work of the stream: while a graph is captured it is not done, and each replay does it. */
static cudrop_status_t run_forward(const cudrop_mask_t *mask) {
  const cudrop_tensor_t in = vector(x), out = vector(y);
  return cudrop_forward(context, &in, mask, &out);
}

START_TEST(work_goes_to_the_stream_that_was_set) {
  const cudrop_mask_t masks[] = {cudrop_mask(1, 2, 0.3), cudrop_mask(1, 2, 0.0),
                                 cudrop_mask(1, 2, 1.0)}; /* a kernel, a copy, a fill */
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ck_assert_ok(run_forward(&masks[_i]));
  const cudaGraphExec_t step = end_capture();
  expect_untouched();
  ck_assert_cuda(cudaGraphLaunch(step, stream));
  expect_dropped(&masks[_i]);
  ck_assert_cuda(cudaGraphExecDestroy(step));
}
END_TEST

START_TEST(a_replayed_step_drops_anew_and_backward_follows_forward) {
  enum { REPLAYS = 20, SITES = 2 };
  static float dx_host[N], ones_host[N], before[N];
  const cudrop_mask_t first = cudrop_mask(42, 100, 0.3);
  cudrop_prepared_t *block = take_block(&first);
  float *dx = take(sizeof dx_host), *ones = take(sizeof ones_host);
  for (int e = 0; e < N; ++e) ones_host[e] = 1.0f;
  ck_assert_ok(cudrop_upload(context, ones, ones_host, sizeof ones_host));

  const cudrop_tensor_t in = vector(x), out = vector(y), dy = vector(ones),
                        d = vector(dx);
  const cudrop_mask_t site0 = cudrop_prepared_mask(block, 0);
  const cudrop_mask_t site1 = cudrop_prepared_mask(block, 1);
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ck_assert_ok(cudrop_forward(context, &in, &site0, &out));
  ck_assert_ok(cudrop_backward(context, &dy, &site1, &d));
  ck_assert_ok(cudrop_advance(context, block, SITES));
  const cudaGraphExec_t step = end_capture();
  for (uint64_t k = 0; k < REPLAYS; ++k) {
    ck_assert_cuda(cudaGraphLaunch(step, stream));
    const cudrop_mask_t eager = cudrop_mask(42, 100 + SITES * k, 0.3);
    expect_dropped(&eager);
    ck_assert_ok(cudrop_download(context, dx_host, dx, sizeof dx_host));
    for (uint64_t e = 0; e < N; ++e)
      ck_assert_int_eq(dx_host[e] != 0.0f, oracle_keep(42, 100 + SITES * k + 1, e, 0.3));
    ck_assert(k == 0 || memcmp(dx_host, before, sizeof before) != 0);
    memcpy(before, dx_host, sizeof before);
  }
  ck_assert_cuda(cudaGraphExecDestroy(step));
  give(ones);
  give(dx);
  give_block(block);
}
END_TEST

START_TEST(a_new_rate_needs_no_new_capture) {
  static const double rates[] = {0.1, 0.0, 1.0, 1e-6, 0.5};
  const cudrop_mask_t first = cudrop_mask(1, 2, 0.9);
  cudrop_prepared_t *block = take_block(&first);
  const cudrop_mask_t mask = cudrop_prepared_mask(block, 0);
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ck_assert_ok(run_forward(&mask));
  const cudaGraphExec_t step = end_capture();
  for (uint64_t k = 0; k < sizeof rates / sizeof rates[0]; ++k) {
    const cudrop_mask_t now = cudrop_mask(7, k, rates[k]);
    ck_assert_ok(cudrop_prepare(context, &now, block));
    ck_assert_cuda(cudaGraphLaunch(step, stream));
    expect_dropped(&now);
  }
  ck_assert_cuda(cudaGraphExecDestroy(step));
  give_block(block);
}
END_TEST

START_TEST(a_prepare_can_be_captured_too) {
  const cudrop_mask_t first = cudrop_mask(1, 2, 0.9), mask = cudrop_mask(9, 8, 0.25);
  cudrop_prepared_t *block = take_block(&first);
  const cudrop_mask_t prepared = cudrop_prepared_mask(block, 3);
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ck_assert_ok(cudrop_prepare(context, &mask, block));
  ck_assert_ok(cudrop_advance(context, block, 10));
  ck_assert_ok(run_forward(&prepared));
  const cudaGraphExec_t step = end_capture();
  const cudrop_mask_t eager = cudrop_mask(9, 8 + 10 + 3, 0.25);
  for (int k = 0; k < 2; ++k) {
    ck_assert_cuda(cudaGraphLaunch(step, stream));
    expect_dropped(&eager);
  }
  ck_assert_cuda(cudaGraphExecDestroy(step));
  give_block(block);
}
END_TEST

enum { IDS = 6000, VOCABULARY = 300, COLS = 8 };

/* The tokens' gradient of as many ids. */
static cudrop_status_t sum_tokens(cudrop_context_t *any, int64_t count, void *ids,
                                  void *dy, void *dtokens, void *workspace,
                                  size_t bytes) {
  const cudrop_tensor_t in = cudrop_vector(ids, CUDROP_I32, count);
  const cudrop_tensor_t rows = cudrop_matrix(dy, CUDROP_F32, count, COLS);
  const cudrop_tensor_t table = cudrop_matrix(dtokens, CUDROP_F32, VOCABULARY, COLS);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.3);
  return cudrop_embedding_backward(
      any, &(cudrop_embedding_backward_t){.ids = &in,
                                          .dy = &rows,
                                          .mask = &mask,
                                          .dtokens = &table,
                                          .workspace = workspace,
                                          .workspace_bytes = bytes});
}

/* Few ids, and more than one block sorts: each replay sorts the ids that are there then. */
START_TEST(a_sort_is_captured_and_sorts_anew) {
  static int32_t ids_host[IDS];
  static float dy_host[IDS * COLS], expected[VOCABULARY * COLS], seen[VOCABULARY * COLS];
  static float memory[1 << 18];
  const int64_t count = _i == 0 ? IDS / 6 : IDS;
  size_t bytes = 0;
  ck_assert_ok(cudrop_embedding_backward_workspace(count, COLS, &bytes));
  ck_assert_uint_le(bytes, sizeof memory);
  void *ids = take(sizeof ids_host), *dy = take(sizeof dy_host),
       *table = take(sizeof seen);
  void *workspace = take(bytes);
  for (int e = 0; e < IDS * COLS; ++e) dy_host[e] = (float)(e * 37 % 1009) - 500.0f;
  ck_assert_ok(cudrop_upload(context, dy, dy_host, sizeof dy_host));
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  ck_assert_ok(sum_tokens(context, count, ids, dy, table, workspace, bytes));
  const cudaGraphExec_t step = end_capture();
  for (int replay = 0; replay < 3; ++replay) {
    for (int k = 0; k < IDS; ++k)
      ids_host[k] = k * (41 + 2 * replay) % (VOCABULARY + 7) - 2; /* some out of range */
    ck_assert_ok(cudrop_upload(context, ids, ids_host, sizeof ids_host));
    ck_assert_cuda(cudaGraphLaunch(step, stream));
    ck_assert_ok(cudrop_download(context, seen, table, sizeof seen));
    ck_assert_ok(sum_tokens(host, count, ids_host, dy_host, expected, memory, bytes));
    ck_assert_mem_eq(seen, expected, sizeof seen);
  }
  ck_assert_cuda(cudaGraphExecDestroy(step));
  void *taken[] = {ids, dy, table, workspace};
  for (int k = 0; k < 4; ++k) give(taken[k]);
}
END_TEST

START_TEST(waiting_inside_a_capture_is_an_error_with_a_text) {
  cudaGraph_t graph = NULL;
  ck_assert_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  ck_assert_int_eq(cudrop_synchronize(context), CUDROP_ERROR_CUDA);
  ck_assert_ptr_nonnull(strstr(cudrop_last_error(),
                               "cudrop_synchronize: cudaStreamSynchronize failed with "
                               "cudaErrorStreamCapture"));
  ck_assert_int_ne(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  (void)cudaGetLastError();
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  ck_assert_ok(run_forward(&mask)); /* nothing of it is left */
  expect_dropped(&mask);
}
END_TEST

static TCase *graphs_case(void) {
  TCase *tests = suite_case("graphs", 120);
  tcase_add_checked_fixture(tests, set_up, clean_up);
  tcase_add_loop_test(tests, work_goes_to_the_stream_that_was_set, 0, 3);
  tcase_add_test(tests, a_replayed_step_drops_anew_and_backward_follows_forward);
  tcase_add_test(tests, a_new_rate_needs_no_new_capture);
  tcase_add_test(tests, a_prepare_can_be_captured_too);
  tcase_add_loop_test(tests, a_sort_is_captured_and_sorts_anew, 0, 2);
  tcase_add_test(tests, waiting_inside_a_capture_is_an_error_with_a_text);
  return tests;
}

SUITE_MAIN("graphs", graphs_case())
