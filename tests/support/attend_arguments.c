/* attend_arguments.c - arguments of section 17, and what becomes of them. */
#include "attend_arguments.h"

#include "suite.h"

static cudrop_status_t call_forward(const arguments_t *a) {
  return cudrop_attend_forward(a->context, &a->forward);
}
static cudrop_status_t call_backward(const arguments_t *a) {
  return cudrop_attend_backward(a->context, &a->backward);
}

const call_t attend_calls[CALLS] = {
    [FORWARD] = {"cudrop_attend_forward", call_forward},
    [BACKWARD] = {"cudrop_attend_backward", call_backward},
};

void give_bits(arguments_t *a) {
  a->attention.mask = NULL;
  a->attention.bits = a->bits;
  a->attention.p = 0.5;
}

void make_arguments(arguments_t *a, cudrop_context_t *context) {
  static const int64_t q[] = {BATCH, HEADS, QUERIES, D}, k[] = {BATCH, SHARED, KEYS, D};
  float(*const memory)[RULES_FLOATS] = rules_memory;
  rules_poison();
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

void move_arguments(arguments_t *a, void *memory) {
  void **const places[] = {&a->q.data,       &a->k.data,   &a->v.data,
                           &a->o.data,       &a->lse.data, &a->dout.data,
                           &a->dq.data,      &a->dk.data,  &a->dv.data,
                           &a->lengths.data, &a->bits,     &a->backward.workspace};
  for (size_t k = 0; k < sizeof places / sizeof places[0]; ++k)
    *places[k] = (char *)memory + ((char *)*places[k] - (char *)rules_memory);
}
