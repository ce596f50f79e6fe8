/* test_bad_attend.c - the rules of attention with dropout about tensors: status, text, and nothing
 * written. */
#include "attend_arguments.h"
#include "suite_context.h"

/* ---- What is missing -------------------------------------------------------------- */

SPOIL(null_context, a->context = NULL)
SPOIL(null_attention, a->forward.attention = a->backward.attention = NULL)
SPOIL(null_q, a->forward.q = a->backward.q = NULL)
SPOIL(null_k, a->forward.k = a->backward.k = NULL)
SPOIL(null_v, a->forward.v = a->backward.v = NULL)
SPOIL(null_o, a->forward.o = a->backward.o = NULL)
SPOIL(null_lse, a->backward.lse = NULL)
SPOIL(null_dout, a->backward.dout = NULL)
SPOIL(no_gradient, a->backward.dq = a->backward.dk = a->backward.dv = NULL)
SPOIL(null_data, a->k.data = NULL)
SPOIL(null_workspace, a->backward.workspace = NULL)

SPOIL(null_q_with_bits, give_bits(a); null_q(a))
SPOIL(null_k_with_bits, give_bits(a); null_k(a))

/* ---- Shapes ----------------------------------------------------------------------- */

/* All tensors with their last `rank` dimensions alone. */
static void keep_dimensions(arguments_t *a, int rank) {
  cudrop_tensor_t *const tensors[] = {&a->q,    &a->k,  &a->v,  &a->o,
                                      &a->dout, &a->dq, &a->dk, &a->dv};
  for (int x = 0; x < 8; ++x)
    *tensors[x] = cudrop_tensor(tensors[x]->data, CUDROP_F32, rank,
                                tensors[x]->shape + RANK - rank);
  a->attention.lengths = NULL;
}
SPOIL(no_dimension, keep_dimensions(a, 0))
SPOIL(one_dimension, keep_dimensions(a, 1))
SPOIL(too_many_dimensions, a->q.rank = CUDROP_MAX_RANK + 1)
SPOIL(k_without_batch, a->k.rank = 3)
SPOIL(negative_keys, a->k.shape[2] = -1)
SPOIL(negative_keys_with_bits, give_bits(a); negative_keys(a))
SPOIL(k_of_other_batch, a->k.shape[0] = a->v.shape[0] = 2)
SPOIL(undivided_heads, a->k.shape[1] = a->v.shape[1] = 3)
SPOIL(more_shared_heads, a->k.shape[1] = a->v.shape[1] = 2 * HEADS)
SPOIL(no_shared_heads, a->k.shape[1] = a->v.shape[1] = 0)
SPOIL(wider_keys, a->k.shape[3] = a->v.shape[3] = 2 * D)
SPOIL(fewer_values, a->v.shape[2] = KEYS - 1)
SPOIL(v_of_all_heads, a->v.shape[1] = HEADS)
SPOIL(fewer_dk, a->dk.shape[2] = KEYS - 1)
SPOIL(dv_of_one_head, a->dv.shape[1] = 1)
SPOIL(o_is_smaller, a->o.shape[2] = QUERIES - 1)
SPOIL(dout_of_keys, a->dout.shape[2] = KEYS)
SPOIL(dq_of_rank_3, a->dq.rank = 3)
SPOIL(lse_of_rank_4, a->lse = a->q)
SPOIL(lse_is_smaller, a->lse.shape[2] = QUERIES - 1)
SPOIL(lengths_of_rank_4, a->lengths = a->q; a->lengths.dtype = CUDROP_I32)
SPOIL(too_few_lengths, a->lengths.shape[0] = BATCH - 1)

static void set_cols(arguments_t *a, int64_t cols) {
  a->q.shape[3] = a->k.shape[3] = a->v.shape[3] = a->o.shape[3] = cols;
  a->dout.shape[3] = a->dq.shape[3] = a->dk.shape[3] = a->dv.shape[3] = cols;
}
SPOIL(no_cols, set_cols(a, 0))
SPOIL(four_cols, set_cols(a, 4))
SPOIL(twelve_cols, set_cols(a, 12))
SPOIL(too_many_cols, set_cols(a, 264))

/* ---- Types and layouts ------------------------------------------------------------ */

SPOIL(q_of_double, a->q.dtype = CUDROP_F64)
SPOIL(k_of_half, a->k.dtype = CUDROP_F16)
SPOIL(v_of_no_type, a->v.dtype = (cudrop_dtype_t)0)
SPOIL(o_of_half, a->o.dtype = CUDROP_F16)
SPOIL(lse_of_half, a->lse.dtype = CUDROP_F16)
SPOIL(dk_of_half, a->dk.dtype = CUDROP_BF16)
SPOIL(q_in_pieces, a->q.stride[3] = 2)
SPOIL(k_in_pieces, a->k.stride[3] = -1)
SPOIL(dv_in_pieces, a->dv.stride[3] = 2)

static void uneven_lengths(arguments_t *a) {
  a->lengths = cudrop_matrix(a->lengths.data, CUDROP_I32, BATCH, HEADS);
  a->lengths.stride[0] = HEADS + 1;
}

static const rule_t rules[] = {
    {FORWARD, null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {BACKWARD, null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {FORWARD, null_attention, CUDROP_ERROR_NULL_POINTER, "attention is NULL"},
    {BACKWARD, null_attention, CUDROP_ERROR_NULL_POINTER, "attention is NULL"},
    {FORWARD, null_q, CUDROP_ERROR_NULL_POINTER, "q is NULL"},
    {FORWARD, null_k, CUDROP_ERROR_NULL_POINTER, "k is NULL"},
    {FORWARD, null_v, CUDROP_ERROR_NULL_POINTER, "v is NULL"},
    {FORWARD, null_o, CUDROP_ERROR_NULL_POINTER, "o is NULL"},
    {FORWARD, null_q_with_bits, CUDROP_ERROR_NULL_POINTER, "q is NULL"},
    {BACKWARD, null_k_with_bits, CUDROP_ERROR_NULL_POINTER, "k is NULL"},
    {BACKWARD, null_q, CUDROP_ERROR_NULL_POINTER, "q is NULL"},
    {BACKWARD, null_k, CUDROP_ERROR_NULL_POINTER, "k is NULL"},
    {BACKWARD, null_v, CUDROP_ERROR_NULL_POINTER, "v is NULL"},
    {BACKWARD, null_o, CUDROP_ERROR_NULL_POINTER, "o is NULL"},
    {BACKWARD, null_lse, CUDROP_ERROR_NULL_POINTER, "lse is NULL"},
    {BACKWARD, null_dout, CUDROP_ERROR_NULL_POINTER, "dout is NULL"},
    {BACKWARD, no_gradient, CUDROP_ERROR_NULL_POINTER, "dq, dk and dv are all NULL"},
    {FORWARD, null_data, CUDROP_ERROR_NULL_POINTER, "k has data = NULL"},
    {BACKWARD, null_workspace, CUDROP_ERROR_NULL_POINTER, "workspace is NULL"},

    {FORWARD, no_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has rank = 0, and rows need a dimension"},
    {FORWARD, one_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has rank = 1, which is not at least 2: rows and columns"},
    {FORWARD, too_many_dimensions, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has rank = 9, outside [0, 8]"},
    {BACKWARD, k_without_batch, CUDROP_ERROR_SHAPE, "k has rank = 3 and q has rank = 4"},
    {FORWARD, negative_keys, CUDROP_ERROR_INVALID_ARGUMENT,
     "k has shape[2] = -1, which is negative"},
    {FORWARD, negative_keys_with_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "k has shape[2] = -1, which is negative"},
    {FORWARD, k_of_other_batch, CUDROP_ERROR_SHAPE,
     "k has shape[0] = 2 and q has shape[0] = 3"},
    {FORWARD, undivided_heads, CUDROP_ERROR_SHAPE,
     "k has shape[1] = 3 heads, which does not divide the 4 of q"},
    {FORWARD, more_shared_heads, CUDROP_ERROR_SHAPE,
     "k has shape[1] = 8 heads, which does not divide the 4 of q"},
    {BACKWARD, no_shared_heads, CUDROP_ERROR_SHAPE,
     "k has shape[1] = 0 heads, which does not divide the 4 of q"},
    {FORWARD, wider_keys, CUDROP_ERROR_SHAPE,
     "k has shape[3] = 16 and q has shape[3] = 8"},
    {FORWARD, fewer_values, CUDROP_ERROR_SHAPE, "v has shape[2] = 8 and k has 9"},
    {FORWARD, v_of_all_heads, CUDROP_ERROR_SHAPE, "v has shape[1] = 4 and k has 2"},
    {BACKWARD, fewer_dk, CUDROP_ERROR_SHAPE, "dk has shape[2] = 8 and k has 9"},
    {BACKWARD, dv_of_one_head, CUDROP_ERROR_SHAPE, "dv has shape[1] = 1 and k has 2"},
    {FORWARD, o_is_smaller, CUDROP_ERROR_SHAPE, "o has shape[2] = 4 and q has 5"},
    {BACKWARD, dout_of_keys, CUDROP_ERROR_SHAPE, "dout has shape[2] = 9 and q has 5"},
    {BACKWARD, dq_of_rank_3, CUDROP_ERROR_SHAPE, "dq has rank = 3 and q has rank = 4"},
    {FORWARD, lse_of_rank_4, CUDROP_ERROR_SHAPE,
     "lse has rank = 4, and with q of rank = 4 it must be 3"},
    {BACKWARD, lse_is_smaller, CUDROP_ERROR_SHAPE,
     "lse has shape[2] = 4 and q has shape[2] = 5"},
    {FORWARD, lengths_of_rank_4, CUDROP_ERROR_SHAPE,
     "lengths has rank = 4, and with q of rank = 4 it must be 1 to 3"},
    {BACKWARD, too_few_lengths, CUDROP_ERROR_SHAPE,
     "lengths has shape[0] = 2 and q has shape[0] = 3"},
    {FORWARD, no_cols, CUDROP_ERROR_SHAPE,
     "q has shape[3] = 0, no multiple of 8 from 8 to 256"},
    {FORWARD, four_cols, CUDROP_ERROR_SHAPE,
     "q has shape[3] = 4, no multiple of 8 from 8 to 256"},
    {BACKWARD, twelve_cols, CUDROP_ERROR_SHAPE,
     "q has shape[3] = 12, no multiple of 8 from 8 to 256"},
    {BACKWARD, too_many_cols, CUDROP_ERROR_SHAPE,
     "q has shape[3] = 264, no multiple of 8 from 8 to 256"},

    {FORWARD, q_of_double, CUDROP_ERROR_DTYPE,
     "q has dtype = 4 (F64), which is not F32, F16 or BF16"},
    {FORWARD, k_of_half, CUDROP_ERROR_DTYPE, "k is F16 and q is F32"},
    {FORWARD, v_of_no_type, CUDROP_ERROR_DTYPE,
     "v has dtype = 0 (no type), which is not F32, F16 or BF16"},
    {FORWARD, o_of_half, CUDROP_ERROR_DTYPE, "o is F16 and q is F32"},
    {FORWARD, lse_of_half, CUDROP_ERROR_DTYPE,
     "lse has dtype = 2 (F16), which is not F32"},
    {BACKWARD, lse_of_half, CUDROP_ERROR_DTYPE,
     "lse has dtype = 2 (F16), which is not F32"},
    {BACKWARD, dk_of_half, CUDROP_ERROR_DTYPE, "dk is BF16 and q is F32"},
    {FORWARD, q_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has stride[3] = 2, and rows have 1"},
    {FORWARD, k_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "k has stride[3] = -1, and rows have 1"},
    {BACKWARD, dv_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "dv has stride[3] = 2, and rows have 1"},
    {FORWARD, uneven_lengths, CUDROP_ERROR_INVALID_ARGUMENT,
     "lengths has strides that do not put them evenly apart"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  arguments_t a;
  make_arguments(&a, context);
  rules_expect(attend_calls, &rules[_i], &a);
}
END_TEST

/* Of a call's own arguments, and of the value that both calls share. */
START_TEST(what_is_reserved_must_be_0) {
  arguments_t a;
  make_arguments(&a, context);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved};
  rules_expect_reserved(&attend_calls[_i], &a, "args", args[_i]);
  rules_expect_reserved(&attend_calls[_i], &a, "attention", a.attention.reserved);
}
END_TEST

START_TEST(null_arguments_are_named) {
  ck_assert_error(cudrop_attend_forward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_attend_forward: args is NULL");
  ck_assert_error(cudrop_attend_backward(context, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_attend_backward: args is NULL");
  ck_assert_error(cudrop_attend_backward_workspace(1, 8, NULL), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_attend_backward_workspace: bytes is NULL");
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

SUITE_MAIN("bad_attend", rules_case())
