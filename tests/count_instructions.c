/*
 * count_instructions.c - calls of the host backend for callgrind to count: each on N and on 2 N
 * elements, so that what an element takes is the difference, and the cost of a call is not in it.
 *
 * Every call ends with a dump of what it took, under the name "OPERATOR DTYPE N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "cudrop/cudrop.h"

enum { N = 1 << 14, COLS = 1024 };

typedef struct {
  cudrop_context_t *context;
  cudrop_dtype_t dtype;
  int64_t n;
  cudrop_mask_t mask;
} call_t;

static uint32_t memory[4][2 * N * 2]; /* also of F64 */
static uint8_t bits[2 * N / 8];
static float statistics[2][2 * N / COLS], sums[2][COLS];
static _Alignas(16) uint8_t workspace[1 << 21];

static cudrop_tensor_t vector(const call_t *call, int k) {
  return cudrop_vector(memory[k], call->dtype, call->n);
}
static cudrop_tensor_t matrix(const call_t *call, int k) {
  return cudrop_matrix(memory[k], call->dtype, call->n / COLS, COLS);
}

/* ---- Calls ------------------------------------------------------------------------ */

static cudrop_status_t forward(const call_t *call) {
  const cudrop_tensor_t x = vector(call, 0), y = vector(call, 1);
  return cudrop_forward(call->context, &x, &call->mask, &y);
}
static cudrop_status_t accumulate(const call_t *call) {
  const cudrop_tensor_t x = vector(call, 0), y = vector(call, 1);
  return cudrop_backward_accumulate(call->context, &x, &call->mask, &y);
}
static cudrop_status_t alpha(const call_t *call) {
  const cudrop_tensor_t x = vector(call, 0), y = vector(call, 1);
  return cudrop_alpha_forward(call->context, &x, &call->mask, &y);
}
static cudrop_status_t export_bits(const call_t *call) {
  return cudrop_export_bits(call->context, &call->mask, 1, &call->n, bits);
}
static cudrop_status_t apply_bits(const call_t *call) {
  const cudrop_tensor_t x = vector(call, 0), y = vector(call, 1);
  return cudrop_apply_bits(call->context, &x, bits, 0.1, &y);
}
/* What forward and backward share. */
static cudrop_fused_t make_fused(const call_t *call, const cudrop_tensor_t *bias) {
  return (cudrop_fused_t){.activation = CUDROP_GELU, .bias = bias, .mask = &call->mask};
}
static cudrop_norm_t make_norm(const call_t *call, const cudrop_tensor_t *gamma) {
  return (cudrop_norm_t){.epsilon = 1e-5f, .gamma = gamma, .mask = &call->mask};
}

static cudrop_status_t fused(const call_t *call) {
  const cudrop_tensor_t x = matrix(call, 0), y = matrix(call, 1), r = matrix(call, 2);
  const cudrop_tensor_t bias = cudrop_vector(memory[3], call->dtype, COLS);
  const cudrop_fused_t shared = make_fused(call, &bias);
  const cudrop_fused_forward_t args = {
      .fused = &shared, .x = &x, .residual = &r, .y = &y};
  return cudrop_fused_forward(call->context, &args);
}
static cudrop_status_t norm(const call_t *call) {
  const cudrop_tensor_t x = matrix(call, 0), y = matrix(call, 1), r = matrix(call, 2);
  const cudrop_norm_t shared = make_norm(call, NULL);
  const cudrop_norm_forward_t args = {.norm = &shared, .x = &x, .residual = &r, .y = &y};
  return cudrop_norm_forward(call->context, &args);
}
static cudrop_status_t attention(const call_t *call) {
  const cudrop_tensor_t scores = matrix(call, 0), y = matrix(call, 1);
  const cudrop_attention_t attended = {.scale = 0.125f, .mask = &call->mask};
  const cudrop_attention_forward_t args = {
      .attention = &attended, .scores = &scores, .y = &y};
  return cudrop_attention_forward(call->context, &args);
}
static cudrop_status_t embedding(const call_t *call) {
  static int32_t numbers[2 * N / COLS];
  for (int k = 0; k < 2 * N / COLS; ++k) numbers[k] = k * 37 % (N / COLS);
  const cudrop_tensor_t ids = cudrop_vector(numbers, CUDROP_I32, call->n / COLS);
  const cudrop_tensor_t tokens = cudrop_matrix(memory[0], call->dtype, N / COLS, COLS);
  const cudrop_tensor_t y = matrix(call, 1);
  const cudrop_embedding_forward_t args = {
      .ids = &ids, .tokens = &tokens, .mask = &call->mask, .y = &y};
  return cudrop_embedding_forward(call->context, &args);
}

/* Backward: dy, what it needs, dx, and the sums that a training asks for. */
static cudrop_status_t fused_backward(const call_t *call) {
  const cudrop_tensor_t dy = matrix(call, 0), x = matrix(call, 1), dx = matrix(call, 2);
  const cudrop_tensor_t bias = cudrop_vector(memory[3], call->dtype, COLS);
  const cudrop_tensor_t dbias = cudrop_vector(sums[0], CUDROP_F32, COLS);
  const cudrop_fused_t shared = make_fused(call, &bias);
  const cudrop_fused_backward_t args = {.fused = &shared,
                                        .dy = &dy,
                                        .x = &x,
                                        .dx = &dx,
                                        .dbias = &dbias,
                                        .workspace = workspace,
                                        .workspace_bytes = sizeof workspace};
  return cudrop_fused_backward(call->context, &args);
}
static cudrop_status_t norm_backward(const call_t *call) {
  const cudrop_tensor_t dy = matrix(call, 0), h = matrix(call, 1), dx = matrix(call, 2);
  const cudrop_tensor_t mean = cudrop_vector(statistics[0], CUDROP_F32, call->n / COLS);
  const cudrop_tensor_t rstd = cudrop_vector(statistics[1], CUDROP_F32, call->n / COLS);
  const cudrop_tensor_t gamma = cudrop_vector(memory[3], call->dtype, COLS);
  const cudrop_tensor_t dgamma = cudrop_vector(sums[0], CUDROP_F32, COLS);
  const cudrop_tensor_t dbeta = cudrop_vector(sums[1], CUDROP_F32, COLS);
  const cudrop_norm_t shared = make_norm(call, &gamma);
  const cudrop_norm_backward_t args = {.norm = &shared,
                                       .dy = &dy,
                                       .h = &h,
                                       .mean = &mean,
                                       .rstd = &rstd,
                                       .dx = &dx,
                                       .dgamma = &dgamma,
                                       .dbeta = &dbeta,
                                       .workspace = workspace,
                                       .workspace_bytes = sizeof workspace};
  return cudrop_norm_backward(call->context, &args);
}
static cudrop_status_t attention_backward(const call_t *call) {
  const cudrop_tensor_t dy = matrix(call, 0), p = matrix(call, 1), ds = matrix(call, 2);
  const cudrop_attention_t attended = {.scale = 0.125f, .mask = &call->mask};
  const cudrop_attention_backward_t args = {
      .attention = &attended, .dy = &dy, .weights = &p, .dscores = &ds};
  return cudrop_attention_backward(call->context, &args);
}

static const struct {
  const char *name;
  cudrop_dtype_t dtype;
} dtypes[] = {{"F32", CUDROP_F32}, {"BF16", CUDROP_BF16}, {"F16", CUDROP_F16}};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

static const struct {
  const char *name;
  cudrop_status_t (*make)(const call_t *call);
  size_t dtypes; /* of the first types; bits have none */
} calls[] = {
    {"forward", forward, DTYPES},
    {"accumulate", accumulate, DTYPES},
    {"alpha_forward", alpha, DTYPES},
    {"export_bits", export_bits, 1},
    {"apply_bits", apply_bits, DTYPES},
    {"fused_forward", fused, DTYPES},
    {"fused_backward", fused_backward, DTYPES},
    {"norm_forward", norm, DTYPES},
    {"norm_backward", norm_backward, DTYPES},
    {"attention_forward", attention, DTYPES},
    {"attention_backward", attention_backward, DTYPES},
    {"embedding_forward", embedding, DTYPES},
};

/* Values between 1/2 and 2 of both signs, in each of the types. */
static void fill(void) {
  uint32_t state = 1;
  for (size_t k = 0; k < 4; ++k) {
    uint16_t *halves = (uint16_t *)memory[k];
    for (size_t e = 0; e < 2 * (sizeof memory[k] / sizeof memory[k][0]); ++e) {
      state = state * 1664525u + 1013904223u;
      halves[e] = (uint16_t)((state >> 16 & 0x83ff) | 0x3c00);
    }
  }
}

int main(void) {
  char name[64];
  call_t call = {.mask = cudrop_mask(1, 2, 0.1)};
  if (cudrop_create(&call.context, CUDROP_HOST, 0) != CUDROP_OK) {
    fprintf(stderr, "%s\n", cudrop_last_error());
    return EXIT_FAILURE;
  }
  for (size_t c = 0; c < sizeof calls / sizeof calls[0]; ++c) {
    for (size_t d = 0; d < calls[c].dtypes; ++d) {
      call.dtype = dtypes[d].dtype;
      for (call.n = N; call.n <= 2 * N; call.n += N) {
        fill();
        snprintf(name, sizeof name, "%s %s %d", calls[c].name, dtypes[d].name,
                 (int)call.n);
        CALLGRIND_ZERO_STATS;
        const cudrop_status_t status = calls[c].make(&call);
        CALLGRIND_DUMP_STATS_AT(name);
        if (status != CUDROP_OK) {
          fprintf(stderr, "%s: %s\n", name, cudrop_last_error());
          return EXIT_FAILURE;
        }
      }
    }
  }
  return cudrop_destroy(&call.context) == CUDROP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
