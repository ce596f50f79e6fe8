/*
 * fuzz_calls.c - a target for libFuzzer: an input is a sequence of calls.
 *
 * A call that the header allows succeeds and leaves in memory what the oracle does, to the
 * byte; any other is refused, with a text that names the function, and writes nothing. What
 * does not hold aborts. The backend is CUDROP_TEST_BACKEND's, as in the suites.
 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[REQUEST_OPERATORS] = {
    "cudrop_forward",       "cudrop_backward",       "cudrop_backward_accumulate",
    "cudrop_alpha_forward", "cudrop_alpha_backward", "cudrop_export_bytes",
    "cudrop_export_scale",  "cudrop_export_bits",    "cudrop_count_kept",
    "cudrop_apply_bytes",   "cudrop_apply_bits",
};

/* ---- what fails --------------------------------------------------------------------------- */

static void describe(const char *name, const cudrop_tensor_t *tensor) {
  fprintf(stderr, "%s: data %p, dtype %d, rank %d", name, tensor->data,
          (int)tensor->dtype, tensor->rank);
  for (int d = 0; d < tensor->rank && d < CUDROP_MAX_RANK; ++d)
    fprintf(stderr, ", %lld by %lld", (long long)tensor->shape[d],
            (long long)tensor->stride[d]);
  fprintf(stderr, "\n");
}

static void insist(bool holds, const char *what, const request_t *request) {
  if (holds) return;
  fprintf(stderr, "%s; last error: %s\n", what, cudrop_last_error());
  if (request != NULL) {
    fprintf(stderr, "%s, nulls %x, p %g, prepared %p, base %llu, index rank %d\n",
            names[request->op], request->nulls, request->mask.p,
            (const void *)request->mask.prepared,
            (unsigned long long)request->mask.index_base, request->mask.index_rank);
    describe("x", &request->x);
    describe("keep", &request->keep);
    describe("y", &request->y);
  }
  abort();
}

/* A status of a function, beside whether it was to succeed. */
static void insist_status(cudrop_status_t status, bool is_to_succeed, const char *name,
                          const request_t *request) {
  const char *text = cudrop_last_error();
  const size_t length = strlen(name);
  insist((status == CUDROP_OK) == is_to_succeed,
         is_to_succeed ? "a legal call is refused" : "an illegal call succeeds", request);
  if (status == CUDROP_OK) return;
  insist(strncmp(text, name, length) == 0 && text[length] == ':' && text[length + 1],
         "the text does not name the function", request);
}

/* ---- contexts and memory ------------------------------------------------------------------ */

enum { MOST_CONTEXTS = 4 };

static cudrop_context_t
    *contexts[MOST_CONTEXTS]; /* one a path, as far as there are any */
static int context_count;
static uint8_t *arena;           /* in the backend's memory */
static cudrop_prepared_t *block; /* likewise; of all calls */
static uint8_t before[ARENA], actual[ARENA], expected[ARENA];

static void open_contexts(void) {
  static const char *const paths[] = {"scalar", "sse2", "avx2", "avx512"};
  const cudrop_mask_t mask = cudrop_mask(0, 0, 0.0);
  void *buffer = NULL;
  for (int k = 0; k < MOST_CONTEXTS; ++k) {
    cudrop_context_t *context = NULL;
    if (suite_backend() == CUDROP_HOST) setenv("CUDROP_HOST_PATH", paths[k], 1);
    if (cudrop_create(&context, suite_backend(), 0) == CUDROP_OK)
      contexts[context_count++] = context;
    if (suite_backend() == CUDROP_CUDA) break;
  }
  unsetenv("CUDROP_HOST_PATH");
  insist(context_count > 0, "there is no context", NULL);
  insist(cudrop_alloc(contexts[0], ARENA, &buffer) == CUDROP_OK, "no memory", NULL);
  arena = buffer;
  insist(cudrop_prepared_create(contexts[0], &mask, &block) == CUDROP_OK, "no block",
         NULL);
}

static void fill(uint64_t state) {
  state = state * 2 + 1;
  for (size_t at = 0; at < ARENA; at += sizeof state) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const uint64_t special = make_special(state, false);
    memcpy(before + at, state >> 60 < 3 ? &special : &state, sizeof state);
  }
  insist(cudrop_upload(contexts[0], arena, before, ARENA) == CUDROP_OK, "upload", NULL);
}

static void fetch(uint8_t *bytes) {
  insist(cudrop_download(contexts[0], bytes, arena, ARENA) == CUDROP_OK, "download",
         NULL);
}

/* ---- calls -------------------------------------------------------------------------------- */

static cudrop_status_t call(const request_t *request, cudrop_context_t *context) {
  const unsigned nulls = request->nulls;
  cudrop_context_t *ctx = nulls & NULL_CONTEXT ? NULL : context;
  const cudrop_tensor_t *x = nulls & NULL_X ? NULL : &request->x;
  const cudrop_tensor_t *keep = nulls & NULL_KEEP ? NULL : &request->keep;
  const cudrop_tensor_t *y = nulls & NULL_Y ? NULL : &request->y;
  const cudrop_mask_t *mask = nulls & NULL_MASK ? NULL : &request->mask;
  switch (request->op) {
    case REQUEST_FORWARD:
      return cudrop_forward(ctx, x, mask, y);
    case REQUEST_BACKWARD:
      return cudrop_backward(ctx, x, mask, y);
    case REQUEST_ACCUMULATE:
      return cudrop_backward_accumulate(ctx, x, mask, y);
    case REQUEST_ALPHA_FORWARD:
      return cudrop_alpha_forward(ctx, x, mask, y);
    case REQUEST_ALPHA_BACKWARD:
      return cudrop_alpha_backward(ctx, x, mask, y);
    case REQUEST_EXPORT_BYTES:
      return cudrop_export_bytes(ctx, mask, y);
    case REQUEST_EXPORT_SCALE:
      return cudrop_export_scale(ctx, mask, y);
    case REQUEST_EXPORT_BITS: /* a NULL y: no shape */
      return cudrop_export_bits(ctx, mask, y != NULL ? y->rank : 1,
                                y != NULL ? y->shape : NULL, request->y.data);
    case REQUEST_COUNT_KEPT:
      return cudrop_count_kept(ctx, mask, request->y.rank, request->y.shape,
                               y != NULL ? y->data : NULL);
    case REQUEST_APPLY_BYTES:
      return cudrop_apply_bytes(ctx, x, keep, request->mask.p, y);
    default:
      return cudrop_apply_bits(ctx, x, keep != NULL ? keep->data : NULL, request->mask.p,
                               y);
  }
}

/* Put the mask's numbers into the block, and perhaps move its offset on. */
static void prepare(bytes_t *bytes, cudrop_context_t *context, request_t *request) {
  const bool is_aligned = take_byte(bytes) != 255;
  const unsigned moves = take_byte(bytes);
  cudrop_prepared_t *given = is_aligned ? block : (void *)((char *)block + 1);
  cudrop_mask_t value = request->mask;
  value.index_base = value.index_base / 2 % ((uint64_t)1 << 59) & ~(uint64_t)7;
  const bool is_valid = value.p >= 0.0 && value.p <= 1.0 && is_aligned;
  insist_status(cudrop_prepare(context, &value, given), is_valid, "cudrop_prepare",
                request);
  if (!is_valid) {
    insist_status(cudrop_advance(context, NULL, moves), false, "cudrop_advance", request);
    return;
  }
  insist_status(cudrop_advance(context, block, moves), true, "cudrop_advance", request);
  request->mask.prepared = block;
  request->mask.seed = 0;
  request->mask.p = moves == 255 ? 0.5 : 0.0;
  request->mask.offset = 3;
  request->mask.index_base -= value.index_base;
  request->block_base = value.index_base;
  request->drawn.offset = value.offset + moves + 3;
}

/* Member by member: between them lie bytes that mean nothing. */
static bool has_same_map(const cudrop_mask_t *a, const cudrop_mask_t *b) {
  return a->index_base == b->index_base && a->index_rank == b->index_rank &&
         memcmp(a->index_stride, b->index_stride, sizeof a->index_stride) == 0;
}

/* An index map from the functions that make them; refused, the mask is as it was. */
static void refine(bytes_t *bytes, request_t *request) {
  int64_t whole[CUDROP_MAX_RANK], start[CUDROP_MAX_RANK];
  cudrop_mask_t mask = request->mask;
  const unsigned shared = take_byte(bytes), choice = take_byte(bytes);
  for (int d = 0; d < CUDROP_MAX_RANK; ++d) {
    whole[d] = choice & 1 ? take_size(bytes) : request->y.shape[d];
    start[d] = choice & 2 ? take_size(bytes) : 0;
  }
  const int rank = choice >= 250 ? (int)choice - 253 : request->y.rank;
  const bool shares = choice & 4;
  const cudrop_status_t status =
      shares ? cudrop_mask_share(&mask, rank, whole, choice & 8 ? start : NULL, shared)
             : cudrop_mask_shard(&mask, rank, whole, choice & 8 ? NULL : start);
  insist_status(status, status == CUDROP_OK,
                shares ? "cudrop_mask_share" : "cudrop_mask_shard", request);
  if (status != CUDROP_OK)
    insist(has_same_map(&mask, &request->mask), "a mask has changed", request);
  request->mask = mask;
}

static void make_call(bytes_t *bytes) {
  const unsigned choice = take_byte(bytes);
  cudrop_context_t *context = contexts[choice % 4 % (unsigned)context_count];
  request_t request = take_request(bytes, arena);
  if (suite_backend() == CUDROP_HOST)
    insist_status(cudrop_set_threads(context, choice & 4 ? 3 : 1), true,
                  "cudrop_set_threads", &request);
  if (choice & 8) refine(bytes, &request);
  if (choice & 16 && request.op < REQUEST_APPLY_BYTES) prepare(bytes, context, &request);
  if (request.nulls & NULL_MASK && request.op < REQUEST_APPLY_BYTES)
    request.mask = request.drawn = cudrop_mask(0, 0, 0.0); /* what NULL stands for */
  fetch(before);
  const bool legal = is_legal(&request, arena);
  insist_status(call(&request, context), legal, names[request.op], &request);
  fetch(actual);
  memcpy(expected, before, ARENA);
  if (legal) expect_result(&request, arena, before, expected, actual);
  insist(memcmp(expected, actual, ARENA) == 0,
         legal ? "a result is wrong" : "a refused call has written", &request);
}

/* Rows of numbers, for the one function that takes nothing else. */
static void make_offset(bytes_t *bytes) {
  __extension__ typedef unsigned __int128 wide_t;
  uint64_t value[5], offset = 7;
  for (int k = 0; k < 5; ++k) value[k] = take_word(bytes) >> take_byte(bytes) % 64;
  const wide_t row = (wide_t)value[0] * value[1] + value[2];
  const bool is_valid = value[2] < value[1] && value[4] < value[3] && row <= UINT64_MAX &&
                        row * value[3] + value[4] <= UINT64_MAX;
  insist_status(cudrop_offset(value[0], value[1], value[2], value[3], value[4], &offset),
                is_valid, "cudrop_offset", NULL);
  insist(offset == (is_valid ? (uint64_t)row * value[3] + value[4] : 7), "offset", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { MOST_CALLS = 4 };
  bytes_t bytes = {data, size};
  if (context_count == 0) open_contexts();
  fill(take_byte(&bytes));
  for (int k = 0; k < MOST_CALLS && bytes.left > 0; ++k) make_call(&bytes);
  if (bytes.left > 0) make_offset(&bytes);
  return 0;
}
