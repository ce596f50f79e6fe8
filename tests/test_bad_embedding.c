/* test_bad_embedding.c - the rules of embeddings: status, text, and nothing written. */
#include <stdio.h>

#include "rules.h"
#include "suite_context.h"

enum { BATCH = 3, PLACES = 5, COLS = 8, VOCABULARY = 7 };

/* The arguments of both calls, right until a row of a table below spoils them. */
struct arguments {
  cudrop_context_t *context;
  cudrop_tensor_t ids, tokens, positions, y; /* in backward with a d before their names */
  cudrop_mask_t mask;
  cudrop_embedding_forward_t forward;
  cudrop_embedding_backward_t backward;
};

static cudrop_status_t call_forward(const arguments_t *a) {
  return cudrop_embedding_forward(a->context, &a->forward);
}
static cudrop_status_t call_backward(const arguments_t *a) {
  return cudrop_embedding_backward(a->context, &a->backward);
}

enum { FORWARD, BACKWARD, CALLS };

static const call_t calls[CALLS] = {
    [FORWARD] = {"cudrop_embedding_forward", call_forward},
    [BACKWARD] = {"cudrop_embedding_backward", call_backward},
};

SPOIL(null_context, a->context = NULL)
SPOIL(null_ids, a->forward.ids = a->backward.ids = NULL)
SPOIL(null_tokens, a->forward.tokens = NULL)
SPOIL(null_y, a->forward.y = a->backward.dy = NULL)
SPOIL(no_output, a->backward.dtokens = a->backward.dpositions = NULL)
SPOIL(float_ids, a->ids.dtype = CUDROP_F32)
SPOIL(ids_of_rank_3, a->ids = a->y; a->ids.dtype = CUDROP_I32)
SPOIL(fewer_ids, a->ids.shape[0] = BATCH - 1)
SPOIL(null_ids_data, a->ids.data = NULL)
SPOIL(half_tokens, a->tokens.dtype = CUDROP_F16)
SPOIL(vector_of_tokens, a->tokens = cudrop_vector(a->tokens.data, CUDROP_F32, COLS))
SPOIL(narrow_tokens, a->tokens.shape[1] = COLS - 1)
SPOIL(tokens_in_pieces, a->tokens.stride[1] = 2)
SPOIL(too_many_positions, a->positions.shape[0] = PLACES + 1)
SPOIL(no_places, a->ids.rank = 0; a->y = cudrop_vector(a->y.data, CUDROP_F32, COLS))
SPOIL(misaligned_counter,
      a->forward.out_of_range = (void *)((char *)a->forward.out_of_range + 4))
SPOIL(counter_in_output, a->forward.out_of_range = a->y.data)
SPOIL(ids_in_output, a->ids.data = a->y.data)
SPOIL(ids_in_gradient, a->ids.data = a->tokens.data)
SPOIL(y_in_tokens, a->y.data = a->tokens.data)
SPOIL(gradients_overlap, a->positions.data = a->tokens.data)
SPOIL(gradient_repeats, a->tokens.stride[0] = 0)
SPOIL(other_vocabulary, a->backward.vocabulary = VOCABULARY + 1)
SPOIL(no_vocabulary, a->backward.dtokens = NULL)
SPOIL(negative_vocabulary, a->backward.dtokens = NULL; a->backward.vocabulary = -3)
SPOIL(unknown_bit, a->backward.accumulate = 4)
SPOIL(adds_to_data, a->backward.accumulate = CUDROP_ACCUMULATE_DATA)
SPOIL(bad_rate, a->mask.p = 1.5)
SPOIL(small_workspace, --a->backward.workspace_bytes)
SPOIL(null_workspace, a->backward.workspace = NULL)
SPOIL(workspace_is_ids, a->ids.data = a->backward.workspace)
SPOIL(too_many_ids, a->y.shape[0] = a->ids.shape[0] = (int64_t)1 << 31;
      a->y.stride[0] = a->ids.stride[0] = 0; a->backward.dpositions = NULL)

static const rule_t rules[] = {
    {FORWARD, null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {FORWARD, null_ids, CUDROP_ERROR_NULL_POINTER, "ids is NULL"},
    {BACKWARD, null_ids, CUDROP_ERROR_NULL_POINTER, "ids is NULL"},
    {FORWARD, null_tokens, CUDROP_ERROR_NULL_POINTER, "tokens is NULL"},
    {FORWARD, null_y, CUDROP_ERROR_NULL_POINTER, "y is NULL"},
    {BACKWARD, null_y, CUDROP_ERROR_NULL_POINTER, "dy is NULL"},
    {BACKWARD, no_output, CUDROP_ERROR_NULL_POINTER,
     "dtokens and dpositions are both NULL"},
    {FORWARD, float_ids, CUDROP_ERROR_DTYPE,
     "ids has dtype = 1 (F32), which is not I32 or I64"},
    {FORWARD, ids_of_rank_3, CUDROP_ERROR_SHAPE,
     "ids has rank = 3, and with y of rank = 3 it must be 2"},
    {BACKWARD, fewer_ids, CUDROP_ERROR_SHAPE,
     "ids has shape[0] = 2 and dy has shape[0] = 3"},
    {FORWARD, null_ids_data, CUDROP_ERROR_NULL_POINTER, "ids has data = NULL"},
    {FORWARD, half_tokens, CUDROP_ERROR_DTYPE, "tokens is F16 and y is F32"},
    {FORWARD, vector_of_tokens, CUDROP_ERROR_SHAPE,
     "tokens has rank = 1, and a table has 2"},
    {FORWARD, narrow_tokens, CUDROP_ERROR_SHAPE,
     "tokens has shape[1] = 7 and y has shape[2] = 8"},
    {BACKWARD, tokens_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "dtokens has stride[1] = 2, and rows have 1"},
    {FORWARD, too_many_positions, CUDROP_ERROR_SHAPE,
     "positions has shape[0] = 6 and y has shape[1] = 5"},
    {FORWARD, no_places, CUDROP_ERROR_SHAPE,
     "y has rank = 1, and places for positions are the dimension before the last"},
    {FORWARD, counter_in_output, CUDROP_ERROR_OVERLAP, "y overlaps out_of_range"},
    {FORWARD, ids_in_output, CUDROP_ERROR_OVERLAP, "y overlaps ids"},
    {BACKWARD, ids_in_gradient, CUDROP_ERROR_OVERLAP, "dtokens overlaps ids"},
    {FORWARD, y_in_tokens, CUDROP_ERROR_OVERLAP, "y overlaps tokens"},
    {BACKWARD, gradients_overlap, CUDROP_ERROR_OVERLAP, "dtokens overlaps dpositions"},
    {BACKWARD, gradient_repeats, CUDROP_ERROR_OVERLAP,
     "dtokens has strides that put two elements in one place"},
    {BACKWARD, other_vocabulary, CUDROP_ERROR_SHAPE,
     "vocabulary = 8 and dtokens has shape[0] = 7"},
    {BACKWARD, no_vocabulary, CUDROP_ERROR_INVALID_ARGUMENT,
     "vocabulary = 0, and without dtokens it is above 0"},
    {BACKWARD, negative_vocabulary, CUDROP_ERROR_INVALID_ARGUMENT,
     "vocabulary = -3, and without dtokens it is above 0"},
    {BACKWARD, unknown_bit, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x4 has bits beside those of cudrop_accumulate_t"},
    {BACKWARD, adds_to_data, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate has CUDROP_ACCUMULATE_DATA, and there is no gradient of data"},
    {FORWARD, bad_rate, CUDROP_ERROR_INVALID_ARGUMENT, "p = 1.5 is outside [0, 1]"},
    {BACKWARD, null_workspace, CUDROP_ERROR_NULL_POINTER, "workspace is NULL"},
    {BACKWARD, workspace_is_ids, CUDROP_ERROR_OVERLAP, "ids overlaps workspace"},
    {BACKWARD, too_many_ids, CUDROP_ERROR_OVERFLOW,
     "there are 10737418240 rows, and the most is 2147483647"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
  static const int64_t shape[] = {BATCH, PLACES, COLS};
  float(*const memory)[RULES_FLOATS] = rules_memory;
  rules_poison();
  *a = (arguments_t){.context = context,
                     .ids = cudrop_matrix(memory[0], CUDROP_I32, BATCH, PLACES),
                     .tokens = cudrop_matrix(memory[1], CUDROP_F32, VOCABULARY, COLS),
                     .positions = cudrop_matrix(memory[2], CUDROP_F32, PLACES, COLS),
                     .y = cudrop_tensor(memory[3], CUDROP_F32, 3, shape),
                     .mask = cudrop_mask(1, 2, 0.5)};
  a->forward = (cudrop_embedding_forward_t){.ids = &a->ids,
                                            .tokens = &a->tokens,
                                            .positions = &a->positions,
                                            .mask = &a->mask,
                                            .y = &a->y,
                                            .out_of_range = (void *)memory[4]};
  a->backward = (cudrop_embedding_backward_t){.ids = &a->ids,
                                              .dy = &a->y,
                                              .mask = &a->mask,
                                              .dtokens = &a->tokens,
                                              .dpositions = &a->positions,
                                              .workspace = memory[5],
                                              .workspace_bytes = sizeof memory[5]};
}

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  arguments_t a;
  make_arguments(&a);
  rules_expect(calls, &rules[_i], &a);
}
END_TEST

START_TEST(a_count_that_is_not_aligned_is_refused) {
  char text[200];
  arguments_t a;
  make_arguments(&a);
  misaligned_counter(&a);
  snprintf(text, sizeof text,
           "out_of_range has data = %p, which is not aligned to its 8 bytes an element",
           (void *)a.forward.out_of_range);
  rules_expect_refused(&calls[FORWARD], &a, CUDROP_ERROR_INVALID_ARGUMENT, text);
}
END_TEST

START_TEST(a_byte_of_workspace_less_is_refused) {
  char text[200];
  size_t bytes = 0;
  arguments_t a;
  make_arguments(&a);
  ck_assert_ok(cudrop_embedding_backward_workspace(BATCH * PLACES, COLS, &bytes));
  a.backward.workspace_bytes = bytes;
  small_workspace(&a);
  snprintf(text, sizeof text,
           "workspace_bytes = %zu, and %zu are needed; see "
           "cudrop_embedding_backward_workspace()",
           bytes - 1, bytes);
  rules_expect_refused(&calls[BACKWARD], &a, CUDROP_ERROR_WORKSPACE, text);
}
END_TEST

START_TEST(what_is_reserved_must_be_0) {
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved};
  rules_expect_reserved(&calls[_i], &a, "args", args[_i]);
}
END_TEST

START_TEST(null_arguments_are_named) {
  ck_assert_error(cudrop_embedding_forward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_embedding_forward: args is NULL");
  ck_assert_error(cudrop_embedding_backward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_embedding_backward: args is NULL");
}
END_TEST

static TCase *rules_case(void) {
  TCase *tests = suite_case("rules", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, a_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_test(tests, a_count_that_is_not_aligned_is_refused);
  tcase_add_test(tests, a_byte_of_workspace_less_is_refused);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_test(tests, null_arguments_are_named);
  return tests;
}

SUITE_MAIN("bad_embedding", rules_case())
