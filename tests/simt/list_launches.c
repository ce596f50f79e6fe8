/*
 * list_launches.c - what the library launches for calls of real sizes, for tests/executed.py.
 *
 * Nothing runs: the emulator shows the launches (watch.h). Lines:
 *
 *   case OPERATOR TYPE ELEMENTS     a call; those of its launches follow
 *   launch KERNEL GRID BLOCK BYTES  where the kernel lies in this program, and its arguments
 *   memory ADDRESS BYTES            what a kernel may read that decides its way, ids
 *
 * 16,384 rows of 1,024, p = 0.1, the mask drawn, a GPU of 132 multiprocessors. Elements of a
 * dense operator are as many that every thread has 4 packs. Those of attend are scores.
 */
#include <cuda_runtime_api.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cudrop/cudrop.h"
#include "fake_cudart.h"
#include "watch.h"

extern const char __executable_start; /* where this program begins; of the linker */

enum { COLS = 1024, ROWS = 16384, VOCABULARY = 8192, HEADS = 16, MULTIPROCESSORS = 132 };

static const struct {
  cudrop_dtype_t dtype;
  const char *name;
  int bytes;
} types[] = {{CUDROP_BF16, "bf16", 2},     {CUDROP_F16, "f16", 2},
             {CUDROP_F32, "f32", 4},       {CUDROP_F64, "f64", 8},
             {CUDROP_F8E4M3, "f8e4m3", 1}, {CUDROP_F8E5M2, "f8e5m2", 1}};
enum { TYPES = sizeof types / sizeof types[0], ROW_TYPES = 3 };

static cudrop_context_t *context;
static cudrop_mask_t mask;

static void check(cudrop_status_t status) {
  if (status == CUDROP_OK) return;
  fprintf(stderr, "list_launches: %s\n", cudrop_last_error());
  exit(1);
}

static void print_bytes(const void *data, size_t bytes) {
  static const char digits[] = "0123456789abcdef";
  for (size_t k = 0; k < bytes; ++k) {
    putchar(digits[((const unsigned char *)data)[k] >> 4]);
    putchar(digits[((const unsigned char *)data)[k] & 15]);
  }
  putchar('\n');
}

static bool print_launch(const simt_launch_t *launch) {
  printf("launch %#zx %u,%u,%u %u ",
         (size_t)((const char *)launch->kernel - &__executable_start), launch->grid[0],
         launch->grid[1], launch->grid[2],
         launch->block[0] * launch->block[1] * launch->block[2]);
  print_bytes(launch->arguments, launch->bytes);
  return false;
}

static void begin(const char *name, int type, int64_t elements) {
  printf("case %s %s %lld\n", name, types[type].name, (long long)elements);
}

/* Memory of the device, of which nothing is read. */
static void *take(size_t bytes) {
  void *buffer = NULL;
  check(cudrop_alloc(context, bytes, &buffer));
  return buffer;
}

/* A matrix of its own in the n-th of some buffers, which hold as much as F32 needs. */
static cudrop_tensor_t get_matrix(int n, cudrop_dtype_t dtype) {
  static void *buffer[5];
  if (buffer[n] == NULL) buffer[n] = take((size_t)ROWS * COLS * sizeof(float));
  return cudrop_matrix(buffer[n], dtype, ROWS, COLS);
}

static cudrop_tensor_t get_vector(int n, cudrop_dtype_t dtype, int64_t length) {
  static void *buffer[7];
  if (buffer[n] == NULL) buffer[n] = take(ROWS * sizeof(float));
  return cudrop_vector(buffer[n], dtype, length);
}

static void *get_workspace(size_t bytes) {
  static void *workspace;
  static const size_t most = (size_t)64 << 20;
  if (workspace == NULL) workspace = take(most);
  if (bytes > most) {
    fprintf(stderr, "list_launches: a workspace of %zu bytes\n", bytes);
    exit(1);
  }
  return workspace;
}

/* ---- Elementwise ------------------------------------------------------------------------- */

static void list_elementwise(int type) {
  static void *x, *y;
  const int64_t pack = types[type].bytes == 1 ? 16 : 8;
  const int64_t n = (int64_t)MULTIPROCESSORS * 32 * 256 * 4 * pack;
  if (x == NULL) {
    x = take((size_t)n * 8);
    y = take((size_t)n * 8);
  }
  const cudrop_tensor_t from = cudrop_vector(x, types[type].dtype, n);
  const cudrop_tensor_t to = cudrop_vector(y, types[type].dtype, n);
  begin("forward", type, n);
  check(cudrop_forward(context, &from, &mask, &to));
  begin("apply_bits", type, n);
  check(cudrop_apply_bits(context, &from, get_workspace((size_t)n / 8), 0.1, &to));
  if (pack == 16) return;
  begin("alpha_forward", type, n);
  check(cudrop_alpha_forward(context, &from, &mask, &to));
  begin("accumulate", type, n);
  check(cudrop_backward_accumulate(context, &from, &mask, &to));
}

/* ---- On rows ----------------------------------------------------------------------------- */

static const char *const activations[] = {"none", "relu", "gelu", "gelu_tanh", "silu"};

static void list_fused(int type, int activation) {
  const cudrop_dtype_t dtype = types[type].dtype;
  const cudrop_tensor_t x = get_matrix(0, dtype), residual = get_matrix(1, dtype);
  const cudrop_tensor_t y = get_matrix(2, dtype);
  const cudrop_tensor_t bias = get_vector(0, dtype, COLS),
                        dbias = get_vector(1, dtype, COLS);
  const cudrop_fused_t fused = {
      .bias = &bias, .activation = (cudrop_activation_t)activation, .mask = &mask};
  size_t bytes = 0;
  char name[64];
  snprintf(name, sizeof name, "fused_forward/%s", activations[activation]);
  begin(name, type, (int64_t)ROWS * COLS);
  check(cudrop_fused_forward(
      context, &(cudrop_fused_forward_t){
                   .fused = &fused, .x = &x, .residual = &residual, .y = &y}));
  check(cudrop_fused_backward_workspace(ROWS, COLS, &bytes));
  snprintf(name, sizeof name, "fused_backward/%s", activations[activation]);
  begin(name, type, (int64_t)ROWS * COLS);
  check(cudrop_fused_backward(
      context, &(cudrop_fused_backward_t){.fused = &fused,
                                          .dy = &residual,
                                          .x = activation == CUDROP_IDENTITY ? NULL : &x,
                                          .dx = &y,
                                          .dbias = &dbias,
                                          .workspace = get_workspace(bytes),
                                          .workspace_bytes = bytes}));
}

static void list_norm(int type, bool is_rms) {
  const cudrop_dtype_t dtype = types[type].dtype;
  const cudrop_tensor_t a = get_matrix(0, dtype), b = get_matrix(1, dtype);
  const cudrop_tensor_t c = get_matrix(2, dtype), d = get_matrix(3, dtype);
  const cudrop_tensor_t e = get_matrix(4, dtype);
  const cudrop_tensor_t bias = get_vector(0, dtype, COLS),
                        gamma = get_vector(1, dtype, COLS);
  const cudrop_tensor_t beta = get_vector(2, dtype, COLS);
  const cudrop_tensor_t dgamma = get_vector(5, dtype, COLS),
                        dbeta = get_vector(6, dtype, COLS);
  const cudrop_tensor_t mean = get_vector(3, CUDROP_F32, ROWS);
  const cudrop_tensor_t rstd = get_vector(4, CUDROP_F32, ROWS);
  const cudrop_norm_t forward = {.bias = &bias,
                                 .epsilon = 1e-5f,
                                 .kind = is_rms ? CUDROP_RMS_NORM : CUDROP_LAYER_NORM,
                                 .gamma = &gamma,
                                 .beta = is_rms ? NULL : &beta,
                                 .mask = &mask};
  cudrop_norm_t backward = forward;
  size_t bytes = 0;
  backward.bias = backward.beta = NULL;
  begin(is_rms ? "norm_forward/rms" : "norm_forward", type, (int64_t)ROWS * COLS);
  check(
      cudrop_norm_forward(context, &(cudrop_norm_forward_t){.norm = &forward,
                                                            .x = &a,
                                                            .residual = &b,
                                                            .h = &c,
                                                            .y = &d,
                                                            .mean = is_rms ? NULL : &mean,
                                                            .rstd = &rstd}));
  check(cudrop_norm_backward_workspace(ROWS, COLS, &bytes));
  begin(is_rms ? "norm_backward/rms" : "norm_backward", type, (int64_t)ROWS * COLS);
  check(cudrop_norm_backward(context,
                             &(cudrop_norm_backward_t){.norm = &backward,
                                                       .dy = &a,
                                                       .dh = &b,
                                                       .h = &c,
                                                       .mean = is_rms ? NULL : &mean,
                                                       .rstd = &rstd,
                                                       .dx = &d,
                                                       .dresidual = &e,
                                                       .dbias = &bias,
                                                       .dgamma = &dgamma,
                                                       .dbeta = is_rms ? NULL : &dbeta,
                                                       .workspace = get_workspace(bytes),
                                                       .workspace_bytes = bytes}));
}

static void list_attention(int type) {
  const cudrop_dtype_t dtype = types[type].dtype;
  const cudrop_tensor_t a = get_matrix(0, dtype), b = get_matrix(1, dtype);
  const cudrop_tensor_t c = get_matrix(2, dtype);
  const cudrop_attention_t attention = {.scale = 0.125f, .mask = &mask};
  begin("attention_forward", type, (int64_t)ROWS * COLS);
  check(cudrop_attention_forward(
      context, &(cudrop_attention_forward_t){
                   .attention = &attention, .scores = &a, .weights = &b, .y = &c}));
  begin("attention_reapply", type, (int64_t)ROWS * COLS);
  check(cudrop_attention_reapply(
      context,
      &(cudrop_attention_reapply_t){.attention = &attention, .weights = &b, .y = &c}));
  begin("attention_backward", type, (int64_t)ROWS * COLS);
  check(cudrop_attention_backward(
      context, &(cudrop_attention_backward_t){
                   .attention = &attention, .dy = &a, .weights = &b, .dscores = &c}));
}

/* The memory of `bytes` from `data` on, as far as somebody has written to it. */
static void print_memory(const void *data, size_t bytes) {
  enum { LINE = 1024, POISON = 0xca };
  static unsigned char poison[LINE];
  memset(poison, POISON, LINE);
  for (size_t at = 0; at < bytes; at += LINE) {
    const char *const from = (const char *)data + at;
    const size_t n = bytes - at < LINE ? bytes - at : LINE;
    if (memcmp(from, poison, n) == 0) continue;
    printf("memory %p ", (const void *)from);
    print_bytes(from, n);
  }
}

/* What a call of embedding backward has for a workspace, which later launches read. */
static struct {
  void *data;
  size_t bytes;
} workspace;

/* What has a thread for an id runs, so that its list is there; what has more does not. */
static bool run_sorts(const simt_launch_t *launch) {
  if (launch->grid[0] * launch->block[0] <= ROWS) return true;
  print_memory(workspace.data, workspace.bytes);
  return print_launch(launch);
}

/* Ids in no order, each of the vocabulary twice. */
static int32_t *get_ids(void) {
  static int32_t *ids;
  if (ids != NULL) return ids;
  ids = take(ROWS * sizeof *ids);
  for (int k = 0; k < ROWS; ++k)
    ids[k] = (int32_t)((uint32_t)k * 2654435761u % VOCABULARY);
  print_memory(ids, ROWS * sizeof *ids);
  return ids;
}

static void list_embedding(int type) {
  const int64_t sentences[] = {ROWS / COLS, COLS}, all[] = {ROWS / COLS, COLS, COLS};
  const cudrop_dtype_t dtype = types[type].dtype;
  const cudrop_tensor_t ids = cudrop_tensor(get_ids(), CUDROP_I32, 2, sentences);
  const cudrop_tensor_t tokens =
      cudrop_matrix(get_matrix(0, dtype).data, dtype, VOCABULARY, COLS);
  const cudrop_tensor_t positions =
      cudrop_matrix(get_matrix(1, dtype).data, dtype, COLS, COLS);
  const cudrop_tensor_t y = cudrop_tensor(get_matrix(2, dtype).data, dtype, 3, all);
  begin("embedding_forward", type, (int64_t)ROWS * COLS);
  check(cudrop_embedding_forward(context,
                                 &(cudrop_embedding_forward_t){.ids = &ids,
                                                               .tokens = &tokens,
                                                               .positions = &positions,
                                                               .mask = &mask,
                                                               .y = &y}));
  check(cudrop_embedding_backward_workspace(ROWS, COLS, &workspace.bytes));
  workspace.data = get_workspace(workspace.bytes);
  simt_watch(run_sorts);
  begin("embedding_backward", type, (int64_t)ROWS * COLS);
  check(cudrop_embedding_backward(
      context, &(cudrop_embedding_backward_t){.ids = &ids,
                                              .dy = &y,
                                              .mask = &mask,
                                              .dtokens = &tokens,
                                              .dpositions = &positions,
                                              .workspace = workspace.data,
                                              .workspace_bytes = workspace.bytes}));
  simt_watch(print_launch);
}

/* ---- Attention without a matrix ---------------------------------------------------------- */

static void list_attend(int type, int cols) {
  const int64_t shape[] = {HEADS, COLS, cols};
  const cudrop_dtype_t dtype = types[type].dtype;
  cudrop_tensor_t tensor[8];
  const int64_t rows = (int64_t)HEADS * COLS;
  const int64_t queries[] = {HEADS, COLS};
  const cudrop_tensor_t lse =
      cudrop_tensor(get_vector(3, CUDROP_F32, rows).data, CUDROP_F32, 2, queries);
  const cudrop_attention_t attention = {.scale = 0.125f, .mask = &mask};
  size_t bytes = 0;
  char name[64];
  for (int k = 0; k < 8; ++k) {
    char *const buffer = (char *)get_matrix(k / 2, dtype).data;
    tensor[k] = cudrop_tensor(buffer + (size_t)(k % 2) * ROWS * COLS, dtype, 3, shape);
  }
  snprintf(name, sizeof name, "attend_forward/%d", cols);
  begin(name, type, rows * COLS);
  check(cudrop_attend_forward(context, &(cudrop_attend_forward_t){.attention = &attention,
                                                                  .q = &tensor[0],
                                                                  .k = &tensor[1],
                                                                  .v = &tensor[2],
                                                                  .o = &tensor[3],
                                                                  .lse = &lse}));
  check(cudrop_attend_backward_workspace(rows, cols, &bytes));
  snprintf(name, sizeof name, "attend_backward/%d", cols);
  begin(name, type, rows * COLS);
  check(cudrop_attend_backward(
      context, &(cudrop_attend_backward_t){.attention = &attention,
                                           .q = &tensor[0],
                                           .k = &tensor[1],
                                           .v = &tensor[2],
                                           .o = &tensor[3],
                                           .lse = &lse,
                                           .dout = &tensor[4],
                                           .dq = &tensor[5],
                                           .dk = &tensor[6],
                                           .dv = &tensor[7],
                                           .workspace = get_workspace(bytes),
                                           .workspace_bytes = bytes}));
}

int main(void) {
  fake_cuda_set_attribute(cudaDevAttrMultiProcessorCount, MULTIPROCESSORS);
  check(cudrop_create(&context, CUDROP_CUDA, 0));
  mask = cudrop_mask(42, 7, 0.1);
  simt_watch(print_launch);
  for (int t = 0; t < TYPES; ++t) list_elementwise(t);
  for (int t = 0; t < ROW_TYPES; ++t) {
    for (int a = 0; a < 5; ++a) list_fused(t, a);
    for (int k = 0; k < 2; ++k) list_norm(t, k == 1);
    list_attention(t);
    list_embedding(t);
    for (int cols = 64; cols <= 128; cols *= 2)
      if (types[t].bytes == 2) list_attend(t, cols);
  }
  simt_watch(NULL);
  check(cudrop_destroy(&context));
  fake_cuda_reset();
  return 0;
}
