/* test_bad_input.c - every rule: the status, the text, and that nothing was written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suite_context.h"
#include "view.h"

enum { ROWS = 4, COLS = 6, N = ROWS * COLS };

/* The arguments of a call, right until a row of the table below spoils one. */
typedef struct {
  cudrop_context_t *context;
  cudrop_tensor_t x, y;
  cudrop_mask_t mask;
  const cudrop_tensor_t *x_pointer, *y_pointer;
} arguments_t;

static const char float_types[] = "F32, F16, BF16 or F64";
static const char number_types[] = "F32, F16, BF16, F64 or F8";

/* An operator of (x, mask, y), what its header calls x and y, and the types it takes. */
static const struct {
  const char *name;
  cudrop_status_t (*call)(cudrop_context_t *, const cudrop_tensor_t *,
                          const cudrop_mask_t *, const cudrop_tensor_t *);
  const char *x, *y, *types;
} operators[] = {
    {"cudrop_forward", cudrop_forward, "x", "y", number_types},
    {"cudrop_backward", cudrop_backward, "dy", "dx", number_types},
    {"cudrop_backward_accumulate", cudrop_backward_accumulate, "dy", "dx", float_types},
    {"cudrop_alpha_forward", cudrop_alpha_forward, "x", "y", float_types},
    {"cudrop_alpha_backward", cudrop_alpha_backward, "dy", "dx", float_types},
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

static void null_context(arguments_t *a) {
  a->context = NULL;
}
static void null_x(arguments_t *a) {
  a->x_pointer = NULL;
}
static void null_y(arguments_t *a) {
  a->y_pointer = NULL;
}
static void null_x_data(arguments_t *a) {
  a->x.data = NULL;
}
static void null_y_data(arguments_t *a) {
  a->y.data = NULL;
}
static void p_above_one(arguments_t *a) {
  a->mask.p = 1.5;
}
static void p_just_above_one(arguments_t *a) {
  a->mask.p = nextafter(1.0, 2.0);
}
static void p_negative(arguments_t *a) {
  a->mask.p = -0.1;
}
static void p_nan(arguments_t *a) {
  a->mask.p = NAN;
}
static void p_infinite(arguments_t *a) {
  a->mask.p = INFINITY;
}
static void rank_too_high(arguments_t *a) {
  a->x.rank = CUDROP_MAX_RANK + 1;
}
static void rank_negative(arguments_t *a) {
  a->y.rank = -1;
}
static void ranks_differ(arguments_t *a) {
  a->x.rank = 1;
}
static void size_negative(arguments_t *a) {
  a->x.shape[1] = -6;
}
static void sizes_differ(arguments_t *a) {
  a->y.shape[1] = 5;
}
static void size_overflows(arguments_t *a) {
  a->x.shape[0] = a->y.shape[0] = (int64_t)1 << 40;
  a->x.shape[1] = a->y.shape[1] = (int64_t)1 << 40;
}
static void x_spans_too_much(arguments_t *a) {
  a->x.stride[0] = INT64_MAX / 8;
}
static void x_wraps_below(arguments_t *a) {
  a->x.stride[0] = -((int64_t)1 << 59);
}
static void x_runs_past_the_end(arguments_t *a) {
  a->x.data = (void *)(UINTPTR_MAX - 15); /* NOLINT(performance-no-int-to-ptr) */
}
static void x_stride_least(arguments_t *a) {
  a->x.stride[0] = INT64_MIN;
}
static void no_dtype(arguments_t *a) {
  a->x.dtype = (cudrop_dtype_t)0;
}
static void unknown_dtype(arguments_t *a) {
  a->y.dtype = (cudrop_dtype_t)77;
}
static void internal_dtype(arguments_t *a) {
  a->x.dtype = (cudrop_dtype_t)100;
}
static void byte_dtype(arguments_t *a) {
  a->x.dtype = CUDROP_U8;
}
static void dtypes_differ(arguments_t *a) {
  a->x.dtype = CUDROP_BF16;
}
static void x_misaligned(arguments_t *a) {
  a->x.data = (char *)a->x.data + 2;
}
static void y_repeats(arguments_t *a) {
  a->y.stride[0] = 0;
}
static void y_runs_into_itself(arguments_t *a) {
  a->y.stride[0] = COLS - 1;
}
static void y_behind_x(arguments_t *a) {
  a->y.data = (float *)a->x.data + 1;
}
static void y_before_x(arguments_t *a) {
  a->y.data = (float *)a->x.data - COLS;
}
static void y_is_x_transposed(arguments_t *a) {
  a->x.shape[0] = a->x.shape[1] = a->y.shape[0] = a->y.shape[1] = ROWS;
  a->y.data = a->x.data;
  a->x.stride[0] = ROWS;
  a->y.stride[0] = 1;
  a->y.stride[1] = ROWS;
}
static void y_is_x_repeated(arguments_t *a) {
  a->y.data = a->x.data;
  a->x.stride[0] = 0;
}
static void index_rank_too_high(arguments_t *a) {
  a->mask.index_rank = 9;
}
static void index_rank_negative(arguments_t *a) {
  a->mask.index_rank = -1;
}
static void index_rank_differs(arguments_t *a) {
  a->mask.index_rank = 3;
}
static void index_stride_negative(arguments_t *a) {
  a->mask.index_rank = 2;
  a->mask.index_stride[1] = -1;
}
static void index_too_large(arguments_t *a) {
  a->mask.index_base = ((uint64_t)1 << 59) - N + 1;
}
static void index_base_wraps(arguments_t *a) {
  a->mask.index_base = UINT64_MAX - 1;
}
static void index_stride_too_large(arguments_t *a) {
  a->mask.index_rank = 2;
  a->mask.index_stride[0] = (int64_t)1 << 58;
}
static void index_stride_overflows(arguments_t *a) {
  a->mask.index_rank = 2;
  a->mask.index_stride[0] = INT64_MAX;
  a->mask.index_stride[1] = INT64_MAX;
}

/* Any place serves as a block, which is looked at only when the work runs. */
static void prepare(arguments_t *a, size_t shift) {
  static const _Alignas(16) uint8_t place[16];
  a->mask =
      cudrop_prepared_mask((const cudrop_prepared_t *)(const void *)(place + shift), 0);
}
static void prepared_misaligned(arguments_t *a) {
  prepare(a, 8);
}
static void prepared_with_p(arguments_t *a) {
  prepare(a, 0);
  a->mask.p = 0.25;
}
static void prepared_with_seed(arguments_t *a) {
  prepare(a, 0);
  a->mask.seed = 7;
}
static void prepared_without_block(arguments_t *a) {
  a->mask = cudrop_prepared_mask(NULL, 3);
}
static void prepared_inside_y(arguments_t *a) {
  a->mask = cudrop_prepared_mask((const cudrop_prepared_t *)a->y.data, 0);
}

/* In the texts {x} and {y} stand for the operator's own names, {t} for the types it takes. */
static const struct {
  void (*spoil)(arguments_t *arguments);
  cudrop_status_t status;
  const char *text;
} rules[] = {
    {null_context, CUDROP_ERROR_NULL_POINTER, "context is NULL"},
    {null_x, CUDROP_ERROR_NULL_POINTER, "{x} is NULL"},
    {null_y, CUDROP_ERROR_NULL_POINTER, "{y} is NULL"},
    {null_x_data, CUDROP_ERROR_NULL_POINTER, "{x} has data = NULL"},
    {null_y_data, CUDROP_ERROR_NULL_POINTER, "{y} has data = NULL"},
    {p_above_one, CUDROP_ERROR_INVALID_ARGUMENT, "p = 1.5 is outside [0, 1]"},
    {p_just_above_one, CUDROP_ERROR_INVALID_ARGUMENT,
     "p = 1.0000000000000002 is outside [0, 1]"},
    {p_negative, CUDROP_ERROR_INVALID_ARGUMENT, "p = -0.1 is outside [0, 1]"},
    {p_nan, CUDROP_ERROR_INVALID_ARGUMENT, "p = nan is outside [0, 1]"},
    {p_infinite, CUDROP_ERROR_INVALID_ARGUMENT, "p = inf is outside [0, 1]"},
    {rank_too_high, CUDROP_ERROR_INVALID_ARGUMENT, "{x} has rank = 9, outside [0, 8]"},
    {rank_negative, CUDROP_ERROR_INVALID_ARGUMENT, "{y} has rank = -1, outside [0, 8]"},
    {ranks_differ, CUDROP_ERROR_SHAPE, "{x} has rank = 1 and {y} has rank = 2"},
    {size_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "{x} has shape[1] = -6, which is negative"},
    {sizes_differ, CUDROP_ERROR_SHAPE, "{x} has shape[1] = 6 and {y} has 5"},
    {size_overflows, CUDROP_ERROR_OVERFLOW, "{x} has more elements than 63 bits count"},
    {x_spans_too_much, CUDROP_ERROR_OVERFLOW,
     "{x} spans more memory than 63 bits address"},
    {x_wraps_below, CUDROP_ERROR_OVERFLOW, "{x} spans more memory than 63 bits address"},
    {x_runs_past_the_end, CUDROP_ERROR_OVERFLOW,
     "{x} spans more memory than 63 bits address"},
    {x_stride_least, CUDROP_ERROR_OVERFLOW, "{x} spans more memory than 63 bits address"},
    {no_dtype, CUDROP_ERROR_DTYPE, "{x} has dtype = 0 (no type), which is not {t}"},
    {unknown_dtype, CUDROP_ERROR_DTYPE, "{y} has dtype = 77 (no type), which is not {t}"},
    {internal_dtype, CUDROP_ERROR_DTYPE,
     "{x} has dtype = 100 (no type), which is not {t}"},
    {byte_dtype, CUDROP_ERROR_DTYPE, "{x} has dtype = 5 (U8), which is not {t}"},
    {dtypes_differ, CUDROP_ERROR_DTYPE, "{x} is BF16 and {y} is F32"},
    {x_misaligned, CUDROP_ERROR_INVALID_ARGUMENT, NULL}, /* the text names an address */
    {y_repeats, CUDROP_ERROR_OVERLAP,
     "{y} has strides that put two elements in one place"},
    {y_runs_into_itself, CUDROP_ERROR_OVERLAP,
     "{y} has strides that put two elements in one place"},
    {y_behind_x, CUDROP_ERROR_OVERLAP, "{y} overlaps {x} without being the same tensor"},
    {y_before_x, CUDROP_ERROR_OVERLAP, "{y} overlaps {x} without being the same tensor"},
    {y_is_x_transposed, CUDROP_ERROR_OVERLAP,
     "{y} overlaps {x} without being the same tensor"},
    {y_is_x_repeated, CUDROP_ERROR_OVERLAP,
     "{y} overlaps {x} without being the same tensor"},
    {index_rank_too_high, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask has index_rank = 9, outside [0, 8]"},
    {index_rank_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask has index_rank = -1, outside [0, 8]"},
    {index_rank_differs, CUDROP_ERROR_SHAPE,
     "mask has index_rank = 3 and {y} has rank = 2"},
    {index_stride_negative, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask has index_stride[1] = -1, which is negative"},
    {index_too_large, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 576460752303423465 reaches an index of 2^59 or more"},
    {index_base_wraps, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 18446744073709551614 reaches an index of 2^59 or more"},
    {index_stride_too_large, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 0 reaches an index of 2^59 or more"},
    {index_stride_overflows, CUDROP_ERROR_OVERFLOW,
     "mask with index_base = 0 reaches an index of 2^59 or more"},
    {prepared_misaligned, CUDROP_ERROR_INVALID_ARGUMENT, NULL}, /* names an address */
    {prepared_with_p, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask is prepared and has seed = 0 and p = 0.25, which must be 0"},
    {prepared_with_seed, CUDROP_ERROR_INVALID_ARGUMENT,
     "mask is prepared and has seed = 7 and p = 0, which must be 0"},
    {prepared_without_block, CUDROP_ERROR_INVALID_ARGUMENT, "p = nan is outside [0, 1]"},
    {prepared_inside_y, CUDROP_ERROR_OVERLAP,
     "{y} overlaps the block of the prepared mask"},
};
enum { RULES = sizeof rules / sizeof rules[0] };

/* "function: text" with {x}, {y} and {t} replaced by an operator's own words. */
static void fill_in(char *to, size_t size, int op, const char *text) {
  size_t at = (size_t)snprintf(to, size, "%s: ", operators[op].name);
  for (; *text != '\0'; ++text) {
    const bool is_name = text[0] == '{';
    at += (size_t)snprintf(to + at, size - at, "%.*s", is_name ? 40 : 1,
                           !is_name         ? text
                           : text[1] == 'x' ? operators[op].x
                           : text[1] == 'y' ? operators[op].y
                                            : operators[op].types);
    if (is_name) text += 2;
  }
}

START_TEST(every_broken_rule_is_named_and_nothing_is_written) {
  static const int64_t shape[] = {3 * ROWS, COLS}; /* room for x to be moved about */
  for (int op = 0; op < OPERATORS; ++op) {
    view_t x = view_make(CUDROP_F32, 2, shape, NULL, 0);
    view_t y = view_make(CUDROP_F32, 2, shape, NULL, 0);
    view_t x_before = view_copy(&x), y_before = view_copy(&y);
    arguments_t a = {
        .context = context,
        .x = cudrop_matrix((float *)x.tensor.data + N, CUDROP_F32, ROWS, COLS),
        .y = cudrop_matrix((float *)y.tensor.data + N, CUDROP_F32, ROWS, COLS),
        .mask = cudrop_mask(1, 2, 0.5)};
    a.x_pointer = &a.x;
    a.y_pointer = &a.y;
    rules[_i].spoil(&a);
    const cudrop_status_t status =
        operators[op].call(a.context, a.x_pointer, &a.mask, a.y_pointer);
    ck_assert_str_eq(cudrop_status_name(status), cudrop_status_name(rules[_i].status));
    if (rules[_i].text != NULL) {
      char text[256];
      fill_in(text, sizeof text, op, rules[_i].text);
      ck_assert_str_eq(cudrop_last_error(), text);
    }
    ck_assert_mem_eq(x.block, x_before.block, x.bytes);
    ck_assert_mem_eq(y.block, y_before.block, y.bytes);
    view_free(&x);
    view_free(&y);
    view_free(&x_before);
    view_free(&y_before);
  }
}
END_TEST

START_TEST(a_misaligned_tensor_is_named_with_its_address) {
  float values[2 * N] = {0};
  char text[128];
  const cudrop_tensor_t y = cudrop_vector(values, CUDROP_F32, 4);
  const cudrop_tensor_t x = cudrop_vector((char *)(values + N) + 2, CUDROP_F32, 4);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  ck_assert_int_eq(cudrop_forward(context, &x, &mask, &y), CUDROP_ERROR_INVALID_ARGUMENT);
  snprintf(
      text, sizeof text,
      "cudrop_forward: x has data = %p, which is not aligned to its 4 bytes an element",
      x.data);
  ck_assert_str_eq(cudrop_last_error(), text);
}
END_TEST

START_TEST(slices_that_interleave_are_accepted) {
  float memory[2 * N] = {0};
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  cudrop_tensor_t x = cudrop_matrix(memory, CUDROP_F32, ROWS, COLS);
  cudrop_tensor_t y = cudrop_matrix(memory + COLS, CUDROP_F32, ROWS, COLS);
  x.stride[0] = y.stride[0] = 2 * COLS; /* left and right half of each row */
  ck_assert_ok(cudrop_forward(context, &x, &mask, &y));
  x = cudrop_vector(memory, CUDROP_F32, N);
  y = cudrop_vector(memory + 1, CUDROP_F32, N);
  x.stride[0] = y.stride[0] = 2; /* even and odd elements */
  ck_assert_ok(cudrop_forward(context, &x, &mask, &y));
}
END_TEST

START_TEST(strides_of_sizes_of_one_do_not_make_tensors_differ) {
  float memory[N] = {0};
  const int64_t shape[] = {1, N};
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  const cudrop_tensor_t x = cudrop_tensor(memory, CUDROP_F32, 2, shape);
  cudrop_tensor_t y = x;
  y.stride[0] = 3;
  ck_assert_ok(cudrop_forward(context, &x, &mask, &y));
}
END_TEST

START_TEST(empty_tensors_need_no_data_but_right_arguments) {
  const cudrop_tensor_t none = cudrop_matrix(NULL, CUDROP_F32, 0, COLS);
  const cudrop_tensor_t bytes = cudrop_matrix(NULL, CUDROP_U8, 0, COLS);
  const cudrop_mask_t mask = cudrop_mask(1, 2, 0.5), bad = cudrop_mask(1, 2, 1.5);
  const int64_t shape[] = {0, COLS};
  uint64_t kept = 7;
  for (int op = 0; op < OPERATORS; ++op) {
    ck_assert_ok(operators[op].call(context, &none, &mask, &none));
    ck_assert_int_eq(operators[op].call(context, &none, &bad, &none),
                     CUDROP_ERROR_INVALID_ARGUMENT);
  }
  ck_assert_ok(cudrop_export_bytes(context, &mask, &bytes));
  ck_assert_ok(cudrop_export_scale(context, &mask, &none));
  ck_assert_ok(cudrop_export_bits(context, &mask, 2, shape, NULL));
  ck_assert_ok(cudrop_apply_bytes(context, &none, &bytes, 0.5, &none));
  ck_assert_ok(cudrop_apply_bits(context, &none, NULL, 0.5, &none));
  ck_assert_ok(cudrop_count_kept(context, &mask, 2, shape, &kept));
  ck_assert_uint_eq(kept, 0);
}
END_TEST

/* Of no elements: what they would span, or how many rows of none there are, is no matter. */
START_TEST(empty_tensors_may_have_any_sizes_and_strides) {
  const int64_t shape[] = {INT64_MAX, 256, 0, 256};
  cudrop_tensor_t none = cudrop_tensor(NULL, CUDROP_F32, 4, shape);
  cudrop_mask_t mask = cudrop_mask(1, 2, 0.5);
  uint64_t kept = 7;
  mask.index_rank = 4;
  for (int d = 0; d < 4; ++d) {
    none.stride[d] = INT64_MIN;
    mask.index_stride[d] = INT64_MAX;
  }
  for (int op = 0; op < OPERATORS; ++op)
    ck_assert_ok(operators[op].call(context, &none, &mask, &none));
  ck_assert_ok(cudrop_export_bits(context, &mask, 4, shape, NULL));
  ck_assert_ok(cudrop_count_kept(context, &mask, 4, shape, &kept));
  ck_assert_uint_eq(kept, 0);
}
END_TEST

static TCase *bad_input_case(void) {
  TCase *tests = suite_case("bad input", 60);
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, every_broken_rule_is_named_and_nothing_is_written, 0, RULES);
  tcase_add_test(tests, a_misaligned_tensor_is_named_with_its_address);
  if (suite_backend() ==
      CUDROP_HOST) { /* what is accepted works on memory, here the host's */
    tcase_add_test(tests, slices_that_interleave_are_accepted);
    tcase_add_test(tests, strides_of_sizes_of_one_do_not_make_tensors_differ);
    tcase_add_test(tests, empty_tensors_need_no_data_but_right_arguments);
    tcase_add_test(tests, empty_tensors_may_have_any_sizes_and_strides);
  }
  return tests;
}

SUITE_MAIN("bad input", bad_input_case())
