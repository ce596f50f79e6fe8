/* test_overlap.c - views that share memory, against marking every byte. */
#include "call/overlap.h"

#include <string.h>

#include "suite.h"

enum { ARENA = 4096, CASES = 40000 };

static uint64_t state = 88172645463325252u;

static int64_t random_below(int64_t end) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (int64_t)(state % (uint64_t)end);
}

static cudropi_footprint_t random_view(void) {
  static const int64_t widths[] = {1, 2, 4, 8};
  cudropi_footprint_t view = {.width = widths[random_below(4)]};
  int64_t low = 0;
  view.rank = (int)random_below(4);
  for (int d = 0; d < view.rank; ++d) {
    view.shape[d] = 1 + random_below(6);
    view.stride[d] = view.width * (random_below(41) - 12);
    if (view.stride[d] < 0) low -= (view.shape[d] - 1) * view.stride[d];
  }
  view.address = (uintptr_t)(low + random_below(64));
  return view;
}

/* Add 1 to every byte of the arena once for each element that holds it. */
static void mark(const cudropi_footprint_t *view, uint8_t *arena) {
  int64_t n = 1;
  for (int d = 0; d < view->rank; ++d) n *= view->shape[d];
  for (int64_t e = 0; e < n; ++e) {
    int64_t at = (int64_t)view->address, rest = e;
    for (int d = view->rank - 1; d >= 0; --d) {
      at += rest % view->shape[d] * view->stride[d];
      rest /= view->shape[d];
    }
    for (int64_t byte = 0; byte < view->width; ++byte) ++arena[at + byte];
  }
}

START_TEST(a_view_repeats_exactly_when_a_byte_is_marked_twice) {
  int repeats = 0;
  for (int k = 0; k < CASES; ++k) {
    const cudropi_footprint_t view = random_view();
    uint8_t arena[ARENA] = {0};
    mark(&view, arena);
    bool twice = false;
    for (int at = 0; at < ARENA; ++at) twice = twice || arena[at] > 1;
    ck_assert_int_eq(cudropi_may_repeat(&view), twice);
    repeats += twice;
  }
  ck_assert_int_gt(repeats, CASES / 20);
  ck_assert_int_lt(repeats, CASES - CASES / 20);
}
END_TEST

START_TEST(two_views_meet_exactly_when_both_mark_a_byte) {
  int meetings = 0;
  for (int k = 0; k < CASES; ++k) {
    const cudropi_footprint_t a = random_view(), b = random_view();
    uint8_t of_a[ARENA] = {0}, of_b[ARENA] = {0};
    mark(&a, of_a);
    mark(&b, of_b);
    bool both = false;
    for (int at = 0; at < ARENA; ++at) both = both || (of_a[at] > 0 && of_b[at] > 0);
    ck_assert_int_eq(cudropi_may_meet(&a, &b), both);
    meetings += both;
  }
  ck_assert_int_gt(meetings, CASES / 20);
  ck_assert_int_lt(meetings, CASES - CASES / 20);
}
END_TEST

START_TEST(huge_views_are_decided_at_once) {
  const int64_t rows = (int64_t)1 << 30, cols = (int64_t)1 << 20;
  const cudropi_footprint_t even = {.address = 64,
                                    .width = 4,
                                    .rank = 2,
                                    .shape = {rows, cols},
                                    .stride = {8 * cols, 8}};
  cudropi_footprint_t odd = even;
  odd.address += 4;
  ck_assert(!cudropi_may_repeat(&even));
  ck_assert(!cudropi_may_meet(&even, &odd));
  odd.address += 1;
  ck_assert(cudropi_may_meet(&even, &odd));
}
END_TEST

START_TEST(a_question_too_hard_to_answer_counts_as_overlap) {
  /* Large coprime strides whose sums crowd around the target: no short search ends. */
  const cudropi_footprint_t view = {
      .address = 64,
      .width = 1,
      .rank = 8,
      .shape = {1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20},
      .stride = {1000003, 999983, 999979, 999961, 999959, 999953, 999931, 999917}};
  ck_assert(cudropi_may_repeat(&view));
}
END_TEST

static TCase *overlap_case(void) {
  TCase *tests = suite_case("overlap", 120);
  tcase_add_test(tests, a_view_repeats_exactly_when_a_byte_is_marked_twice);
  tcase_add_test(tests, two_views_meet_exactly_when_both_mark_a_byte);
  tcase_add_test(tests, huge_views_are_decided_at_once);
  tcase_add_test(tests, a_question_too_hard_to_answer_counts_as_overlap);
  return tests;
}

SUITE_MAIN("overlap", overlap_case())
