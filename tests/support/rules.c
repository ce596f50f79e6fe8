/* rules.c - what calls refuse. */
#include "rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"
#include "view.h"

_Alignas(16) float rules_memory[RULES_TENSORS][RULES_FLOATS];
static uint8_t before[sizeof rules_memory];

void rules_poison(void) {
  memset(rules_memory, VIEW_POISON, sizeof rules_memory);
  memset(before, VIEW_POISON, sizeof before);
}

void rules_expect_refused(const call_t *call, const arguments_t *a,
                          cudrop_status_t status, const char *text) {
  char whole[200];
  ck_assert_str_eq(cudrop_status_name(call->make(a)), cudrop_status_name(status));
  snprintf(whole, sizeof whole, "%s: %s", call->function, text != NULL ? text : "");
  if (text != NULL) {
    ck_assert_str_eq(cudrop_last_error(), whole);
  } else {
    ck_assert(strncmp(cudrop_last_error(), whole, strlen(whole)) == 0);
  }
  ck_assert_mem_eq(rules_memory, before, sizeof before);
}

void rules_expect(const call_t *calls, const rule_t *rule, arguments_t *a) {
  rule->spoil(a);
  rules_expect_refused(&calls[rule->call], a, rule->status, rule->text);
}

void rules_expect_reserved(const call_t *call, const arguments_t *a, const char *owner,
                           uint64_t reserved[CUDROP_RESERVED]) {
  for (int k = 0; k < CUDROP_RESERVED; ++k) {
    char text[100];
    reserved[k] = (uint64_t)1 << (21 * k); /* the lowest and the highest bit, too */
    snprintf(text, sizeof text, "%s has reserved[%d] = %#llx, which must be 0", owner, k,
             (unsigned long long)reserved[k]);
    rules_expect_refused(call, a, CUDROP_ERROR_INVALID_ARGUMENT, text);
    reserved[k] = 0;
  }
}

/* ---- Rules of cudrop_attention_t --------------------------------------------------- */

#define SPOIL_ATTENTION(name, ...)          \
  static void name(cudrop_attention_t *a) { \
    __VA_ARGS__;                            \
  }

static const void *const some_bits = rules_memory[RULES_TENSORS - 1];

static void set_rate(cudrop_attention_t *a, double p) {
  static cudrop_mask_t mask;
  mask = *a->mask;
  mask.p = p;
  a->mask = &mask;
}

/* A copy of the lengths, to be spoilt. */
static cudrop_tensor_t *copy_lengths(cudrop_attention_t *a) {
  static cudrop_tensor_t lengths;
  lengths = *a->lengths;
  a->lengths = &lengths;
  return &lengths;
}

SPOIL_ATTENTION(causal_three, a->causal = (cudrop_causal_t)3)
SPOIL_ATTENTION(causal_negative, a->causal = (cudrop_causal_t)-1)
SPOIL_ATTENTION(offset_negative, a->query_offset = -1)
SPOIL_ATTENTION(negative_with_causal, a->causal = CUDROP_CAUSAL; a->query_offset = -1)
SPOIL_ATTENTION(offset_alone, a->query_offset = 3)
SPOIL_ATTENTION(offset_of_last, a->causal = CUDROP_CAUSAL_LAST; a->query_offset = 1)
SPOIL_ATTENTION(window_negative, a->causal = CUDROP_CAUSAL; a->window = -1)
SPOIL_ATTENTION(window_alone, a->window = 3)
SPOIL_ATTENTION(mask_and_bits, a->bits = some_bits)
SPOIL_ATTENTION(rate_without_bits, a->p = 0.25)
SPOIL_ATTENTION(bits_with_bad_rate, a->mask = NULL; a->bits = some_bits; a->p = 1.5)
SPOIL_ATTENTION(bad_rate, set_rate(a, -0.5))
SPOIL_ATTENTION(rate_nan, set_rate(a, NAN))
SPOIL_ATTENTION(float_lengths, copy_lengths(a)->dtype = CUDROP_F32)
SPOIL_ATTENTION(null_lengths_data, copy_lengths(a)->data = NULL)
SPOIL_ATTENTION(scale_nan, a->scale = NAN)
SPOIL_ATTENTION(scale_infinite, a->scale = -INFINITY)

const attention_rule_t attention_rules[ATTENTION_RULES] = {
    {causal_three, CUDROP_ERROR_INVALID_ARGUMENT, "causal = 3 does not exist"},
    {causal_negative, CUDROP_ERROR_INVALID_ARGUMENT, "causal = -1 does not exist"},
    {offset_negative, CUDROP_ERROR_INVALID_ARGUMENT, "query_offset = -1 is negative"},
    {negative_with_causal, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = -1 is negative"},
    {offset_alone, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = 3 means nothing without CUDROP_CAUSAL"},
    {offset_of_last, CUDROP_ERROR_INVALID_ARGUMENT,
     "query_offset = 1 means nothing without CUDROP_CAUSAL"},
    {window_negative, CUDROP_ERROR_INVALID_ARGUMENT, "window = -1 is negative"},
    {window_alone, CUDROP_ERROR_INVALID_ARGUMENT,
     "window = 3 means nothing without CUDROP_CAUSAL or CUDROP_CAUSAL_LAST"},
    {mask_and_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask and bits are both there, and one of them drops"},
    {rate_without_bits, CUDROP_ERROR_INVALID_ARGUMENT,
     "p = 0.25 is the rate of bits, and bits is NULL"},
    {bits_with_bad_rate, CUDROP_ERROR_INVALID_ARGUMENT, "p = 1.5 is outside [0, 1]"},
    {bad_rate, CUDROP_ERROR_INVALID_ARGUMENT, "p = -0.5 is outside [0, 1]"},
    {rate_nan, CUDROP_ERROR_INVALID_ARGUMENT, "p = nan is outside [0, 1]"},
    {float_lengths, CUDROP_ERROR_DTYPE,
     "lengths has dtype = 1 (F32), which is not I32 or I64"},
    {null_lengths_data, CUDROP_ERROR_NULL_POINTER, "lengths has data = NULL"},
    {scale_nan, CUDROP_ERROR_INVALID_ARGUMENT, "scale = nan is not finite"},
    {scale_infinite, CUDROP_ERROR_INVALID_ARGUMENT, "scale = -inf is not finite"},
};
