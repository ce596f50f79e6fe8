/*
 * attend_arguments.h - arguments of both calls of section 17 that are right until a rule spoils
 * them.
 *
 * All tensors are F32, in rules_memory.
 */
#ifndef CUDROP_ATTEND_ARGUMENTS_H
#define CUDROP_ATTEND_ARGUMENTS_H

#include "rules.h"

enum { BATCH = 3, HEADS = 4, SHARED = 2, QUERIES = 5, KEYS = 9, D = 8, RANK = 4 };
enum { SCORES = BATCH * HEADS * QUERIES * KEYS, ROWS = BATCH * HEADS * QUERIES };

struct arguments {
  cudrop_context_t *context;
  cudrop_tensor_t q, k, v, o, lse, dout, dq, dk, dv, lengths;
  cudrop_mask_t mask;
  void *bits; /* that could be there */
  cudrop_attention_t attention;
  cudrop_attend_forward_t forward;
  cudrop_attend_backward_t backward;
};

enum { FORWARD, BACKWARD, CALLS };
extern const call_t attend_calls[CALLS];

void make_arguments(arguments_t *a, cudrop_context_t *context);

/* Move the tensors from rules_memory to the memory of a context, which is as large. */
void move_arguments(arguments_t *a, void *memory);

/* Have bits that were drawn ahead instead of the mask. */
void give_bits(arguments_t *a);

#endif /* CUDROP_ATTEND_ARGUMENTS_H */
