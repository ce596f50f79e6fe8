/* test_bench.c - the measuring harness: that it verifies before it times, and how it counts. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "failure.h"
#include "format.h"
#include "inspect.h"
#include "json.h"
#include "measure.h"
#include "oracle.h"
#include "suite.h"

static cudrop_context_t *context;

static void open_context(void) {
  ck_assert_ok(cudrop_create(&context, suite_backend(), 0));
}
static void close_context(void) {
  ck_assert_ok(cudrop_destroy(&context));
}

/* Call `visit` for every case of a size and rate that there is. */
static void for_each_case(int64_t n, double p, void (*visit)(const bench_case_t *what)) {
  for (int op = 0; op < BENCH_OPERATORS; ++op) {
    for (int dtype = 0; dtype < BENCH_DTYPES; ++dtype) {
      for (int layout = 0; layout < BENCH_LAYOUTS; ++layout) {
        const bench_placement_t placement = bench_layouts[layout].place(n);
        const bench_case_t what = {(bench_operator_id_t)op, (cudrop_dtype_t)dtype,
                                   (bench_layout_id_t)layout,
                                   bench_placement_count(&placement), p};
        if (bench_fits(&what)) visit(&what);
      }
    }
  }
}

/* ---- Verification ------------------------------------------------------------------------ */

static void call_once(bench_work_t *work, const bench_case_t *what) {
  ck_assert_msg(bench_work_open(work, context, what), "%s", bench_failure());
  const bench_task_t task = bench_work_task(work);
  ck_assert_msg(task.run(task.argument), "%s", bench_failure());
  ck_assert_ok(cudrop_synchronize(context));
}

static void expect_right(const bench_case_t *what) {
  bench_work_t work;
  call_once(&work, what);
  ck_assert_msg(bench_inspect(&work) == BENCH_RIGHT, "%s %s %s n = %lld p = %g: %s",
                bench_name(BENCH_OPERATOR_NAMES, (int)what->op),
                bench_name(BENCH_DTYPE_NAMES, (int)what->dtype),
                bench_name(BENCH_LAYOUT_NAMES, (int)what->layout), (long long)what->n,
                what->p, bench_failure());
  bench_work_close(&work);
}

static const double rates[] = {0.0, 0.1, 1.0 / 3, 1.0};

START_TEST(what_the_library_does_is_found_right) {
  static const int64_t sizes[] = {1, 7, 2100};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; ++k)
    for_each_case(sizes[k], rates[_i], expect_right);
}
END_TEST

static void flip(const bench_work_t *work, size_t at) {
  uint8_t byte = 0;
  char *buffer = work->y.buffer;
  ck_assert_ok(cudrop_download(context, &byte, buffer + at, 1));
  byte ^= 0x40;
  ck_assert_ok(cudrop_upload(context, buffer + at, &byte, 1));
}

/* Elements and the gaps between them. */
static void expect_every_byte_inspected(const bench_case_t *what) {
  bench_work_t work;
  call_once(&work, what);
  const size_t bytes = (size_t)work.y.positions * cudrop_dtype_bytes(work.y.dtype);
  for (size_t at = 0; at < bytes; at += 1 + bytes / 64) {
    flip(&work, at);
    ck_assert_int_eq(bench_inspect(&work), BENCH_WRONG);
    ck_assert_ptr_nonnull(strstr(bench_failure(), "should be"));
    flip(&work, at);
  }
  ck_assert_int_eq(bench_inspect(&work), BENCH_RIGHT);
  bench_work_close(&work);
}

START_TEST(any_byte_that_changes_is_noticed) {
  for_each_case(100, 0.25, expect_every_byte_inspected);
}
END_TEST

START_TEST(of_a_large_output_head_and_tail_are_inspected) {
  const bench_case_t what = {BENCH_FORWARD, CUDROP_F8E5M2, BENCH_MISALIGNED,
                             BENCH_INSPECTED + 4099, 0.1};
  bench_work_t work;
  call_once(&work, &what);
  const size_t ends[] = {0, 1, (size_t)work.y.positions - 1};
  ck_assert_int_eq(bench_inspect(&work), BENCH_RIGHT);
  for (int k = 0; k < 3; ++k) {
    flip(&work, ends[k]);
    ck_assert_int_eq(bench_inspect(&work), BENCH_WRONG);
    flip(&work, ends[k]);
  }
  bench_work_close(&work);
}
END_TEST

/* ---- Runs -------------------------------------------------------------------------------- */

static char table[1 << 16], document[1 << 18];

/* Run the options; `table` and `document` get what is printed. */
static bench_outcome_t run(bench_options_t options) {
  bench_outcome_t outcome;
  FILE *to = fmemopen(table, sizeof table, "w");
  options.json = fmemopen(document, sizeof document, "w");
  options.backend = suite_backend();
  ck_assert_msg(bench_run(&options, to, &outcome), "%s", bench_failure());
  fclose(to);
  fclose(options.json);
  const char *at = json_fault(document);
  ck_assert_msg(at == NULL, "this is no JSON: %.40s", at);
  return outcome;
}

static const bench_options_t few = {
    .operators = 1u << BENCH_FORWARD | 1u << BENCH_COUNT_KEPT | 1u << BENCH_APPLY_BITS,
    .dtypes = 1u << CUDROP_F16,
    .layouts = 1u << BENCH_DENSE | 1u << BENCH_SECOND,
    .n = {1000, 8},
    .sizes = 2,
    .p = 0.1,
    .repeats = 3};

START_TEST(a_run_measures_every_case_and_writes_both_reports) {
  const bench_outcome_t outcome = run(few);
  ck_assert_int_eq(bench_count_cases(&few), 10); /* count_kept has one layout */
  ck_assert_int_eq(outcome.measured, 10);
  ck_assert_int_eq(outcome.wrong + outcome.failed + outcome.left_out, 0);
  ck_assert_ptr_nonnull(strstr(table, "10 cases measured, 0 wrong, 0 failed\n"));
  ck_assert_ptr_nonnull(strstr(table, "\nempty kernel "));
  ck_assert_ptr_nonnull(strstr(document, "\"formula\": \"2 * n * size + ceil(n / 8)\""));
  ck_assert_ptr_nonnull(strstr(document, "\"verified\": true"));
  ck_assert_ptr_null(strstr(document, "\"verified\": false"));
}
END_TEST

static void flip_last_byte(bench_work_t *work) {
  const size_t bytes = (size_t)work->y.positions * cudrop_dtype_bytes(work->y.dtype);
  flip(work, bytes - 1);
}

START_TEST(what_is_wrong_is_said_and_not_timed) {
  bench_options_t options = few;
  options.tamper = flip_last_byte;
  const bench_outcome_t outcome = run(options);
  ck_assert_int_eq(outcome.measured, 0);
  ck_assert_int_eq(outcome.wrong, 13); /* and the three small cases */
  ck_assert_ptr_nonnull(
      strstr(table, " WRONG, not timed: position 999 of the output is"));
  ck_assert_ptr_null(strstr(table, " warm "));
  ck_assert_ptr_nonnull(strstr(document, "\"verified\": false, \"reason\": \"position"));
  ck_assert_ptr_null(strstr(document, "\"warm\""));
}
END_TEST

START_TEST(what_the_budget_leaves_out_is_counted) {
  bench_options_t options = few;
  options.budget = 1e-12;
  const bench_outcome_t outcome = run(options);
  ck_assert_int_eq(outcome.measured, 0);
  ck_assert_int_eq(outcome.left_out, 10);
  ck_assert_ptr_nonnull(strstr(document, "\"left_out\": 10"));
}
END_TEST

/* ---- Parts ------------------------------------------------------------------------------- */

START_TEST(formats_agree_with_the_oracle) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                          CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
  const cudrop_dtype_t dtype = dtypes[_i];
  const size_t size = cudrop_dtype_bytes(dtype);
  for (int k = 0; k < 20000; ++k) {
    const double value = ldexp(cos(k), k % 401 - 200); /* past both ends of most types */
    uint64_t wanted = 0;
    oracle_write(dtype, value, &wanted);
    ck_assert_msg(bench_encode(dtype, value) == wanted, "%a", value);
    const double back = oracle_read(dtype, &wanted);
    if (isfinite(back)) ck_assert(bench_decode(dtype, wanted) == back);
  }
  const bench_operand_t operand = {.form = BENCH_VALUES, .dtype = dtype, .role = BENCH_X};
  for (int64_t k = 0; k < 1000; ++k) { /* what operands are filled with */
    const double content = fabs(bench_decode(dtype, bench_content(&operand, k)));
    ck_assert(content >= 0.125 && content < 2.0);
  }
  ck_assert_uint_eq(size, (size_t)bench_formats[dtype].bits / 8);
}
END_TEST

START_TEST(every_element_has_one_position) {
  const int64_t sizes[] = {1, 255, 1024, 5000};
  for (int k = 0; k < 4; ++k) {
    const bench_placement_t placement = bench_layouts[_i].place(sizes[k]);
    cudrop_tensor_t y = cudrop_tensor(NULL, CUDROP_F32, placement.rank, placement.shape);
    memcpy(y.stride, placement.y_stride, sizeof placement.y_stride);
    int64_t found = 0;
    for (int64_t position = 0; position < placement.positions; ++position) {
      const int64_t e = bench_find_element(&y, position - placement.start);
      if (e < 0) continue;
      ck_assert_int_eq(placement.start + bench_find_position(&y, e), position);
      ++found;
    }
    ck_assert_int_eq(found, bench_placement_count(&placement));
    ck_assert_int_le(found, sizes[k]);
  }
}
END_TEST

START_TEST(bytes_are_those_of_the_declared_formula) {
  static const struct {
    bench_operator_id_t op;
    cudrop_dtype_t dtype;
    size_t bytes;
    const char *formula;
  } cases[] = {{BENCH_FORWARD, CUDROP_F32, 8008, "2 * n * size"},
               {BENCH_ACCUMULATE, CUDROP_BF16, 6006, "3 * n * size"},
               {BENCH_EXPORT_BITS, 0, 126, "ceil(n / 8)"},
               {BENCH_EXPORT_BYTES, 0, 1001, "n"},
               {BENCH_EXPORT_SCALE, CUDROP_F64, 8008, "n * size"},
               {BENCH_COUNT_KEPT, 0, 8, "8"},
               {BENCH_APPLY_BYTES, CUDROP_F8E4M3, 3003, "2 * n * size + n"},
               {BENCH_APPLY_BITS, CUDROP_F16, 4130, "2 * n * size + ceil(n / 8)"}};
  char text[BENCH_TEXT];
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) {
    const bench_case_t what = {cases[k].op, cases[k].dtype, BENCH_DENSE, 1001, 0.1};
    ck_assert_uint_eq(bench_bytes(&what), cases[k].bytes);
    ck_assert_str_eq(bench_formula(what.op, text), cases[k].formula);
  }
}
END_TEST

START_TEST(a_spread_is_by_nearest_rank) {
  double one[] = {5.0}, eleven[] = {11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6};
  const bench_spread_t of_one = bench_spread(one, 1),
                       of_eleven = bench_spread(eleven, 11);
  ck_assert(of_one.median == 5.0 && of_one.p10 == 5.0 && of_one.p90 == 5.0);
  ck_assert(of_eleven.median == 6.0 && of_eleven.p10 == 2.0 && of_eleven.p90 == 10.0);
}
END_TEST

START_TEST(what_is_no_json_is_noticed) {
  static const char *const right[] = {"[]", " {\"a\": [1, -0.5e+3, null]} ",
                                      "\"\\u00e9\\n\""};
  static const char *const wrong[] = {"",    "{",           "[1,]",  "{\"a\" 1}",
                                      "01",  "nan",         "[1] 2", "\"\\x\"",
                                      "\"a", "{\"a\": 1,}", "1.",    "[1 2]"};
  for (size_t k = 0; k < sizeof right / sizeof right[0]; ++k)
    ck_assert_ptr_null(json_fault(right[k]));
  for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; ++k)
    ck_assert_msg(json_fault(wrong[k]) != NULL, "%s", wrong[k]);
}
END_TEST

static TCase *verification_case(void) {
  TCase *tests = suite_case("verification", 300);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, what_the_library_does_is_found_right, 0,
                      sizeof rates / sizeof rates[0]);
  tcase_add_test(tests, any_byte_that_changes_is_noticed);
  tcase_add_test(tests, of_a_large_output_head_and_tail_are_inspected);
  return tests;
}

static TCase *run_case(void) {
  TCase *tests = suite_case("run", 300);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, a_run_measures_every_case_and_writes_both_reports);
  tcase_add_test(tests, what_is_wrong_is_said_and_not_timed);
  tcase_add_test(tests, what_the_budget_leaves_out_is_counted);
  return tests;
}

static TCase *part_case(void) {
  TCase *tests = suite_case("parts", 60);
  tcase_add_loop_test(tests, formats_agree_with_the_oracle, 0, 6);
  tcase_add_loop_test(tests, every_element_has_one_position, 0, BENCH_LAYOUTS);
  tcase_add_test(tests, bytes_are_those_of_the_declared_formula);
  tcase_add_test(tests, a_spread_is_by_nearest_rank);
  tcase_add_test(tests, what_is_no_json_is_noticed);
  return tests;
}

SUITE_MAIN("bench", verification_case(), run_case(), part_case())
