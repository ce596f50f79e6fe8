/* test_bad_attention.c - the rules of attention weights: status, text, and nothing written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "view.h"

enum { BATCH = 3, QUERIES = 5, KEYS = 8, N = BATCH * QUERIES * KEYS };

/* The arguments of all calls, right until a row of a table below spoils them. */
typedef struct {
  cudrop_context_t *context;
  cudrop_tensor_t scores, lengths, weights, y; /* backward: dy is y, dscores the scores */
  cudrop_mask_t mask;
  void *bits; /* that could be there */
  cudrop_attention_t attention;
  cudrop_attention_forward_t forward;
  cudrop_attention_reapply_t reapply;
  cudrop_attention_backward_t backward;
} arguments_t;

typedef enum { FORWARD, REAPPLY, BACKWARD } call_t;

static const char *const functions[] = {
    "cudrop_attention_forward", "cudrop_attention_reapply", "cudrop_attention_backward"};
enum { CALLS = sizeof functions / sizeof functions[0] };

typedef struct {
  call_t call;
  void (*spoil)(arguments_t *a);
  cudrop_status_t status;
  const char *text;
} rule_t;

static void null_context(arguments_t *a) {
  a->context = NULL;
}
static void null_attention(arguments_t *a) {
  a->forward.attention = a->reapply.attention = a->backward.attention = NULL;
}
static void null_scores(arguments_t *a) {
  a->forward.scores = NULL;
}
static void null_scores_with_bits(arguments_t *a) {
  a->forward.scores = NULL;
  a->attention.mask = NULL;
  a->attention.bits = a->bits;
}
static void no_output(arguments_t *a) {
  a->forward.weights = a->forward.y = NULL;
}
static void null_weights(arguments_t *a) {
  a->reapply.weights = a->backward.weights = NULL;
}
static void null_y(arguments_t *a) {
  a->reapply.y = a->backward.dy = NULL;
}
static void null_dscores(arguments_t *a) {
  a->backward.dscores = NULL;
}
static void one_dimension(arguments_t *a) {
  cudrop_tensor_t *const tensors[] = {&a->scores, &a->weights, &a->y};
  for (int k = 0; k < 3; ++k)
    *tensors[k] = cudrop_vector(tensors[k]->data, CUDROP_F32, KEYS);
  a->attention.lengths = NULL;
}
static void weights_type(arguments_t *a) {
  a->weights.dtype = CUDROP_F16;
}
static void integer_scores(arguments_t *a) {
  a->scores.dtype = CUDROP_I32;
}
static void y_is_smaller(arguments_t *a) {
  a->y.shape[1] = QUERIES - 1;
}
static void float_lengths(arguments_t *a) {
  a->lengths.dtype = CUDROP_F32;
}
static void lengths_of_keys(arguments_t *a) {
  a->lengths = a->scores;
  a->lengths.dtype = CUDROP_I32;
}
static void uneven_lengths(arguments_t *a) {
  a->lengths = cudrop_matrix(a->lengths.data, CUDROP_I32, BATCH, QUERIES);
  a->lengths.stride[0] = QUERIES + 1;
}
static void too_few_lengths(arguments_t *a) {
  a->lengths.shape[0] = BATCH - 1;
}
static void null_lengths_data(arguments_t *a) {
  a->lengths.data = NULL;
}
static void scale_nan(arguments_t *a) {
  a->attention.scale = NAN;
}
static void scale_infinite(arguments_t *a) {
  a->attention.scale = -INFINITY;
}
static void causal_three(arguments_t *a) {
  a->attention.causal = (cudrop_causal_t)3;
}
static void causal_negative(arguments_t *a) {
  a->attention.causal = (cudrop_causal_t)-1;
}
static void offset_negative(arguments_t *a) {
  a->attention.query_offset = -1;
}
static void offset_alone(arguments_t *a) {
  a->attention.query_offset = 3;
}
static void offset_of_last(arguments_t *a) {
  a->attention.causal = CUDROP_CAUSAL_LAST;
  a->attention.query_offset = 1;
}
static void mask_and_bits(arguments_t *a) {
  a->attention.bits = a->bits;
}
static void rate_without_bits(arguments_t *a) {
  a->attention.p = 0.25;
}
static void bits_with_bad_rate(arguments_t *a) {
  a->attention.mask = NULL;
  mask_and_bits(a);
  a->attention.p = 1.5;
}
static void bits_in_output(arguments_t *a) {
  a->attention.mask = NULL;
  a->attention.bits = (char *)a->y.data + 4;
}
static void bits_in_gradient(arguments_t *a) {
  a->attention.mask = NULL;
  a->attention.bits = (char *)a->scores.data + N * 4 - 1;
}
static void lengths_in_output(arguments_t *a) {
  a->lengths.data = a->y.data;
}
static void bad_rate(arguments_t *a) {
  a->mask.p = -0.5;
}
static void index_rank_differs(arguments_t *a) {
  a->mask.index_rank = 2;
}
static void y_is_weights(arguments_t *a) {
  a->y.data = a->weights.data;
}
static void y_is_scores_shifted(arguments_t *a) {
  a->y.data = (float *)a->scores.data + KEYS;
}
static void y_repeats(arguments_t *a) {
  a->y.stride[0] = 0;
}
static void keys_in_pieces(arguments_t *a) {
  a->scores.stride[2] = 2;
}

static const rule_t rules[] = {
    {FORWARD, null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {FORWARD, null_attention, CUDROP_ERROR_NULL_POINTER, "attention is NULL"},
    {REAPPLY, null_attention, CUDROP_ERROR_NULL_POINTER, "attention is NULL"},
    {BACKWARD, null_attention, CUDROP_ERROR_NULL_POINTER, "attention is NULL"},
    {FORWARD, null_scores, CUDROP_ERROR_NULL_POINTER, "scores is NULL"},
    {FORWARD, null_scores_with_bits, CUDROP_ERROR_NULL_POINTER, "scores is NULL"},
    {FORWARD, no_output, CUDROP_ERROR_NULL_POINTER, "weights and y are both NULL"},
    {REAPPLY, null_weights, CUDROP_ERROR_NULL_POINTER, "weights is NULL"},
    {REAPPLY, null_y, CUDROP_ERROR_NULL_POINTER, "y is NULL"},
    {BACKWARD, null_weights, CUDROP_ERROR_NULL_POINTER, "weights is NULL"},
    {BACKWARD, null_y, CUDROP_ERROR_NULL_POINTER, "dy is NULL"},
    {BACKWARD, null_dscores, CUDROP_ERROR_NULL_POINTER, "dscores is NULL"},
    {FORWARD, one_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "scores has rank = 1, and queries and keys are 2 dimensions"},
    {FORWARD, weights_type, CUDROP_ERROR_DTYPE, "weights is F16 and scores is F32"},
    {FORWARD, integer_scores, CUDROP_ERROR_DTYPE,
     "scores has dtype = 8 (I32), which is not F32, F16 or BF16"},
    {FORWARD, y_is_smaller, CUDROP_ERROR_SHAPE, "y has shape[1] = 4 and scores has 5"},
    {FORWARD, float_lengths, CUDROP_ERROR_DTYPE,
     "lengths has dtype = 1 (F32), which is not I32 or I64"},
    {REAPPLY, lengths_of_keys, CUDROP_ERROR_SHAPE,
     "lengths has rank = 3, and with weights of rank = 3 it must be 1 to 2"},
    {FORWARD, uneven_lengths, CUDROP_ERROR_INVALID_ARGUMENT,
     "lengths has strides that do not put them evenly apart"},
    {BACKWARD, too_few_lengths, CUDROP_ERROR_SHAPE,
     "lengths has shape[0] = 2 and dy has shape[0] = 3"},
    {FORWARD, null_lengths_data, CUDROP_ERROR_NULL_POINTER, "lengths has data = NULL"},
    {FORWARD, scale_nan, CUDROP_ERROR_INVALID_ARGUMENT, "scale = nan is not finite"},
    {BACKWARD, scale_infinite, CUDROP_ERROR_INVALID_ARGUMENT,
     "scale = -inf is not finite"},
    {FORWARD, causal_three, CUDROP_ERROR_INVALID_ARGUMENT, "causal = 3 does not exist"},
    {BACKWARD, causal_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "causal = -1 does not exist"},
    {REAPPLY, offset_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = -1 is negative"},
    {FORWARD, offset_alone, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = 3 means nothing without CUDROP_CAUSAL"},
    {BACKWARD, offset_of_last, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = 1 means nothing without CUDROP_CAUSAL"},
    {FORWARD, mask_and_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask and bits are both there, and one of them drops"},
    {BACKWARD, rate_without_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "p = 0.25 is the rate of bits, and bits is NULL"},
    {REAPPLY, bits_with_bad_rate, CUDROP_ERROR_INVALID_ARGUMENT,
     "p = 1.5 is outside [0, 1]"},
    {REAPPLY, bits_in_output, CUDROP_ERROR_OVERLAP, "y overlaps bits"},
    {BACKWARD, bits_in_gradient, CUDROP_ERROR_OVERLAP, "dscores overlaps bits"},
    {FORWARD, lengths_in_output, CUDROP_ERROR_OVERLAP, "y overlaps lengths"},
    {FORWARD, bad_rate, CUDROP_ERROR_INVALID_ARGUMENT, "p = -0.5 is outside [0, 1]"},
    {BACKWARD, index_rank_differs, CUDROP_ERROR_SHAPE,
     "mask has index_rank = 2 and dy has rank = 3"},
    {FORWARD, y_is_weights, CUDROP_ERROR_OVERLAP, "y overlaps weights"},
    {FORWARD, y_is_scores_shifted, CUDROP_ERROR_OVERLAP,
     "y overlaps scores without being the same tensor"},
    {FORWARD, y_repeats, CUDROP_ERROR_OVERLAP,
     "y has strides that put two elements in one place"},
    {FORWARD, keys_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "scores has stride[2] = 2, and rows have 1"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

static cudrop_status_t make_call(const arguments_t *a, call_t call) {
  return call == FORWARD   ? cudrop_attention_forward(a->context, &a->forward)
         : call == REAPPLY ? cudrop_attention_reapply(a->context, &a->reapply)
                           : cudrop_attention_backward(a->context, &a->backward);
}

static _Alignas(16) float memory[5][2 * N];
static float before[5][2 * N];

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
  static const int64_t shape[] = {BATCH, QUERIES, KEYS};
  memset(memory, VIEW_POISON, sizeof memory);
  memcpy(before, memory, sizeof memory);
  *a = (arguments_t){.context = context,
                     .scores = cudrop_tensor(memory[0], CUDROP_F32, 3, shape),
                     .weights = cudrop_tensor(memory[1], CUDROP_F32, 3, shape),
                     .y = cudrop_tensor(memory[2], CUDROP_F32, 3, shape),
                     .lengths = cudrop_vector(memory[3], CUDROP_I32, BATCH),
                     .mask = cudrop_mask(1, 2, 0.5),
                     .bits = memory[4]};
  a->attention = (cudrop_attention_t){.lengths = &a->lengths, .mask = &a->mask};
  a->forward = (cudrop_attention_forward_t){.attention = &a->attention,
                                            .scores = &a->scores,
                                            .weights = &a->weights,
                                            .y = &a->y};
  a->reapply = (cudrop_attention_reapply_t){
      .attention = &a->attention, .weights = &a->weights, .y = &a->y};
  a->backward = (cudrop_attention_backward_t){.attention = &a->attention,
                                              .dy = &a->y,
                                              .weights = &a->weights,
                                              .dscores = &a->scores};
}

/* Call, and look at the answer and at every byte of every tensor. */
static void expect_refused(const arguments_t *a, call_t call, cudrop_status_t status,
                           const char *rule) {
  char text[200];
  ck_assert_str_eq(cudrop_status_name(make_call(a, call)), cudrop_status_name(status));
  snprintf(text, sizeof text, "%s: %s", functions[call], rule);
  ck_assert_str_eq(cudrop_last_error(), text);
  ck_assert_mem_eq(memory, before, sizeof memory);
}

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  const rule_t *rule = &rules[_i];
  arguments_t a;
  make_arguments(&a);
  rule->spoil(&a);
  expect_refused(&a, rule->call, rule->status, rule->text);
}
END_TEST

/* Of a call's own arguments, and of the value that all calls share. */
START_TEST(what_is_reserved_must_be_0) {
  const call_t call = (call_t)_i;
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.reapply.reserved, a.backward.reserved};
  for (int k = 0; k < CUDROP_RESERVED; ++k) {
    const uint64_t bit = (uint64_t)1 << (21 * k); /* the lowest and the highest, too */
    char rule[100];
    args[call][k] = bit;
    snprintf(rule, sizeof rule, "args has reserved[%d] = %#llx, which must be 0", k,
             (unsigned long long)bit);
    expect_refused(&a, call, CUDROP_ERROR_INVALID_ARGUMENT, rule);
    args[call][k] = 0;
    a.attention.reserved[k] = bit;
    snprintf(rule, sizeof rule, "attention has reserved[%d] = %#llx, which must be 0", k,
             (unsigned long long)bit);
    expect_refused(&a, call, CUDROP_ERROR_INVALID_ARGUMENT, rule);
    a.attention.reserved[k] = 0;
  }
}
END_TEST

START_TEST(null_arguments_are_named) {
  ck_assert_error(cudrop_attention_forward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_attention_forward: args is NULL");
  ck_assert_error(cudrop_attention_reapply(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_attention_reapply: args is NULL");
  ck_assert_error(cudrop_attention_backward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_attention_backward: args is NULL");
}
END_TEST

static TCase *rules_case(void) {
  TCase *tests = suite_case("rules", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, a_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_test(tests, null_arguments_are_named);
  return tests;
}

SUITE_MAIN("bad_attention", rules_case())
