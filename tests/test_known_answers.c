/* test_known_answers.c - the table of known answers, and that its check can fail. */
#include "../csrc/cli/known_answers.h"

#include <string.h>

#include "suite_context.h"

START_TEST(every_row_of_the_table_comes_out) {
  static const int rows[] = {3, 4, 7, 8, 6, 1, 4};
  int kinds = 0;
  for (; known_answer_kind(kinds) != NULL; ++kinds) {
    const known_answers_result_t result =
        check_known_answers(known_answers, known_answer_kind(kinds), context);
    ck_assert_msg(result.wrong == 0, "%s", result.first_wrong);
    ck_assert_int_eq(result.rows, rows[kinds]);
  }
  ck_assert_int_eq(kinds, 7);
}
END_TEST

START_TEST(a_changed_digit_anywhere_in_a_row_is_noticed) {
  static const char *const rows[] = {
      "philox 0 0 0 0 0 0 0x6627e8d5 0xe169c58d 0xbc57ac4c 0x9b00dbd9",
      "curand 42 0 0 0x9ceaf053 0x77f5493b 0x12bf50ad 0x5742b3d6",
      "curand 42 0 1 0x9ceaf053 0x77f5493b 0x12bf50ad 0x5742b3d7",
      "threshold 0.1 6553 0x999999999a000001",
      "drops 42 0 0 0.1 2002000231000005",
      "drops 42 0 8 0.1 2002000231000004",
      "tie 42 0 0.1 2583 0x1fe323ed1b77415b drop",
      "tie 42 0 0.1 2583 0x1fe323ed1b77415a keep",
      "tie 42 0 0.1 2583 0x1fe323ed1b77415a dropped",
      "first 42 0 1e-6 2402256 3860047 6984959 7376449",
      "child 42 0 0x989b3f130a063868",
      "child 42 0",
      "child 42 0 0x989b3f130a063869 1",
      "child 42 -1 0x989b3f130a063869",
  };
  char kind[16] = "";
  memcpy(kind, rows[_i], strcspn(rows[_i], " "));
  const known_answers_result_t result = check_known_answers(rows[_i], kind, context);
  ck_assert_int_eq(result.rows, 1);
  ck_assert_int_eq(result.wrong, 1);
  ck_assert_str_eq(result.first_wrong, rows[_i]);
}
END_TEST

static TCase *known_answers_case(void) {
  TCase *tests = suite_case("known answers", 120);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, every_row_of_the_table_comes_out);
  tcase_add_loop_test(tests, a_changed_digit_anywhere_in_a_row_is_noticed, 0, 14);
  return tests;
}

SUITE_MAIN("known answers", known_answers_case())
