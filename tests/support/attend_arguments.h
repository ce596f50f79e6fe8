/*
 * attend_arguments.h - arguments of both calls of section 17 that are right until a rule spoils them.
 *
 * All tensors are F32, in poisoned memory of the test's own.
 */
#ifndef CUDROP_ATTEND_ARGUMENTS_H
#define CUDROP_ATTEND_ARGUMENTS_H

#include "cudrop/cudrop.h"

enum { BATCH = 3, HEADS = 4, SHARED = 2, QUERIES = 5, KEYS = 9, D = 8, RANK = 4 };
enum { SCORES = BATCH * HEADS * QUERIES * KEYS, ROWS = BATCH * HEADS * QUERIES };

typedef struct {
  cudrop_context_t *context;
  cudrop_tensor_t q, k, v, o, lse, dout, dq, dk, dv, lengths;
  cudrop_mask_t mask;
  void *bits; /* that could be there */
  cudrop_attention_t attention;
  cudrop_attend_forward_t forward;
  cudrop_attend_backward_t backward;
} arguments_t;

typedef enum { FORWARD, BACKWARD, CALLS } call_t;

typedef struct {
  call_t call;
  void (*spoil)(arguments_t *a);
  cudrop_status_t status;
  const char *text;
} rule_t;

/* A function that spoils the arguments. */
#define SPOIL(name, ...)             \
  static void name(arguments_t *a) { \
    __VA_ARGS__;                     \
  }

void make_arguments(arguments_t *a, cudrop_context_t *context);

/* Have bits that were drawn ahead instead of the mask. */
void give_bits(arguments_t *a);

cudrop_status_t make_call(const arguments_t *a, call_t call);

/* Call, and look at the answer, which names the function and the rule, and at every byte of every
 * tensor. */
void expect_refused(const arguments_t *a, call_t call, cudrop_status_t status,
                    const char *rule);

#endif /* CUDROP_ATTEND_ARGUMENTS_H */
