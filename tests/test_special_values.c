/* test_special_values.c - what `cudrop verify` asks of NaN and its kin, and that each answer of a
 * library made with -ffast-math is noticed: the calls go by way of this file, which spoils them. */
#include "../csrc/cli/special_values.h"

#include <stdint.h>

#include "suite_context.h"

typedef enum {
  NONE,
  ACCEPTS_ALL,     /* numbers that must be refused are not */
  LOSES_NAN,       /* and gives 0 */
  LOSES_INFINITY,  /* and gives the largest number */
  LOSES_SUBNORMAL, /* and gives 0 */
  LOSES_SIGN       /* of zero */
} defect_t;

static defect_t defect;

/* ---- The spoilt library ------------------------------------------------------------------ */

static uint32_t spoil(uint32_t bits) {
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (defect == LOSES_NAN && magnitude > 0x7f800000u) return 0;
  if (defect == LOSES_INFINITY && magnitude == 0x7f800000u) return bits - 1;
  if (defect == LOSES_SUBNORMAL && magnitude < 0x800000u) return bits & 0x80000000u;
  if (defect == LOSES_SIGN && magnitude == 0) return 0;
  return bits;
}

/* Spoil the status and the 64 values of an operator, if they are F32. */
static cudrop_status_t answer(cudrop_context_t *of, cudrop_status_t status,
                              const cudrop_tensor_t *y) {
  uint32_t values[64];
  if (defect == ACCEPTS_ALL) return CUDROP_OK;
  if (status != CUDROP_OK || y->dtype != CUDROP_F32) return status;
  ck_assert_ok(cudrop_download(of, values, y->data, sizeof values));
  for (int k = 0; k < 64; ++k) values[k] = spoil(values[k]);
  ck_assert_ok(cudrop_upload(of, y->data, values, sizeof values));
  return CUDROP_OK;
}

/* The linker's names, by --wrap=cudrop_forward and so on. */
typedef cudrop_status_t forward_t(cudrop_context_t *of, const cudrop_tensor_t *x,
                                  const cudrop_mask_t *mask, const cudrop_tensor_t *y);
typedef cudrop_status_t norm_t(cudrop_context_t *of, const cudrop_norm_forward_t *args);
typedef cudrop_status_t attention_t(cudrop_context_t *of,
                                    const cudrop_attention_forward_t *args);
forward_t __real_cudrop_forward, __wrap_cudrop_forward;
norm_t __real_cudrop_norm_forward, __wrap_cudrop_norm_forward;
attention_t __real_cudrop_attention_forward, __wrap_cudrop_attention_forward;

cudrop_status_t __wrap_cudrop_forward(cudrop_context_t *of, const cudrop_tensor_t *x,
                                      const cudrop_mask_t *mask,
                                      const cudrop_tensor_t *y) {
  return answer(of, __real_cudrop_forward(of, x, mask, y), y);
}

cudrop_status_t __wrap_cudrop_norm_forward(cudrop_context_t *of,
                                           const cudrop_norm_forward_t *args) {
  return answer(of, __real_cudrop_norm_forward(of, args), args->y);
}

cudrop_status_t __wrap_cudrop_attention_forward(cudrop_context_t *of,
                                                const cudrop_attention_forward_t *args) {
  return answer(of, __real_cudrop_attention_forward(of, args),
                args->weights != NULL ? args->weights : args->y);
}

/* ---- The cases --------------------------------------------------------------------------- */

START_TEST(every_special_value_comes_out) {
  static const int rows[] = {6, 8, 6, 4};
  int kinds = 0;
  for (; special_value_kind(kinds) != NULL; ++kinds) {
    const known_answers_result_t result =
        check_special_values(special_value_kind(kinds), context);
    ck_assert_msg(result.wrong == 0, "%s", result.first_wrong);
    ck_assert_int_eq(result.rows, rows[kinds]);
  }
  ck_assert_int_eq(kinds, 4);
}
END_TEST

static const struct {
  defect_t defect;
  const char *kind;
  int wrong;
  const char *first_wrong;
} defects[] = {
    {ACCEPTS_ALL, "nan", 1, "NaN as p, epsilon or scale is refused"},
    {ACCEPTS_ALL, "infinity", 1, "infinity as p, epsilon or scale is refused"},
    {LOSES_NAN, "nan", 2, "a NaN among scores"},
    {LOSES_INFINITY, "infinity", 2, "a kept infinity of F32"},
    {LOSES_SUBNORMAL, "subnormal", 2, "a weight below the normal numbers"},
    {LOSES_SIGN, "zero", 1, "a kept -0 of F32"},
};
enum { DEFECTS = sizeof defects / sizeof defects[0] };

START_TEST(what_fast_math_breaks_is_noticed) {
  defect = defects[_i].defect;
  const known_answers_result_t result = check_special_values(defects[_i].kind, context);
  ck_assert_int_eq(result.wrong, defects[_i].wrong);
  ck_assert_str_eq(result.first_wrong, defects[_i].first_wrong);
  defect = NONE;
}
END_TEST

static TCase *special_values_case(void) {
  TCase *tests = suite_case("special values", 120);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, every_special_value_comes_out);
  tcase_add_loop_test(tests, what_fast_math_breaks_is_noticed, 0, DEFECTS);
  return tests;
}

SUITE_MAIN("special values", special_values_case())
