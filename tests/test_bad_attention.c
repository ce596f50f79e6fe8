/* test_bad_attention.c - the rules of attention weights: status, text, and nothing written. */
#include "rules.h"
#include "suite_context.h"

enum { BATCH = 3, QUERIES = 5, KEYS = 8, N = BATCH * QUERIES * KEYS };

/* The arguments of all calls, right until a row of a table below spoils them. */
struct arguments {
  cudrop_context_t *context;
  cudrop_tensor_t scores, lengths, weights, y; /* backward: dy is y, dscores the scores */
  cudrop_mask_t mask;
  void *bits; /* that could be there */
  cudrop_attention_t attention;
  cudrop_attention_forward_t forward;
  cudrop_attention_reapply_t reapply;
  cudrop_attention_backward_t backward;
};

static cudrop_status_t call_forward(const arguments_t *a) {
  return cudrop_attention_forward(a->context, &a->forward);
}
static cudrop_status_t call_backward(const arguments_t *a) {
  return cudrop_attention_backward(a->context, &a->backward);
}
static cudrop_status_t call_reapply(const arguments_t *a) {
  return cudrop_attention_reapply(a->context, &a->reapply);
}

/* The last one does not look at the scale. */
enum { FORWARD, BACKWARD, REAPPLY, CALLS };

static const call_t calls[CALLS] = {
    [FORWARD] = {"cudrop_attention_forward", call_forward},
    [BACKWARD] = {"cudrop_attention_backward", call_backward},
    [REAPPLY] = {"cudrop_attention_reapply", call_reapply},
};

SPOIL(null_context, a->context = NULL)
SPOIL(null_attention,
      a->forward.attention = a->reapply.attention = a->backward.attention = NULL)
SPOIL(null_scores, a->forward.scores = NULL)
SPOIL(null_scores_with_bits, a->forward.scores = NULL; a->attention.mask = NULL;
      a->attention.bits = a->bits)
SPOIL(no_output, a->forward.weights = a->forward.y = NULL)
SPOIL(null_weights, a->reapply.weights = a->backward.weights = NULL)
SPOIL(null_y, a->reapply.y = a->backward.dy = NULL)
SPOIL(null_dscores, a->backward.dscores = NULL)
static void one_dimension(arguments_t *a) {
  cudrop_tensor_t *const tensors[] = {&a->scores, &a->weights, &a->y};
  for (int k = 0; k < 3; ++k)
    *tensors[k] = cudrop_vector(tensors[k]->data, CUDROP_F32, KEYS);
  a->attention.lengths = NULL;
}
SPOIL(weights_type, a->weights.dtype = CUDROP_F16)
SPOIL(integer_scores, a->scores.dtype = CUDROP_I32)
SPOIL(y_is_smaller, a->y.shape[1] = QUERIES - 1)
SPOIL(lengths_of_keys, a->lengths = a->scores; a->lengths.dtype = CUDROP_I32)
SPOIL(uneven_lengths,
      a->lengths = cudrop_matrix(a->lengths.data, CUDROP_I32, BATCH, QUERIES);
      a->lengths.stride[0] = QUERIES + 1)
SPOIL(too_few_lengths, a->lengths.shape[0] = BATCH - 1)
SPOIL(bits_in_output, a->attention.mask = NULL; a->attention.bits = (char *)a->y.data + 4)
SPOIL(bits_in_gradient, a->attention.mask = NULL;
      a->attention.bits = (char *)a->scores.data + N * 4 - 1)
SPOIL(lengths_in_output, a->lengths.data = a->y.data)
SPOIL(index_rank_differs, a->mask.index_rank = 2)
SPOIL(y_is_weights, a->y.data = a->weights.data)
SPOIL(y_is_scores_shifted, a->y.data = (float *)a->scores.data + KEYS)
SPOIL(y_repeats, a->y.stride[0] = 0)
SPOIL(keys_in_pieces, a->scores.stride[2] = 2)

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
    {REAPPLY, lengths_of_keys, CUDROP_ERROR_SHAPE,
     "lengths has rank = 3, and with weights of rank = 3 it must be 1 to 2"},
    {FORWARD, uneven_lengths, CUDROP_ERROR_INVALID_ARGUMENT,
     "lengths has strides that do not put them evenly apart"},
    {BACKWARD, too_few_lengths, CUDROP_ERROR_SHAPE,
     "lengths has shape[0] = 2 and dy has shape[0] = 3"},
    {REAPPLY, bits_in_output, CUDROP_ERROR_OVERLAP, "y overlaps bits"},
    {BACKWARD, bits_in_gradient, CUDROP_ERROR_OVERLAP, "dscores overlaps bits"},
    {FORWARD, lengths_in_output, CUDROP_ERROR_OVERLAP, "y overlaps lengths"},
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

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
  static const int64_t shape[] = {BATCH, QUERIES, KEYS};
  float(*const memory)[RULES_FLOATS] = rules_memory;
  rules_poison();
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

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  arguments_t a;
  make_arguments(&a);
  rules_expect(calls, &rules[_i], &a);
}
END_TEST

START_TEST(every_call_refuses_what_attention_may_not_be) {
  const attention_rule_t *rule = &attention_rules[_i % ATTENTION_RULES];
  arguments_t a;
  make_arguments(&a);
  rule->spoil(&a.attention);
  rules_expect_refused(&calls[_i / ATTENTION_RULES], &a, rule->status, rule->text);
}
END_TEST

/* Of a call's own arguments, and of the value that all calls share. */
START_TEST(what_is_reserved_must_be_0) {
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved, a.reapply.reserved};
  rules_expect_reserved(&calls[_i], &a, "args", args[_i]);
  rules_expect_reserved(&calls[_i], &a, "attention", a.attention.reserved);
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
  tcase_add_loop_test(tests, every_call_refuses_what_attention_may_not_be, 0,
                      CALLS * ATTENTION_RULES - ATTENTION_SCALE_RULES);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_test(tests, null_arguments_are_named);
  return tests;
}

SUITE_MAIN("bad_attention", rules_case())
