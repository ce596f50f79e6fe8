/* test_bad_attend_options.c - the rules of attention with dropout about options and memory: status,
 * text, and nothing written; and what is still right. */
#include <math.h>
#include <stdio.h>

#include "attend_arguments.h"
#include "suite_context.h"

/* ---- Options ---------------------------------------------------------------------- */

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

START_TEST(a_broken_rule_is_named_and_nothing_is_written) {
  arguments_t a;
  make_arguments(&a, context);
  rules_expect(attend_calls, &rules[_i], &a);
}
END_TEST

START_TEST(both_calls_refuse_what_attention_may_not_be) {
  const attention_rule_t *rule = &attention_rules[_i / CALLS];
  arguments_t a;
  make_arguments(&a, context);
  rule->spoil(&a.attention);
  rules_expect_refused(&attend_calls[_i % CALLS], &a, rule->status, rule->text);
}
END_TEST

/* Data and workspaces whose addresses are in the text. */
START_TEST(misaligned_memory_is_refused) {
  char rule[100];
  arguments_t a;
  make_arguments(&a, context);
  a.v.data = (char *)a.v.data + 2;
  snprintf(rule, sizeof rule,
           "v has data = %p, which is not aligned to its 4 bytes an element", a.v.data);
  rules_expect_refused(&attend_calls[FORWARD], &a, CUDROP_ERROR_INVALID_ARGUMENT, rule);
  make_arguments(&a, context);
  a.backward.workspace = (float *)a.backward.workspace + 2;
  snprintf(rule, sizeof rule, "workspace = %p is not aligned to 16 bytes",
           a.backward.workspace);
  rules_expect_refused(&attend_calls[BACKWARD], &a, CUDROP_ERROR_INVALID_ARGUMENT, rule);
}
END_TEST

/* The mask index is that of the scores, of which there are more than elements of q or k. */
START_TEST(too_many_scores_are_refused) {
  const int64_t many = (int64_t)1 << 30;
  arguments_t a;
  make_arguments(&a, context);
  a.attention.lengths = NULL;
  a.q = a.o = cudrop_matrix(a.q.data, CUDROP_F32, many, D);
  a.k = a.v = cudrop_matrix(a.k.data, CUDROP_F32, many, D);
  a.lse = cudrop_vector(a.lse.data, CUDROP_F32, many);
  rules_expect_refused(&attend_calls[FORWARD], &a, CUDROP_ERROR_OVERFLOW,
                       "mask with index_base = 0 reaches an index of 2^59 or more");
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

/* What is right, up to the last byte and index, is not refused. */
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
  void *buffer = NULL;
  arguments_t a;
  make_arguments(&a, context);
  ck_assert_ok(cudrop_alloc(context, sizeof rules_memory, &buffer));
  ck_assert_ok(cudrop_upload(context, buffer, rules_memory, sizeof rules_memory));
  move_arguments(&a, buffer);
  rights[_i](&a);
  for (int call = 0; call < CALLS; ++call) ck_assert_ok(attend_calls[call].make(&a));
  ck_assert_ok(cudrop_free(context, &buffer));
}
END_TEST

static TCase *rules_case(void) {
  TCase *tests = suite_case("rules", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, a_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_loop_test(tests, both_calls_refuse_what_attention_may_not_be, 0,
                      ATTENTION_RULES * CALLS);
  tcase_add_loop_test(tests, what_is_right_is_not_refused, 0, RIGHTS);
  tcase_add_test(tests, misaligned_memory_is_refused);
  tcase_add_test(tests, too_many_scores_are_refused);
  tcase_add_test(tests, bad_sizes_have_no_workspace);
  return tests;
}

SUITE_MAIN("bad_attend_options", rules_case())
