/* test_bad_attend.c - the rules of attention with dropout: status, text, and nothing written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "view.h"

enum { BATCH = 3, HEADS = 4, SHARED = 2, QUERIES = 5, KEYS = 9, D = 8, RANK = 4 };
enum { SCORES = BATCH * HEADS * QUERIES * KEYS, ROWS = BATCH * HEADS * QUERIES };

/* The arguments of both calls, right until a row of a table below spoils them. */
typedef struct {
  cudrop_context_t *context;
  cudrop_tensor_t q, k, v, o, lse, dout, dq, dk, dv, lengths;
  cudrop_mask_t mask;
  void *bits; /* that could be there */
  cudrop_attention_t attention;
  cudrop_attend_forward_t forward;
  cudrop_attend_backward_t backward;
} arguments_t;

typedef enum { FORWARD, BACKWARD } call_t;

static const char *const functions[] = {"cudrop_attend_forward",
                                        "cudrop_attend_backward"};
enum { CALLS = sizeof functions / sizeof functions[0] };

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
SPOIL(null_lengths_data, a->lengths.data = NULL)
SPOIL(null_workspace, a->backward.workspace = NULL)

static void give_bits(arguments_t *a) {
  a->attention.mask = NULL;
  a->attention.bits = a->bits;
  a->attention.p = 0.5;
}
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
SPOIL(float_lengths, a->lengths.dtype = CUDROP_F32)
SPOIL(q_in_pieces, a->q.stride[3] = 2)
SPOIL(k_in_pieces, a->k.stride[3] = -1)
SPOIL(dv_in_pieces, a->dv.stride[3] = 2)

static void uneven_lengths(arguments_t *a) {
  a->lengths = cudrop_matrix(a->lengths.data, CUDROP_I32, BATCH, HEADS);
  a->lengths.stride[0] = HEADS + 1;
}

/* ---- Options ---------------------------------------------------------------------- */

SPOIL(scale_nan, a->attention.scale = NAN)
SPOIL(scale_infinite, a->attention.scale = -INFINITY)
SPOIL(causal_three, a->attention.causal = (cudrop_causal_t)3)
SPOIL(causal_negative, a->attention.causal = (cudrop_causal_t)-1)
SPOIL(offset_negative, a->attention.causal = CUDROP_CAUSAL;
      a->attention.query_offset = -1)
SPOIL(offset_alone, a->attention.query_offset = 3)
SPOIL(offset_of_last, a->attention.causal = CUDROP_CAUSAL_LAST;
      a->attention.query_offset = 1)
SPOIL(mask_and_bits, a->attention.bits = a->bits)
SPOIL(rate_without_bits, a->attention.p = 0.25)
SPOIL(bits_with_bad_rate, give_bits(a); a->attention.p = 1.5)
SPOIL(bad_rate, a->mask.p = -0.5)
SPOIL(rate_nan, a->mask.p = NAN)
SPOIL(index_rank_differs, a->mask.index_rank = 3)
SPOIL(index_stride_negative, a->mask.index_rank = RANK; a->mask.index_stride[3] = -2)
SPOIL(index_too_large, a->mask.index_base = ((uint64_t)1 << 59) - SCORES + 1)
SPOIL(unknown_accumulate, a->backward.accumulate = 4)
SPOIL(accumulate_parameters, a->backward.accumulate = CUDROP_ACCUMULATE_PARAMETERS)
SPOIL(accumulate_both, a->backward.accumulate = 3)

/* ---- Memory ----------------------------------------------------------------------- */

SPOIL(o_is_k, a->o.data = a->k.data)
SPOIL(o_is_q_shifted, a->o.data = (float *)a->q.data + D)
SPOIL(o_is_q_upside_down, a->o.data = (float *)a->q.data + (QUERIES - 1) * D;
      a->o.stride[2] = -D)
SPOIL(o_repeats, a->o.stride[1] = 0)
SPOIL(lse_is_o, a->lse.data = (float *)a->o.data + 3)
SPOIL(lse_repeats, a->lse.stride[0] = 1)
SPOIL(lengths_in_lse, a->lengths.data = a->lse.data)
SPOIL(bits_in_o, give_bits(a);
      a->attention.bits = (char *)a->o.data - (SCORES + 7) / 8 + 1)
SPOIL(bits_in_dv, give_bits(a); a->attention.bits = (char *)a->dv.data + 4)
SPOIL(dk_is_k, a->dk.data = a->k.data)
SPOIL(dv_is_v, a->dv.data = a->v.data)
SPOIL(dv_is_dk, a->dv.data = a->dk.data)
SPOIL(dq_is_lse, a->dq.data = a->lse.data)
SPOIL(dq_is_dk, a->dq.data = a->dk.data)
SPOIL(dk_is_dout, a->dk.data = a->dout.data)
SPOIL(dq_is_o_shifted, a->dq.data = (float *)a->o.data + 1)
SPOIL(dq_repeats, a->dq.stride[2] = 0)
SPOIL(small_workspace, a->backward.workspace_bytes -= 1)
SPOIL(workspace_in_k, a->k.data = (float *)a->backward.workspace + 4)
SPOIL(workspace_in_dk, a->dk.data = a->backward.workspace)

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
    {FORWARD, null_lengths_data, CUDROP_ERROR_NULL_POINTER, "lengths has data = NULL"},
    {BACKWARD, null_workspace, CUDROP_ERROR_NULL_POINTER, "workspace is NULL"},

    {FORWARD, no_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has rank = 0, and rows need a dimension"},
    {FORWARD, one_dimension, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has rank = 1, and queries of several elements need 2"},
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
    {FORWARD, float_lengths, CUDROP_ERROR_DTYPE,
     "lengths has dtype = 1 (F32), which is not I32 or I64"},
    {FORWARD, q_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "q has stride[3] = 2, and rows have 1"},
    {FORWARD, k_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "k has stride[3] = -1, and rows have 1"},
    {BACKWARD, dv_in_pieces, CUDROP_ERROR_INVALID_ARGUMENT,
     "dv has stride[3] = 2, and rows have 1"},
    {FORWARD, uneven_lengths, CUDROP_ERROR_INVALID_ARGUMENT,
     "lengths has strides that do not put them evenly apart"},

    {FORWARD, scale_nan, CUDROP_ERROR_INVALID_ARGUMENT, "scale = nan is not finite"},
    {BACKWARD, scale_infinite, CUDROP_ERROR_INVALID_ARGUMENT,
     "scale = -inf is not finite"},
    {FORWARD, causal_three, CUDROP_ERROR_INVALID_ARGUMENT, "causal = 3 does not exist"},
    {BACKWARD, causal_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "causal = -1 does not exist"},
    {FORWARD, offset_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = -1 is negative"},
    {FORWARD, offset_alone, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = 3 means nothing without CUDROP_CAUSAL"},
    {BACKWARD, offset_of_last, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = 1 means nothing without CUDROP_CAUSAL"},
    {FORWARD, mask_and_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask and bits are both there, and one of them drops"},
    {BACKWARD, rate_without_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "p = 0.25 is the rate of bits, and bits is NULL"},
    {FORWARD, bits_with_bad_rate, CUDROP_ERROR_INVALID_ARGUMENT,
     "p = 1.5 is outside [0, 1]"},
    {FORWARD, bad_rate, CUDROP_ERROR_INVALID_ARGUMENT, "p = -0.5 is outside [0, 1]"},
    {BACKWARD, rate_nan, CUDROP_ERROR_INVALID_ARGUMENT, "p = nan is outside [0, 1]"},
    {BACKWARD, index_rank_differs, CUDROP_ERROR_SHAPE,
     "mask has index_rank = 3 and q has rank = 4"},
    {FORWARD, index_stride_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask has index_stride[3] = -2, which is negative"},
    {FORWARD, index_too_large, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 576460752303422949 reaches an index of 2^59 or more"},
    {BACKWARD, unknown_accumulate, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x4 has bits beside those of cudrop_accumulate_t"},
    {BACKWARD, accumulate_parameters, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x2, and there is no gradient of a parameter"},
    {BACKWARD, accumulate_both, CUDROP_ERROR_INVALID_ARGUMENT,
     "accumulate = 0x3, and there is no gradient of a parameter"},

    {FORWARD, o_is_k, CUDROP_ERROR_OVERLAP, "o overlaps k"},
    {FORWARD, o_is_q_shifted, CUDROP_ERROR_OVERLAP,
     "o overlaps q without being the same tensor"},
    {FORWARD, o_is_q_upside_down, CUDROP_ERROR_OVERLAP,
     "o overlaps q without being the same tensor"},
    {FORWARD, o_repeats, CUDROP_ERROR_OVERLAP,
     "o has strides that put two elements in one place"},
    {FORWARD, lse_is_o, CUDROP_ERROR_OVERLAP, "o overlaps lse"},
    {FORWARD, lse_repeats, CUDROP_ERROR_OVERLAP,
     "lse has strides that put two elements in one place"},
    {FORWARD, lengths_in_lse, CUDROP_ERROR_OVERLAP, "lse overlaps lengths"},
    {FORWARD, bits_in_o, CUDROP_ERROR_OVERLAP, "o overlaps bits"},
    {BACKWARD, bits_in_dv, CUDROP_ERROR_OVERLAP, "dv overlaps bits"},
    {BACKWARD, dk_is_k, CUDROP_ERROR_OVERLAP, "dk overlaps k"},
    {BACKWARD, dv_is_v, CUDROP_ERROR_OVERLAP, "dv overlaps v"},
    {BACKWARD, dv_is_dk, CUDROP_ERROR_OVERLAP, "dk overlaps dv"},
    {BACKWARD, dq_is_lse, CUDROP_ERROR_OVERLAP, "dq overlaps lse"},
    {BACKWARD, dq_is_dk, CUDROP_ERROR_OVERLAP, "dq overlaps dk"},
    {BACKWARD, dk_is_dout, CUDROP_ERROR_OVERLAP, "dk overlaps dout"},
    {BACKWARD, dq_is_o_shifted, CUDROP_ERROR_OVERLAP,
     "dq overlaps o without being the same tensor"},
    {BACKWARD, dq_repeats, CUDROP_ERROR_OVERLAP,
     "dq has strides that put two elements in one place"},
    {BACKWARD, small_workspace, CUDROP_ERROR_WORKSPACE,
     "workspace_bytes = 7919, and 7920 are needed; see "
     "cudrop_attend_backward_workspace()"},
    {BACKWARD, workspace_in_k, CUDROP_ERROR_OVERLAP, "k overlaps workspace"},
    {BACKWARD, workspace_in_dk, CUDROP_ERROR_OVERLAP, "dk overlaps workspace"},
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
  return call == FORWARD ? cudrop_attend_forward(a->context, &a->forward)
                         : cudrop_attend_backward(a->context, &a->backward);
}

enum { TENSORS = 12, EACH = 2048 };
static _Alignas(16) float memory[TENSORS][EACH];
static float before[TENSORS][EACH];

/* Arguments that are right, in poisoned memory. */
static void make_arguments(arguments_t *a) {
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

/* Of a call's own arguments, and of the value that both calls share. */
START_TEST(what_is_reserved_must_be_0) {
  const call_t call = (call_t)_i;
  arguments_t a;
  make_arguments(&a);
  uint64_t *const args[] = {a.forward.reserved, a.backward.reserved};
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

/* Data and workspaces whose addresses are in the text. */
START_TEST(misaligned_memory_is_refused) {
  char rule[100];
  arguments_t a;
  make_arguments(&a);
  a.v.data = (char *)a.v.data + 2;
  snprintf(rule, sizeof rule,
           "v has data = %p, which is not aligned to its 4 bytes an element", a.v.data);
  expect_refused(&a, FORWARD, CUDROP_ERROR_INVALID_ARGUMENT, rule);
  make_arguments(&a);
  a.backward.workspace = (float *)a.backward.workspace + 2;
  snprintf(rule, sizeof rule, "workspace = %p is not aligned to 16 bytes",
           a.backward.workspace);
  expect_refused(&a, BACKWARD, CUDROP_ERROR_INVALID_ARGUMENT, rule);
}
END_TEST

/* The mask index is that of the scores, of which there are more than elements of q or k. */
START_TEST(too_many_scores_are_refused) {
  const int64_t many = (int64_t)1 << 30;
  char rule[100];
  arguments_t a;
  make_arguments(&a);
  a.attention.lengths = NULL;
  a.q = a.o = cudrop_matrix(a.q.data, CUDROP_F32, many, D);
  a.k = a.v = cudrop_matrix(a.k.data, CUDROP_F32, many, D);
  a.lse = cudrop_vector(a.lse.data, CUDROP_F32, many);
  snprintf(rule, sizeof rule,
           "mask with index_base = 0 reaches an index of 2^59 or more");
  expect_refused(&a, FORWARD, CUDROP_ERROR_OVERFLOW, rule);
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

START_TEST(bad_sizes_have_no_workspace) {
  size_t bytes = 77;
  ck_assert_error(cudrop_attend_backward_workspace(-1, 8, &bytes),
                  CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_attend_backward_workspace: rows = -1 and cols = 8, of which "
                  "one is negative");
  ck_assert_error(
      cudrop_attend_backward_workspace(INT64_MAX, 8, &bytes), CUDROP_ERROR_OVERFLOW,
      "cudrop_attend_backward_workspace: the workspace for 9223372036854775807 "
      "rows of 8 columns has more bytes than 63 bits count");
  ck_assert_error(cudrop_attend_backward_workspace(8, INT64_MAX, &bytes),
                  CUDROP_ERROR_OVERFLOW,
                  "cudrop_attend_backward_workspace: the workspace for 8 rows of "
                  "9223372036854775807 columns has more bytes than 63 bits count");
  ck_assert_uint_eq(bytes, 77);
}
END_TEST

/* What is right, up to the last byte and index, is not refused; on the host, where memory is. */
SPOIL(nothing, (void)a)
SPOIL(o_is_q, a->o.data = a->q.data)
SPOIL(dq_is_q, a->dq.data = a->q.data)
SPOIL(dq_is_o, a->dq.data = a->o.data)
SPOIL(dq_is_dout, a->dq.data = a->dout.data)
SPOIL(k_is_v, a->k.data = a->v.data)
SPOIL(q_repeats, a->q.stride[1] = a->k.stride[0] = 0)
SPOIL(last_index, a->mask.index_base = ((uint64_t)1 << 59) - SCORES)
SPOIL(bits_before_o, give_bits(a);
      a->attention.bits = (char *)a->o.data - (SCORES + 7) / 8)
SPOIL(offset_of_causal, a->attention.causal = CUDROP_CAUSAL;
      a->attention.query_offset = INT64_MAX)
SPOIL(dk_alone, a->backward.dq = a->backward.dv = NULL)
SPOIL(no_mask, a->attention.mask = NULL; a->attention.lengths = NULL)

static void (*const rights[])(arguments_t *) = {
    nothing,  o_is_q,    dq_is_q,    dq_is_o,          dq_is_dout,
    k_is_v,   q_repeats, last_index, offset_of_causal, bits_before_o,
    dk_alone, no_mask,   give_bits};
enum { RIGHTS = sizeof rights / sizeof rights[0] };

START_TEST(what_is_right_is_not_refused) {
  arguments_t a;
  if (suite_backend() != CUDROP_HOST) return;
  make_arguments(&a);
  rights[_i](&a);
  ck_assert_ok(make_call(&a, FORWARD));
  ck_assert_ok(make_call(&a, BACKWARD));
}
END_TEST

static TCase *rules_case(void) {
  TCase *tests = suite_case("rules", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, a_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_loop_test(tests, what_is_reserved_must_be_0, 0, CALLS);
  tcase_add_loop_test(tests, what_is_right_is_not_refused, 0, RIGHTS);
  tcase_add_test(tests, misaligned_memory_is_refused);
  tcase_add_test(tests, too_many_scores_are_refused);
  tcase_add_test(tests, null_arguments_are_named);
  tcase_add_test(tests, bad_sizes_have_no_workspace);
  return tests;
}

SUITE_MAIN("bad_attend", rules_case())
