/*
 * fuzz_rows.c - a target for libFuzzer: an input is a sequence of calls of operators on rows.
 *
 * Each call is made in every context that there is: the host on one path and one thread, on
 * another with three, and with CUDROP_TEST_BACKEND=cuda the GPU, each on an arena of its own with
 * the same bytes. All give the same status, and leave the same bytes, but for those of NaNs and for
 * the sums of section 17, which differ in the last places on a GPU; a call that is refused names
 * its function and has written nothing. What does not hold aborts.
 */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attend_call.h"
#include "suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "%s; last error: %s\n", what, cudrop_last_error());
  abort();
}

/* ---- contexts and memory ------------------------------------------------------------------ */

enum { MOST_CONTEXTS = 3 };

static struct {
  cudrop_backend_t backend;
  cudrop_context_t *context;
  uint8_t *arena; /* in its memory */
} places[MOST_CONTEXTS];
static unsigned place_count;
static uint8_t before[ARENA], first[ARENA], other[ARENA];

static void open_place(cudrop_backend_t backend, const char *path, int threads) {
  cudrop_context_t *context = NULL;
  void *buffer = NULL;
  if (path != NULL) setenv("CUDROP_HOST_PATH", path, 1);
  insist(cudrop_create(&context, backend, 0) == CUDROP_OK, "there is no context");
  unsetenv("CUDROP_HOST_PATH");
  if (backend == CUDROP_HOST)
    insist(cudrop_set_threads(context, threads) == CUDROP_OK, "no threads");
  insist(cudrop_alloc(context, ARENA, &buffer) == CUDROP_OK, "no memory");
  places[place_count].backend = backend;
  places[place_count].context = context;
  places[place_count++].arena = buffer;
}

static void open_places(void) {
  open_place(CUDROP_HOST, "scalar", 1);
  open_place(CUDROP_HOST, NULL, 3);
  if (suite_backend() == CUDROP_CUDA) open_place(CUDROP_CUDA, NULL, 0);
}

static void upload(const uint8_t *bytes) {
  for (unsigned k = 0; k < place_count; ++k)
    insist(cudrop_upload(places[k].context, places[k].arena, bytes, ARENA) == CUDROP_OK,
           "upload");
}

static uint64_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 33 ^ *state) *
         0x9e3779b97f4a7c15u; /* its low bits are worth little */
}

/* Numbers that are finite, and not large, in every type; among them in two arenas of four some
 * that are zero or subnormal, in one also others, but seldom, as all turns to NaN then. */
static void fill(uint64_t state) {
  const uint64_t kind = state % 4;
  int32_t integer = 0;
  state = state * 2 + 1;
  for (size_t at = 0; at < ARENA; at += sizeof(uint64_t)) {
    const uint64_t random = next_random(&state), choice = next_random(&state) % 64;
    uint64_t word = (random & 0x87ff87ff87ff87ff) | 0x3800380038003800;
    if (kind > 0 && choice < 16) word = make_special(random, kind < 3 || choice > 0);
    memcpy(before + at, &word, sizeof word);
  }
  for (size_t at = 0; at < INTEGERS; at += sizeof integer) {
    integer = (int32_t)(next_random(&state) >> 58) - 3;
    memcpy(before + at, &integer, sizeof integer);
  }
  upload(before);
}

static void fetch(unsigned k, uint8_t *bytes) {
  insist(cudrop_download(places[k].context, bytes, places[k].arena, ARENA) == CUDROP_OK,
         "download");
}

/* ---- calls -------------------------------------------------------------------------------- */

static cudrop_fused_t take_fused(call_t *call) {
  cudrop_fused_t fused = {.bias = take_row(call)};
  fused.activation = (cudrop_activation_t)(take_byte(&call->bytes) % 6);
  fused.mask = take_mask(call);
  return fused;
}

static cudrop_status_t fused_forward(cudrop_context_t *context, call_t *call) {
  const cudrop_tensor_t *x = take_full(call);
  const cudrop_fused_t fused = take_fused(call);
  const cudrop_fused_forward_t args = {
      .fused = &fused, .x = x, .residual = take_full(call), .y = take_full(call)};
  return cudrop_fused_forward(context, &args);
}

static cudrop_status_t fused_backward(cudrop_context_t *context, call_t *call) {
  const cudrop_tensor_t *dy = take_full(call), *x = take_full(call);
  const cudrop_fused_t fused = take_fused(call);
  cudrop_fused_backward_t args = {.fused = &fused,
                                  .dy = dy,
                                  .x = x,
                                  .dx = take_full(call),
                                  .dbias = take_row(call),
                                  .accumulate = take_byte(&call->bytes) % 5};
  args.workspace =
      take_workspace(call, cudrop_fused_backward_workspace, dy, &args.workspace_bytes);
  return cudrop_fused_backward(context, &args);
}

static cudrop_status_t norm_forward(cudrop_context_t *context, call_t *call) {
  const cudrop_tensor_t *x = take_full(call);
  cudrop_norm_t norm = {.bias = take_row(call), .mask = take_mask(call)};
  const cudrop_tensor_t *residual = take_full(call);
  norm.kind = (cudrop_norm_kind_t)(take_byte(&call->bytes) % 3);
  norm.gamma = take_row(call);
  norm.beta = take_row(call);
  norm.epsilon = take_byte(&call->bytes) < 250 ? 1e-5f : 0.0f;
  const cudrop_norm_forward_t args = {.norm = &norm,
                                      .x = x,
                                      .residual = residual,
                                      .h = take_full(call),
                                      .y = take_full(call),
                                      .mean = take_each(call),
                                      .rstd = take_each(call)};
  return cudrop_norm_forward(context, &args);
}

static cudrop_status_t norm_backward(cudrop_context_t *context, call_t *call) {
  cudrop_norm_backward_t args = {.dy = take_full(call),
                                 .dh = take_full(call),
                                 .h = take_full(call),
                                 .mean = take_each(call),
                                 .rstd = take_each(call)};
  cudrop_norm_t norm = {.gamma = take_row(call)};
  norm.kind = (cudrop_norm_kind_t)(take_byte(&call->bytes) % 3);
  norm.mask = take_mask(call);
  args.norm = &norm;
  args.dx = take_full(call);
  args.dresidual = take_full(call);
  args.dbias = take_row(call);
  args.dgamma = take_row(call);
  args.dbeta = take_row(call);
  args.accumulate = take_byte(&call->bytes) % 5;
  args.workspace = take_workspace(call, cudrop_norm_backward_workspace, args.dy,
                                  &args.workspace_bytes);
  return cudrop_norm_backward(context, &args);
}

static cudrop_status_t attention_forward(cudrop_context_t *context, call_t *call) {
  const unsigned bits = take_byte(&call->bytes);
  const cudrop_tensor_t *scores = take_full(call);
  cudrop_attention_t attention = take_attention(call, FIRST, true);
  give_bits(call, &attention, bits);
  const cudrop_attention_forward_t args = {.attention = &attention,
                                           .scores = scores,
                                           .weights = take_full(call),
                                           .y = take_full(call)};
  return cudrop_attention_forward(context, &args);
}

static cudrop_status_t attention_reapply(cudrop_context_t *context, call_t *call) {
  const cudrop_tensor_t *weights = take_full(call);
  const cudrop_attention_t attention = take_attention(call, FIRST, false);
  const cudrop_attention_reapply_t args = {
      .attention = &attention, .weights = weights, .y = take_full(call)};
  return cudrop_attention_reapply(context, &args);
}

static cudrop_status_t attention_backward(cudrop_context_t *context, call_t *call) {
  const cudrop_tensor_t *dy = take_full(call), *weights = take_full(call);
  const cudrop_attention_t attention = take_attention(call, FIRST, true);
  const cudrop_attention_backward_t args = {
      .attention = &attention, .dy = dy, .weights = weights, .dscores = take_full(call)};
  return cudrop_attention_backward(context, &args);
}

static cudrop_dtype_t take_table_dtype(call_t *call) {
  return take_byte(&call->bytes) & 1 ? CUDROP_F32 : call->dtype;
}

static cudrop_status_t embedding_forward(cudrop_context_t *context, call_t *call) {
  const unsigned counter = take_byte(&call->bytes);
  const cudrop_dtype_t dtype = take_table_dtype(call);
  const cudrop_embedding_forward_t args = {
      .ids = take(call, EACH, CUDROP_I32),
      .tokens = take(call, TABLE, dtype),
      .positions = take(call, PLACES, dtype),
      .mask = take_mask(call),
      .y = take_full(call),
      .out_of_range =
          counter < 100 ? NULL : (void *)(call->arena + INTEGERS + counter * 4)};
  return cudrop_embedding_forward(context, &args);
}

static cudrop_status_t embedding_backward(cudrop_context_t *context, call_t *call) {
  const cudrop_dtype_t dtype = take_table_dtype(call);
  cudrop_embedding_backward_t args = {
      .ids = take(call, EACH, CUDROP_I32),
      .dy = take_full(call),
      .mask = take_mask(call),
      .dtokens = take(call, TABLE, dtype),
      .dpositions = take(call, PLACES, dtype),
      .vocabulary = take_byte(&call->bytes) % 2 == 0 ? 29 : 0,
      .accumulate = take_byte(&call->bytes) % 5};
  args.workspace = take_workspace(call, cudrop_embedding_backward_workspace, args.dy,
                                  &args.workspace_bytes);
  return cudrop_embedding_backward(context, &args);
}

static const struct {
  const char *name;
  cudrop_status_t (*run)(cudrop_context_t *context, call_t *call);
} operators[] = {
    {"cudrop_fused_forward", fused_forward},
    {"cudrop_fused_backward", fused_backward},
    {"cudrop_norm_forward", norm_forward},
    {"cudrop_norm_backward", norm_backward},
    {"cudrop_attention_forward", attention_forward},
    {"cudrop_attention_reapply", attention_reapply},
    {"cudrop_attention_backward", attention_backward},
    {"cudrop_embedding_forward", embedding_forward},
    {"cudrop_embedding_backward", embedding_backward},
    {"cudrop_attend_forward", attend_forward},
    {"cudrop_attend_backward", attend_backward},
};
enum { OPERATORS = sizeof operators / sizeof operators[0], OLDER = OPERATORS - 2 };

/* Inputs that were found before there was attend mean what they meant: only the last values of the
 * byte are its. */
static unsigned take_operator(bytes_t *bytes) {
  const unsigned byte = take_byte(bytes);
  return byte < 256 / OLDER * OLDER - OLDER * 2 ? byte % OLDER : OLDER + byte % 2;
}

/* The shape that the tensors follow, and their type. */
static void take_shape(call_t *call) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16, CUDROP_BF16};
  const unsigned choice = take_byte(&call->bytes);
  call->rank = (int)(choice % 4 == 3 ? 2 : 1 + choice % 4);
  if (choice == 255) call->rank = 0;
  call->dtype = dtypes[choice / 4 % 3];
  for (int d = 0; d < call->rank; ++d)
    call->shape[d] = (int64_t)(take_byte(&call->bytes) % (d == call->rank - 1 ? 70 : 9));
  if (choice >= 250 && call->rank > 0) call->shape[call->rank - 1] = 2100;
}

/* What follows in the input as a call in one context, and the bytes of its arena. */
static cudrop_status_t make_call(unsigned k, const bytes_t *from, call_t *call,
                                 uint8_t *arena) {
  *call = (call_t){.bytes = *from, .arena = places[k].arena};
  const unsigned op = take_operator(&call->bytes);
  take_shape(call);
  const cudrop_status_t status = operators[op].run(places[k].context, call);
  const char *text = cudrop_last_error(), *name = operators[op].name;
  if (status != CUDROP_OK)
    insist(strncmp(text, name, strlen(name)) == 0, "the text does not name the function");
  fetch(k, arena);
  if (status == CUDROP_OK) memset(arena + WORKSPACE, 0, call->workspace);
  return status;
}

/* NaNs of the type, and of F32 vectors beside it, as which a tensor reads bytes. */
static bool is_nan(cudrop_dtype_t dtype, const uint8_t *at) {
  const unsigned infinity = dtype == CUDROP_F16 ? 0x7c00 : 0x7f80;
  uint32_t word = 0;
  memcpy(&word, at, dtype == CUDROP_F32 ? 4 : 2);
  return dtype == CUDROP_F32 ? (word & 0x7fffffff) > 0x7f800000
                             : (word & 0x7fff) > infinity;
}

static bool are_equal(cudrop_dtype_t dtype, const uint8_t *a, const uint8_t *b) {
  if (memcmp(a, b, 4) == 0 || (is_nan(CUDROP_F32, a) && is_nan(CUDROP_F32, b)))
    return true;
  if (dtype == CUDROP_F32) return false;
  for (int half = 0; half < 4; half += 2)
    if (memcmp(a + half, b + half, 2) != 0 &&
        !(is_nan(dtype, a + half) && is_nan(dtype, b + half)))
      return false;
  return true;
}

/* A call in another context has left what it did in the first, but for the bits of NaNs. */
static void compare(const bytes_t *from) {
  call_t call = {.bytes = *from};
  const char *name = operators[take_operator(&call.bytes)].name;
  take_shape(&call);
  for (size_t at = 0; at < ARENA; at += 4) {
    if (are_equal(call.dtype, first + at, other + at)) continue;
    fprintf(stderr,
            "%s, dtype %d, %d columns, byte %zu: %02x%02x%02x%02x, %02x%02x%02x%02x\n",
            name, (int)call.dtype, (int)call.shape[call.rank > 0 ? call.rank - 1 : 0], at,
            first[at + 3], first[at + 2], first[at + 1], first[at], other[at + 3],
            other[at + 2], other[at + 1], other[at]);
    insist(false, "contexts give different bytes");
  }
}

static void make_calls(bytes_t *bytes) {
  call_t call;
  fetch(0, before);
  const cudrop_status_t status = make_call(0, bytes, &call, first);
  if (status != CUDROP_OK)
    insist(memcmp(first, before, ARENA) == 0, "a refused call has written");
  else
    insist(attend_kept_to_outputs(&call, before, first), "other bytes are written");
  for (unsigned k = 1; k < place_count; ++k) {
    insist(make_call(k, bytes, &call, other) == status,
           "contexts give different statuses");
    if (memcmp(first, other, ARENA) == 0) continue;
    if (places[k].backend == CUDROP_HOST || call.heads.q == NULL) {
      compare(bytes);
    } else {
      insist(attend_kept_to_outputs(&call, before, other), "other bytes are written");
      insist(attend_is_near(&call, before, first, other), "contexts differ by too much");
    }
  }
  upload(first); /* without what workspaces were left with */
  *bytes = call.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { MOST_CALLS = 3 };
  bytes_t bytes = {data, size};
  if (place_count == 0) open_places();
  fill(take_byte(&bytes));
  for (int k = 0; k < MOST_CALLS && bytes.left > 0; ++k) make_calls(&bytes);
  return 0;
}
