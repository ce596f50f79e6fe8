/*
 * test_paths.c - the host's results do not depend on instructions, threads, cuts or caches.
 *
 * Every path of this processor, every number of threads, with stores through the caches and
 * around them, against one thread on the scalar path, which test_operators compares with the
 * oracle.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "suite.h"
#include "trial.h"

static const char *const names[] = {"scalar", "sse2", "avx2", "avx512"};
enum { PATHS = sizeof names / sizeof names[0] };
static const int threads[] = {1, 2, 3, 8};
enum { COUNTS = sizeof threads / sizeof threads[0] };

static cudrop_context_t *reference, *context;

static void open_contexts(void) {
  ck_assert_ok(cudrop_create(&reference, CUDROP_HOST, 0));
  ck_assert(cudropi_choose_path("scalar", &reference->host.path));
  ck_assert_ok(cudrop_create(&context, CUDROP_HOST, 0));
  context->host.least_threaded = 1;
}
static void close_contexts(void) {
  ck_assert_ok(cudrop_destroy(&reference));
  ck_assert_ok(cudrop_destroy(&context));
}

/* Set path, threads and cache for case number k; false if this processor lacks the path. */
static bool choose(int k) {
  context->host.cache_bytes = k % 2 == 0 ? 1 : (size_t)1 << 40;
  ck_assert_ok(cudrop_set_threads(context, threads[k / 2 % COUNTS]));
  return cudropi_choose_path(names[k / 2 / COUNTS], &context->host.path);
}
enum { CASES = 2 * COUNTS * PATHS };

/* Layouts large enough for several threads: one piece, lines, few lines, odd begins. */
static const int64_t pitch[] = {1200, 1};
static const layout_t layouts[] = {{"a vector", 1, {70001}, NULL, NULL},
                                   {"lines", 2, {61, 1111}, pitch, pitch},
                                   {"two long lines", 3, {2, 1, 40000}, NULL, NULL}};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

START_TEST(every_path_and_number_of_threads_gives_the_scalar_bytes) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                          CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
  if (!choose(_i)) return; /* test_operators_... say aloud which paths there are */
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    for (int k = 0; k < LAYOUTS; ++k) {
      trial_t trial = {
          .op = op,
          .dtype = dtypes[(2 * k + (int)op + _i) % 6], /* in turns: all of them */
          .layout = &layouts[k],
          .mask = cudrop_mask(5, (uint64_t)k, 0.1),
          .x_shift = _i % 3,
          .y_shift = op == TRIAL_COUNT_KEPT ? 0 : 2 * (_i % 2)};
      trial.mask.index_base = (uint64_t)((k + _i) % 5);
      if (!trial_takes(op, trial.dtype)) continue;
      const char *wrong = trial_compare(reference, context, &trial);
      ck_assert_msg(wrong[0] == '\0', "%s, %d threads: %s", context->host.path.name,
                    context->host.threads, wrong);
    }
  }
}
END_TEST

START_TEST(threads_outside_the_range_are_refused) {
  ck_assert_error(cudrop_set_threads(context, -1), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_set_threads: threads = -1 is outside [0, 1024]");
  ck_assert_error(cudrop_set_threads(context, 1025), CUDROP_ERROR_INVALID_ARGUMENT,
                  "cudrop_set_threads: threads = 1025 is outside [0, 1024]");
  ck_assert_error(cudrop_set_threads(NULL, 1), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_set_threads: context is NULL");
  ck_assert_int_eq(context->host.threads, 1);
  ck_assert_ok(cudrop_set_threads(context, 0));
  ck_assert_int_eq(context->host.threads, cudropi_count_processors());
}
END_TEST

START_TEST(paths_that_do_not_exist_are_refused) {
  cudrop_context_t *none = NULL;
  ck_assert_int_eq(setenv("CUDROP_HOST_PATH", "abacus", 1), 0);
  ck_assert_error(
      cudrop_create(&none, CUDROP_HOST, 0), CUDROP_ERROR_INVALID_ARGUMENT,
      "cudrop_create: CUDROP_HOST_PATH = abacus is no path of this processor");
  ck_assert_ptr_null(none);
  ck_assert_int_eq(unsetenv("CUDROP_HOST_PATH"), 0);
}
END_TEST

enum { N = 100000 };

/* Whether n elements of a context come out as the reference's. */
static bool is_right(cudrop_context_t *on, uint64_t seed) {
  static const int64_t n = N;
  uint8_t *bits = malloc(2 * (N / 8 + 1));
  const cudrop_mask_t mask = cudrop_mask(seed, 1, 0.3);
  const bool right =
      cudrop_export_bits(on, &mask, 1, &n, bits) == CUDROP_OK &&
      cudrop_export_bits(reference, &mask, 1, &n, bits + N / 8 + 1) == CUDROP_OK &&
      memcmp(bits, bits + N / 8 + 1, N / 8) == 0;
  free(bits);
  return right;
}

START_TEST(threads_come_and_go) {
  for (int k = 0; k < 20; ++k) {
    ck_assert_ok(cudrop_set_threads(context, 1 + k % 4));
    ck_assert(is_right(context, (uint64_t)k));
  }
}
END_TEST

static TCase *paths_case(void) {
  TCase *tests = suite_case("paths", 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, every_path_and_number_of_threads_gives_the_scalar_bytes, 0,
                      CASES);
  tcase_add_test(tests, threads_outside_the_range_are_refused);
  tcase_add_test(tests, paths_that_do_not_exist_are_refused);
  tcase_add_test(tests, threads_come_and_go);
  return tests;
}

SUITE_MAIN("paths", paths_case())
