/* test_bench_faults.c - the harness when a call of the CUDA runtime fails: it says so. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <cuda_runtime_api.h>
#include <string.h>

#include "bench.h"
#include "failure.h"
#include "fake_cudart.h"
#include "json.h"
#include "suite.h"

static char table[1 << 14], document[1 << 14];

/* One case; false if the machine cannot be opened. */
static bool run(bench_operator_id_t op, int64_t n, bench_outcome_t *outcome) {
  FILE *to = fmemopen(table, sizeof table, "w");
  const bench_options_t options = {.backend = CUDROP_CUDA,
                                   .operators = 1u << op,
                                   .dtypes = 1u << CUDROP_F32,
                                   .n = {n},
                                   .sizes = 1,
                                   .p = 0.1,
                                   .repeats = 3,
                                   .json = fmemopen(document, sizeof document, "w")};
  const bool done = bench_run(&options, to, outcome);
  fclose(to);
  fclose(options.json);
  return done;
}

/* A buffer or an object that cannot be given back is lost, and nobody asks for its status; also
 * where cudrop_free() fails before it comes to the call that frees. */
static bool gives_back(const char *call) {
  const char *text = cudrop_last_error();
  return strstr(call, "Free") != NULL || strstr(call, "Destroy") != NULL ||
         (strncmp(text, "cudrop_free: ", 13) == 0 && strstr(text, call) != NULL);
}

static void expect_said(const bench_outcome_t *outcome, bool done, const char *call) {
  ck_assert_msg(!done || outcome->failed > 0, "%s failed unnoticed", call);
  if (done) {
    ck_assert_ptr_nonnull(strstr(table, " FAILED: "));
    ck_assert_ptr_null(json_fault(document));
  } else {
    ck_assert_msg(strstr(bench_failure(), "failed with cudaErrorUnknown") != NULL, "%s",
                  bench_failure());
  }
  ck_assert_uint_eq(fake_cuda_live_objects(), 0);
  ck_assert_uint_eq(fake_cuda_live_blocks(), 0);
}

/* Run a case whose k-th call fails; false if there are fewer. */
static bool fail_at(long k, bench_operator_id_t op, int64_t n) {
  bench_outcome_t outcome;
  fake_cuda_reset();
  fake_cuda_fail(k, cudaErrorUnknown);
  const bool done = run(op, n, &outcome);
  const char *call = fake_cuda_failed_call();
  if (call != NULL && !gives_back(call)) expect_said(&outcome, done, call);
  return call != NULL;
}

/* The first calls one and all, of later ones, which repeat, every 101st; of elements so many that
 * few calls make a sample. */
START_TEST(a_call_that_fails_is_said_and_nothing_is_lost) {
  int failures = 0;
  for (long k = 0; fail_at(k, BENCH_FORWARD_PREPARED, 1 << 15); k += k < 120 ? 1 : 101)
    ++failures;
  ck_assert_int_gt(failures, 120);
}
END_TEST

/* Of the others what is not the same: opening, with a workspace, and inspecting. */
START_TEST(so_it_is_of_operators_on_rows) {
  for (long k = 0; k < 60; ++k) ck_assert(fail_at(k, BENCH_FUSED_BACKWARD, 64));
}
END_TEST

static TCase *bench_faults_case(void) {
  TCase *tests = suite_case("bench_faults", 300);
  tcase_add_test(tests, a_call_that_fails_is_said_and_nothing_is_lost);
  tcase_add_test(tests, so_it_is_of_operators_on_rows);
  return tests;
}

SUITE_MAIN("bench_faults", bench_faults_case())
