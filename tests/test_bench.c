/* test_bench.c - the measuring harness: that it verifies before it times, and how it counts. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "elementwise.h"
#include "failure.h"
#include "format.h"
#include "json.h"
#include "measure.h"
#include "oracle.h"
#include "rowwise.h"
#include "suite_context.h"

/* Call `visit` for every case of a size and rate that a family has; NULL: of all families. */
static void for_each_case(const bench_family_t *family, int64_t n, int64_t cols, double p,
                          void (*visit)(const bench_case_t *what)) {
  for (int op = 0; op < BENCH_OPERATORS; ++op) {
    if (family != NULL && bench_operators[op].family != family) continue;
    for (int dtype = 0; dtype < BENCH_DTYPES; ++dtype) {
      for (int layout = 0; layout < BENCH_LAYOUTS; ++layout) {
        bench_case_t what = {(bench_operator_id_t)op,
                             (cudrop_dtype_t)dtype,
                             (bench_layout_id_t)layout,
                             n,
                             p,
                             cols};
        if (bench_fit(&what)) visit(&what);
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
  ck_assert_msg(bench_inspect(&work) == BENCH_RIGHT,
                "%s %s %s n = %lld cols = %lld p = %g: %s",
                bench_name(BENCH_OPERATOR_NAMES, (int)what->op),
                bench_name(BENCH_DTYPE_NAMES, (int)what->dtype),
                bench_name(BENCH_LAYOUT_NAMES, (int)what->layout), (long long)what->n,
                (long long)what->cols, what->p, bench_failure());
  bench_work_close(&work);
}

static const double rates[] = {0.0, 0.1, 1.0 / 3, 1.0};

/* One row, short and long rows, and rows of one element in more than one sentence. */
START_TEST(what_the_library_does_is_found_right) {
  static const int64_t sizes[][2] = {
      {1, 1024}, {7, 3}, {2100, 1024}, {2100, 32}, {2100, 1}};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; ++k)
    for_each_case(NULL, sizes[k][0], sizes[k][1], rates[_i], expect_right);
}
END_TEST

static size_t count_bytes(const bench_operand_t *operand) {
  return (size_t)operand->positions * cudrop_dtype_bytes(operand->dtype);
}

/* Flip a bit of an operand, counted from its first byte on. */
static void flip(const bench_operand_t *operand, size_t bit) {
  uint8_t byte = 0;
  char *at = (char *)operand->buffer + bit / 8;
  ck_assert_ok(cudrop_download(context, &byte, at, 1));
  byte = (uint8_t)(byte ^ 1u << bit % 8);
  ck_assert_ok(cudrop_upload(context, at, &byte, 1));
}

/* A bit that is flipped is noticed; and back again. */
static void expect_noticed(const bench_work_t *work, const bench_operand_t *operand,
                           size_t bit) {
  flip(operand, bit);
  ck_assert_msg(bench_inspect(work) == BENCH_WRONG,
                "%s %s n = %lld: bit %zu of operand %td",
                bench_name(BENCH_OPERATOR_NAMES, (int)work->what.op),
                bench_name(BENCH_DTYPE_NAMES, (int)work->what.dtype),
                (long long)work->what.n, bit, operand - work->operand);
  ck_assert_ptr_nonnull(strstr(bench_failure(), "should be"));
  flip(operand, bit);
}

/* Elements and the gaps between them. */
static void expect_every_byte_inspected(const bench_case_t *what) {
  bench_work_t work;
  call_once(&work, what);
  const bench_operand_t *y = &work.operand[BENCH_Y];
  const size_t bytes = count_bytes(y);
  for (size_t at = 0; at < bytes; at += 1 + bytes / 64)
    expect_noticed(&work, y, 8 * at + 6);
  ck_assert_int_eq(bench_inspect(&work), BENCH_RIGHT);
  bench_work_close(&work);
}

START_TEST(any_byte_that_changes_is_noticed) {
  for_each_case(&bench_elementwise, 100, 0, 0.25, expect_every_byte_inspected);
}
END_TEST

/* Of some elements of every output: the sign, a zero's too, the exponent, and 3 % or less. */
static void expect_every_output_inspected(const bench_case_t *what) {
  bench_work_t work;
  call_once(&work, what);
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k) {
    const bench_operand_t *operand = &work.operand[k];
    const bench_format_t *format = &bench_formats[operand->dtype];
    if (!operand->is_output) continue;
    for (int64_t e = 0; e < operand->positions; e += 1 + operand->positions / 20) {
      const size_t bits = (size_t)format->bits, first = (size_t)e * bits;
      expect_noticed(&work, operand, first + bits - 1);
      expect_noticed(&work, operand, first + bits - 2);
      expect_noticed(&work, operand, first + (size_t)format->fraction - 5);
    }
  }
  ck_assert_int_eq(bench_inspect(&work), BENCH_RIGHT);
  bench_work_close(&work);
}

START_TEST(a_damaged_element_of_any_output_is_noticed) {
  static const int64_t cols[] = {1, 24, 1024};
  for_each_case(&bench_rowwise, 300, cols[_i], 0.25, expect_every_output_inspected);
}
END_TEST

static const bench_case_t large[] = {
    {BENCH_FORWARD, CUDROP_F8E5M2, BENCH_MISALIGNED, BENCH_INSPECTED + 4099, 0.1, 0},
    {BENCH_EMBEDDING_FORWARD, CUDROP_BF16, BENCH_DENSE, 2 * BENCH_INSPECTED, 0.1, 1024},
    {BENCH_EMBEDDING_BACKWARD, CUDROP_BF16, BENCH_DENSE, 2 * BENCH_INSPECTED, 0.1, 1024}};

START_TEST(of_a_large_output_head_and_tail_are_inspected) {
  bench_work_t work;
  call_once(&work, &large[_i]);
  ck_assert_int_eq(bench_inspect(&work), BENCH_RIGHT);
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k) {
    const bench_operand_t *operand = &work.operand[k];
    const size_t bits = 8 * cudrop_dtype_bytes(operand->dtype);
    if (!operand->is_output) continue;
    expect_noticed(&work, operand, bits - 2);
    expect_noticed(&work, operand, (size_t)operand->start * bits + bits - 2);
    expect_noticed(&work, operand, (size_t)operand->positions * bits - 2);
  }
  bench_work_close(&work);
}
END_TEST

/* Of sums over 2,048 rows a change by a thousandth, less than most terms, is noticed. */
START_TEST(of_long_sums_every_term_counts) {
  static const bench_operator_id_t ops[] = {BENCH_FUSED_BACKWARD, BENCH_NORM_BACKWARD,
                                            BENCH_EMBEDDING_BACKWARD};
  enum { COLS = 16, ROWS = 2048, THOUSANDTH = 23 - 10 };
  const bench_case_t what = {ops[_i], CUDROP_F32, BENCH_DENSE, ROWS * COLS, 0.1, COLS};
  bench_work_t work;
  call_once(&work, &what);
  ck_assert_int_eq(bench_inspect(&work), BENCH_RIGHT);
  for (int k = 0; k < BENCH_MOST_OPERANDS; ++k) {
    const bench_operand_t *operand = &work.operand[k];
    if (!operand->is_output || operand->positions == what.n) continue;
    expect_noticed(&work, operand, THOUSANDTH);
    expect_noticed(&work, operand, 8 * (count_bytes(operand) - 4) + THOUSANDTH);
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
    .operators = 1u << BENCH_FORWARD | 1u << BENCH_COUNT_KEPT | 1u << BENCH_APPLY_BITS |
                 1u << BENCH_NORM_BACKWARD,
    .dtypes = 1u << CUDROP_F16,
    .layouts = 1u << BENCH_DENSE | 1u << BENCH_SECOND,
    .n = {1000, 8},
    .sizes = 2,
    .p = 0.1,
    .repeats = 3};

START_TEST(a_run_measures_every_case_and_writes_both_reports) {
  const bench_outcome_t outcome = run(few);
  ck_assert_int_eq(bench_count_cases(&few), 12); /* two operators have one layout */
  ck_assert_int_eq(outcome.measured, 12);
  ck_assert_int_eq(outcome.wrong + outcome.failed + outcome.left_out, 0);
  ck_assert_ptr_nonnull(strstr(table, "12 cases measured, 0 wrong, 0 failed\n"));
  ck_assert_ptr_nonnull(strstr(table, "\nempty kernel "));
  ck_assert_ptr_nonnull(strstr(document, "\"formula\": \"2 * n * size + ceil(n / 8)\""));
  ck_assert_ptr_nonnull(
      strstr(document,
             "\"norm_backward\", \"dtype\": \"F16\", \"layout\": \"dense\", "
             "\"n\": 1000, \"cols\": 1000, \"bytes\": 18008, "));
  ck_assert_ptr_nonnull(strstr(document, "\"n\": 1000, \"cols\": null, "));
  ck_assert_ptr_nonnull(strstr(document, "\"verified\": true"));
  ck_assert_ptr_null(strstr(document, "\"verified\": false"));
}
END_TEST

/* A bit of the last byte of the first output. */
static void damage(bench_work_t *work) {
  const bench_operand_t *operand = work->operand;
  while (!operand->is_output) ++operand;
  flip(operand, 8 * count_bytes(operand) - 2);
}

START_TEST(what_is_wrong_is_said_and_not_timed) {
  bench_options_t options = few;
  options.tamper = damage;
  const bench_outcome_t outcome = run(options);
  ck_assert_int_eq(outcome.measured, 0);
  ck_assert_int_eq(outcome.wrong, 16); /* and the four small cases */
  ck_assert_ptr_nonnull(
      strstr(table, " WRONG, not timed: position 999 of the output is"));
  ck_assert_ptr_nonnull(strstr(table, " WRONG, not timed: element 999 of dx is"));
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
  ck_assert_int_eq(outcome.left_out, 12);
  ck_assert_ptr_nonnull(strstr(document, "\"left_out\": 12"));
}
END_TEST

static int cases_begun;

/* Every case before this one stands in the document already. */
static void expect_those_before(bench_work_t *work) {
  int written = 0;
  (void)work;
  if (cases_begun > 0) ck_assert_ptr_null(json_fault(document));
  for (const char *at = document; (at = strstr(at, "\"verified\": ")) != NULL; ++at)
    ++written;
  ck_assert_int_ge(written, cases_begun++);
}

START_TEST(the_document_has_what_is_measured_at_once) {
  bench_options_t options = few;
  options.tamper = expect_those_before;
  cases_begun = 0;
  memset(document, 0, sizeof document);
  run(options);
  ck_assert_int_eq(cases_begun, 16);
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
  const bench_operand_t operand = {.form = BENCH_VALUES, .dtype = dtype};
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
    int64_t n, cols;
    size_t bytes;
    const char *formula;
  } cases[] = {
      {BENCH_FORWARD, CUDROP_F32, 1001, 0, 8008, "2 * n * size"},
      {BENCH_ACCUMULATE, CUDROP_BF16, 1001, 0, 6006, "3 * n * size"},
      {BENCH_EXPORT_BITS, 0, 1001, 0, 126, "ceil(n / 8)"},
      {BENCH_EXPORT_BYTES, 0, 1001, 0, 1001, "n"},
      {BENCH_EXPORT_SCALE, CUDROP_F64, 1001, 0, 8008, "n * size"},
      {BENCH_COUNT_KEPT, 0, 1001, 0, 8, "8"},
      {BENCH_APPLY_BYTES, CUDROP_F8E4M3, 1001, 0, 3003, "2 * n * size + n"},
      {BENCH_APPLY_BITS, CUDROP_F16, 1001, 0, 4130, "2 * n * size + ceil(n / 8)"},
      {BENCH_FUSED_FORWARD, CUDROP_F32, 5000, 100, 60400, "3 * n * size + cols * size"},
      {BENCH_NORM_BACKWARD, CUDROP_BF16, 5000, 100, 51200,
       "5 * n * size + 4 * cols * size + 2 * rows * 4"},
      /* 50 queries see 51 to 100 keys; in 3 samples 100 see 1 to 100. */
      {BENCH_ATTENTION_FORWARD, CUDROP_F32, 5000, 100, 50200,
       "n * size + 2 * seen * size"},
      {BENCH_ATTENTION_REAPPLY, CUDROP_F16, 30000, 100, 90300, "n * size + seen * size"},
      {BENCH_EMBEDDING_FORWARD, CUDROP_F16, 5000, 100, 30200,
       "2 * n * size + rows * 4 + places * cols * size"},
      {BENCH_EMBEDDING_BACKWARD, CUDROP_F16, 5000, 100, 60200,
       "n * size + rows * 4 + vocabulary * cols * size + places * cols * size"}};
  char text[BENCH_TEXT];
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) {
    bench_case_t what = {cases[k].op, cases[k].dtype, BENCH_DENSE, cases[k].n,
                         0.1,         cases[k].cols};
    ck_assert(bench_fit(&what));
    ck_assert_uint_eq(bench_bytes(&what), cases[k].bytes);
    ck_assert_str_eq(bench_formula(what.op, text), cases[k].formula);
  }
}
END_TEST

START_TEST(cases_on_rows_have_whole_rows_and_samples) {
  static const struct {
    bench_operator_id_t op;
    int64_t n, cols, fitted, batch, inner;
  } cases[] = {{BENCH_FUSED_FORWARD, 7, 1024, 7, 1, 1},
               {BENCH_NORM_FORWARD, 12345, 1000, 12000, 1, 12},
               {BENCH_ATTENTION_FORWARD, 12345, 32, 12288, 12, 32},
               {BENCH_ATTENTION_BACKWARD, 12345, 1000, 12000, 1, 12},
               {BENCH_EMBEDDING_FORWARD, 3084 * 8 + 5, 8, 3072 * 8, 3, 1024}};
  for (size_t k = 0; k < sizeof cases / sizeof cases[0]; ++k) {
    bench_case_t what = {cases[k].op, CUDROP_F16, BENCH_DENSE,
                         cases[k].n,  0.1,        cases[k].cols};
    ck_assert(bench_fit(&what));
    const bench_sizes_t sizes = bench_find_sizes(&what);
    ck_assert_int_eq(what.n, cases[k].fitted);
    ck_assert_int_eq(what.n, sizes.rows * what.cols);
    ck_assert_int_eq(sizes.batch, cases[k].batch);
    ck_assert_int_eq(sizes.inner, cases[k].inner);
    what.layout = BENCH_SECOND;
    ck_assert(!bench_fit(&what));
    what.layout = BENCH_DENSE;
    what.dtype = CUDROP_F64;
    ck_assert(!bench_fit(&what));
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
  tcase_add_loop_test(tests, a_damaged_element_of_any_output_is_noticed, 0, 3);
  tcase_add_loop_test(tests, of_a_large_output_head_and_tail_are_inspected, 0,
                      sizeof large / sizeof large[0]);
  tcase_add_loop_test(tests, of_long_sums_every_term_counts, 0, 3);
  return tests;
}

static TCase *run_case(void) {
  TCase *tests = suite_case("run", 300);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, a_run_measures_every_case_and_writes_both_reports);
  tcase_add_test(tests, what_is_wrong_is_said_and_not_timed);
  tcase_add_test(tests, what_the_budget_leaves_out_is_counted);
  tcase_add_test(tests, the_document_has_what_is_measured_at_once);
  return tests;
}

static TCase *part_case(void) {
  TCase *tests = suite_case("parts", 60);
  tcase_add_loop_test(tests, formats_agree_with_the_oracle, 0, 6);
  tcase_add_loop_test(tests, every_element_has_one_position, 0, BENCH_LAYOUTS);
  tcase_add_test(tests, bytes_are_those_of_the_declared_formula);
  tcase_add_test(tests, cases_on_rows_have_whole_rows_and_samples);
  tcase_add_test(tests, a_spread_is_by_nearest_rank);
  tcase_add_test(tests, what_is_no_json_is_noticed);
  return tests;
}

SUITE_MAIN("bench", verification_case(), run_case(), part_case())
