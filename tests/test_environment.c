/*
 * test_environment.c - operators in floating-point environments other than the default one.
 *
 * They give the default one's bytes, on however many threads, and leave the environment as it
 * was, to the bit.
 */
#define _GNU_SOURCE /* feenableexcept */
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "around.h"
#include "core/context.h"
#include "cudrop/mask.h"
#include "every_operator.h"
#include "suite.h"

/* ---- Environments ------------------------------------------------------------------------ */

/* Subnormals are taken for zeros and become zeros: FTZ and DAZ. */
static void flush(void) {
#if defined(__x86_64__)
  uint32_t control;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  control |= 0x8040;
  __asm__ volatile("ldmxcsr %0" : : "m"(control));
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  __asm__ volatile("msr fpcr, %0" : : "r"(control | 1 << 24));
#endif
}

static void round_upward(void) {
  fesetround(FE_UPWARD);
}

static void round_downward(void) {
  fesetround(FE_DOWNWARD);
}

static void round_toward_zero(void) {
  fesetround(FE_TOWARDZERO);
}

/* All exceptions: even a result that is merely rounded ends the program. */
static void trap(void) {
  feenableexcept(FE_ALL_EXCEPT);
}

/* Together with flags that a program has raised and not looked at yet. */
static void flush_and_round_upward(void) {
  flush();
  round_upward();
  feraiseexcept(FE_DIVBYZERO);
}

static const struct {
  const char *name;
  void (*set)(void);
} environments[] = {
    {"FTZ and DAZ", flush},
    {"upward", round_upward},
    {"downward", round_downward},
    {"toward zero", round_toward_zero},
    {"traps", trap},
    {"FTZ, DAZ and upward, a flag raised", flush_and_round_upward},
};
enum { ENVIRONMENTS = sizeof environments / sizeof environments[0] };

static int chosen; /* the environment that calls are made in */
static fenv_t own, set;
static int changes; /* calls that left another one */

static void enter(void) {
  fegetenv(&own);
  feclearexcept(FE_ALL_EXCEPT); /* so that every flag that is raised shows */
  environments[chosen].set();
  fegetenv(&set);
}

static void leave(void) {
  fenv_t left;
  fegetenv(&left);
  fesetenv(&own);
  changes += memcmp(&left, &set, sizeof set) != 0;
}

/* ---- Operators --------------------------------------------------------------------------- */

static cudrop_context_t *reference, *context;

static void open_contexts(void) {
  ck_assert_ok(cudrop_create(&reference, CUDROP_HOST, 0));
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
  context->host.least_threaded = 1;
}

static void close_contexts(void) {
  around_calls(NULL, NULL, NULL);
  ck_assert_ok(cudrop_destroy(&reference));
  ck_assert_ok(cudrop_destroy(&context));
}

static void expect_the_default_bytes(const char *where) {
  around_calls(context, enter, leave);
  const char *wrong = every_operator(reference, context);
  ck_assert_msg(wrong[0] == '\0', "%s%s: %s", environments[chosen].name, where, wrong);
  ck_assert_msg(changes == 0, "%s%s: %d calls left another environment",
                environments[chosen].name, where, changes);
}

START_TEST(operators_compute_in_the_default_environment) {
  chosen = _i;
  expect_the_default_bytes("");
}
END_TEST

START_TEST(threads_compute_in_the_default_environment) {
  chosen = _i;
  if (suite_backend() != CUDROP_HOST) return; /* which has none */
  ck_assert_ok(cudrop_set_threads(context, 3));
  expect_the_default_bytes(", 3 threads");
}
END_TEST

/* Threads begin with the environment of the thread that makes them. */
START_TEST(threads_do_not_keep_the_environment_they_were_made_in) {
  chosen = _i;
  if (suite_backend() != CUDROP_HOST) return;
  enter();
  const cudrop_status_t status = cudrop_set_threads(context, 3);
  leave();
  ck_assert_ok(status);
  expect_the_default_bytes(", and threads were made there");
}
END_TEST

/* ---- Refusals ---------------------------------------------------------------------------- */

/* Calls that are refused for a number; the last one is not: 1e-40f is above 0. */
static cudrop_status_t refuse(int which) {
  static const float data[4];
  static float result[4];
  static const _Alignas(16) char place[16]; /* taken for a block, and not looked into */
  const cudrop_tensor_t x = cudrop_matrix(data, CUDROP_F32, 0, 4);
  const cudrop_tensor_t y = cudrop_matrix(result, CUDROP_F32, 0, 4);
  const double rates[] = {1.1, -0.1, -5e-324, NAN, 5e-324};
  const float epsilons[] = {NAN, -1e-40f, 1e-40f};
  cudrop_mask_t mask = cudrop_mask(0, 0, rates[which < 5 ? which : 0]);
  if (which < 4) return cudrop_forward(context, &x, &mask, &y);
  mask.prepared = (const cudrop_prepared_t *)(const void *)place;
  if (which == 4) return cudrop_forward(context, &x, &mask, &y);
  const cudrop_norm_t norm = {.epsilon = epsilons[which - 5]};
  return cudrop_norm_forward(context,
                             &(cudrop_norm_forward_t){.norm = &norm, .x = &x, .y = &y});
}

START_TEST(numbers_are_judged_and_told_as_in_the_default_environment) {
  static const char *const texts[] = {
      "cudrop_forward: p = 1.1 is outside [0, 1]",
      "cudrop_forward: p = -0.1 is outside [0, 1]",
      "cudrop_forward: p = -4.94065645841247e-324 is outside [0, 1]",
      "cudrop_forward: p = nan is outside [0, 1]",
      ("cudrop_forward: mask is prepared and has seed = 0 and p = 4.94065645841247e-324, "
       "which must be 0"),
      "cudrop_norm_forward: epsilon = nan must be finite and above 0",
      "cudrop_norm_forward: epsilon = -9.99995e-41 must be finite and above 0"};
  enum { TEXTS = sizeof texts / sizeof texts[0] };
  chosen = _i;
  for (int k = 0; k <= TEXTS; ++k) {
    enter();
    const cudrop_status_t status = refuse(k);
    leave();
    ck_assert_int_eq(status, k < TEXTS ? CUDROP_ERROR_INVALID_ARGUMENT : CUDROP_OK);
    ck_assert_str_eq(cudrop_last_error(), texts[k < TEXTS ? k : TEXTS - 1]);
  }
  ck_assert_int_eq(changes, 0);
}
END_TEST

/* ---- Inline code, and the harness -------------------------------------------------------- */

static const double thresholds_of[] = {0.0,  4e-310, 1e-30,     0x1p-80,
                                       1e-6, 0.1,    1.0 / 3.0, 1.0};
enum { RATES = sizeof thresholds_of / sizeof thresholds_of[0] };

/* Code of mask.h computes where it is called, and its thresholds are exact. */
START_TEST(thresholds_of_inline_code_are_the_same_in_every_environment) {
  if (environments[_i].set == trap) return; /* the caller's traps are the caller's */
  chosen = _i;
  for (int k = 0; k < RATES; ++k) {
    const volatile double p = thresholds_of[k];
    const cudrop_mask_threshold_t expected = cudrop_mask_threshold(p);
    enter();
    const cudrop_mask_threshold_t threshold = cudrop_mask_threshold(p);
    leave();
    ck_assert_uint_eq(threshold.t0, expected.t0);
    ck_assert_uint_eq(threshold.t1, expected.t1);
  }
}
END_TEST

/* That the environments are what they are called: otherwise all of the above says nothing. */
START_TEST(arithmetic_without_a_guard_notices) {
  volatile float small = 1e-40f, third = 1.0f, minus_third = -1.0f;
  chosen = _i;
  const pid_t child = environments[_i].set == trap ? fork() : -1;
  if (child == 0) {
    signal(SIGFPE, SIG_DFL); /* sanitizers have a handler */
    enter();
    third /= 3.0f;
    _exit(0);
  }
  if (child > 0) {
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGFPE);
    return;
  }
  enter();
  small *= 0.5f;
  third /= 3.0f;
  minus_third /= 3.0f;
  leave();
  ck_assert(small == 0.0f || third != 1.0f / 3.0f || minus_third != -1.0f / 3.0f);
  ck_assert_int_eq(changes, 1); /* the flag of inexact results is raised */
}
END_TEST

static TCase *environment_case(void) {
  TCase *tests = suite_case("environment", 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, operators_compute_in_the_default_environment, 0,
                      ENVIRONMENTS);
  tcase_add_loop_test(tests, threads_compute_in_the_default_environment, 0, ENVIRONMENTS);
  tcase_add_loop_test(tests, threads_do_not_keep_the_environment_they_were_made_in, 0,
                      ENVIRONMENTS);
  tcase_add_loop_test(tests, numbers_are_judged_and_told_as_in_the_default_environment, 0,
                      ENVIRONMENTS);
  tcase_add_loop_test(tests, thresholds_of_inline_code_are_the_same_in_every_environment,
                      0, ENVIRONMENTS);
  tcase_add_loop_test(tests, arithmetic_without_a_guard_notices, 0, ENVIRONMENTS);
  return tests;
}

SUITE_MAIN("environment", environment_case())
