/*
 * test_stack.c - how much of its caller's stack an operator needs, and what threads of a
 * context have.
 *
 * The stack below a call is painted before it; what has another colour after it was used.
 */
#define _GNU_SOURCE /* pthread_setattr_default_np */
#include <pthread.h>
#include <unistd.h>

#include "around.h"
#include "core/context.h"
#include "every_operator.h"
#include "suite.h"

/* What cudrop.h says; more is painted, to see by how much a call is beyond it. */
enum { STATED = 64 << 10, PAINTED = 4 * STATED, COLOUR = 0xA5 };

static const char *const paths[] = {"scalar", "sse2", "avx2", "avx512"};
enum { PATHS = sizeof paths / sizeof paths[0] };

static cudrop_context_t *reference, *context;

static void open_contexts(void) {
  ck_assert_ok(cudrop_create(&reference, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  context->host.least_threaded = 1;
}

static void close_contexts(void) {
  around_calls(NULL, NULL, NULL);
  ck_assert_ok(cudrop_destroy(&reference));
  ck_assert_ok(cudrop_destroy(&context));
}

/* ---- Painted ----------------------------------------------------------------------------- */

static const volatile uint8_t *end; /* of what was painted */
static size_t most;                 /* bytes of any call */

__attribute__((noinline)) static void paint(void) {
  volatile uint8_t area[PAINTED];
  for (size_t k = 0; k < sizeof area; ++k) area[k] = COLOUR;
  end = __builtin_frame_address(0);
}

static void look(void) {
  const volatile uint8_t *at = end - PAINTED;
  while (at < end && *at == COLOUR) ++at;
  if ((size_t)(end - at) > most) most = (size_t)(end - at);
}

/* False, and said aloud, where this processor lacks the path. */
static bool choose(const char *path) {
  const bool is_there = cudropi_choose_path(path, &context->host.path);
  if (!is_there) printf("skipped: %s is no path of this processor\n", path);
  return is_there;
}

START_TEST(no_operator_needs_more_than_is_stated) {
  if (!choose(paths[_i])) return;
  around_calls(context, paint, look);
  ck_assert_str_eq(every_operator(reference, context), "");
  printf("%s: %zu bytes of stack\n", paths[_i], most);
  ck_assert_uint_gt(most, STATED / 2); /* or nothing was seen */
  ck_assert_uint_le(most, STATED);
}
END_TEST

/* The text of an error is formatted on the stack. */
START_TEST(no_refusal_needs_more_than_is_stated) {
  const cudrop_tensor_t none = cudrop_vector(NULL, CUDROP_F32, 0);
  const cudrop_mask_t mask = cudrop_mask(0, 0, 1.0 + 0x1p-52);
  paint();
  const cudrop_status_t status = cudrop_forward(context, &none, &mask, &none);
  look();
  ck_assert_int_eq(status, CUDROP_ERROR_INVALID_ARGUMENT);
  ck_assert_uint_le(most, STATED);
}
END_TEST

/* ---- Threads with little of it ----------------------------------------------------------- */

static void *call_every_operator(void *argument) {
  const char **wrong = argument;
  *wrong = every_operator(reference, context);
  return NULL;
}

/* The trials around the calls and the thread itself take some; a page that may not be touched
 * follows. */
START_TEST(a_thread_with_little_more_than_is_stated_calls_every_operator) {
  enum { OF_TRIALS = 16 << 10 };
  pthread_attr_t attributes;
  pthread_t thread;
  const char *wrong = NULL;
  if (!choose(paths[_i])) return;
  ck_assert_int_eq(pthread_attr_init(&attributes), 0);
  ck_assert_int_eq(pthread_attr_setstacksize(&attributes, STATED + OF_TRIALS), 0);
  ck_assert_int_eq(pthread_create(&thread, &attributes, call_every_operator, &wrong), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_str_eq(wrong, "");
}
END_TEST

START_TEST(threads_of_a_context_have_enough_where_other_threads_have_little) {
  pthread_attr_t attributes;
  ck_assert_int_eq(pthread_attr_init(&attributes), 0);
  ck_assert_int_eq(
      pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)), 0);
  ck_assert_int_eq(pthread_setattr_default_np(&attributes), 0); /* from now on */
  ck_assert_ok(cudrop_set_threads(context, 3));
  ck_assert_str_eq(every_operator(reference, context), "");
}
END_TEST

static TCase *stack_case(void) {
  TCase *tests = suite_case("stack", 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, no_operator_needs_more_than_is_stated, 0, PATHS);
  tcase_add_test(tests, no_refusal_needs_more_than_is_stated);
  tcase_add_loop_test(
      tests, a_thread_with_little_more_than_is_stated_calls_every_operator, 0, PATHS);
  tcase_add_test(tests, threads_of_a_context_have_enough_where_other_threads_have_little);
  return tests;
}

SUITE_MAIN("stack", stack_case())
