/* simt_suite.h - the main program of a suite about the emulator; links no cudrop. */
#ifndef CUDROP_SIMT_SUITE_H
#define CUDROP_SIMT_SUITE_H

#include <check.h>

#include <cstdlib>
#include <string>

#include "fake_cudart.h"
#include "simt.h"

/* What each test begins with: no memory, object or defect; the order of SIMT_ORDER. */
inline void start_afresh() {
  fake_cuda_reset();
  simt::forget_defect();
  simt::set_order(simt::order::from_environment());
}

inline void assert_no_defect() {
  const std::string defect = simt::defect();
  ck_assert_str_eq(defect.c_str(), "");
}

/* An empty case whose tests start afresh. */
inline TCase *simt_suite_case(const char *name) {
  TCase *const tests = tcase_create(name);
  tcase_set_timeout(tests, 300);
  tcase_add_checked_fixture(tests, start_afresh, nullptr);
  return tests;
}

/* The result of main(). CK_RUN_CASE, CK_FORK and CK_VERBOSITY of check's manual work. */
inline int simt_suite_run(const char *name, TCase *tests) {
  Suite *const suite = suite_create(name);
  suite_add_tcase(suite, tests);
  SRunner *const runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  const int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif /* CUDROP_SIMT_SUITE_H */
