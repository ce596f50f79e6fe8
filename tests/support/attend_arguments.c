/* attend_arguments.c - arguments of section 17, and what becomes of them. */
#include "attend_arguments.h"

#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "view.h"

static const char *const functions[CALLS] = {"cudrop_attend_forward",
                                             "cudrop_attend_backward"};

void give_bits(arguments_t *a) {
  a->attention.mask = NULL;
  a->attention.bits = a->bits;
  a->attention.p = 0.5;
}
cudrop_status_t make_call(const arguments_t *a, call_t call) {
  return call == FORWARD ? cudrop_attend_forward(a->context, &a->forward)
                         : cudrop_attend_backward(a->context, &a->backward);
}

enum { TENSORS = 12, EACH = 2048 };
static _Alignas(16) float memory[TENSORS][EACH];
static float before[TENSORS][EACH];

void make_arguments(arguments_t *a, cudrop_context_t *context) {
  static const int64_t q[] = {BATCH, HEADS, QUERIES, D}, k[] = {BATCH, SHARED, KEYS, D};
  memset(memory, VIEW_POISON, sizeof memory);
  memcpy(before, memory, sizeof memory);
  *a = (arguments_t){.context = context,
                     .q = cudrop_tensor(memory[0], CUDROP_F32, RANK, q),
                     .k = cudrop_tensor(memory[1], CUDROP_F32, RANK, k),
                     .v = cudrop_tensor(memory[2], CUDROP_F32, RANK, k),
                     .o = cudrop_tensor(memory[3], CUDROP_F32, RANK, q),
                     .lse = cudrop_tensor(memory[4], CUDROP_F32, RANK - 1, q),
                     .dout = cudrop_tensor(memory[5], CUDROP_F32, RANK, q),
                     .dq = cudrop_tensor(memory[6], CUDROP_F32, RANK, q),
                     .dk = cudrop_tensor(memory[7], CUDROP_F32, RANK, k),
                     .dv = cudrop_tensor(memory[8], CUDROP_F32, RANK, k),
                     .lengths = cudrop_vector(memory[9], CUDROP_I32, BATCH),
                     .mask = cudrop_mask(1, 2, 0.5),
                     .bits = memory[10]};
  a->attention = (cudrop_attention_t){.lengths = &a->lengths, .mask = &a->mask};
  a->forward = (cudrop_attend_forward_t){.attention = &a->attention,
                                         .q = &a->q,
                                         .k = &a->k,
                                         .v = &a->v,
                                         .o = &a->o,
                                         .lse = &a->lse};
  a->backward = (cudrop_attend_backward_t){.attention = &a->attention,
                                           .q = &a->q,
                                           .k = &a->k,
                                           .v = &a->v,
                                           .o = &a->o,
                                           .lse = &a->lse,
                                           .dout = &a->dout,
                                           .dq = &a->dq,
                                           .dk = &a->dk,
                                           .dv = &a->dv,
                                           .workspace = memory[11]};
  ck_assert_ok(cudrop_attend_backward_workspace(ROWS, D, &a->backward.workspace_bytes));
}

void expect_refused(const arguments_t *a, call_t call, cudrop_status_t status,
                    const char *rule) {
  char text[200];
  ck_assert_str_eq(cudrop_status_name(make_call(a, call)), cudrop_status_name(status));
  snprintf(text, sizeof text, "%s: %s", functions[call], rule);
  ck_assert_str_eq(cudrop_last_error(), text);
  ck_assert_mem_eq(memory, before, sizeof memory);
}
