/*
 * test_launches.c - masks and results do not depend on how a GPU's work is cut up.
 *
 * Grids of other sizes and dense plans in several launches are forced through the context,
 * and larger tensors are compared with the host backend.
 */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "oracle.h"
#include "suite.h"
#include "trial.h"

static const cudrop_dtype_t dtypes[] = {CUDROP_F32, CUDROP_F16,    CUDROP_BF16,
                                        CUDROP_F64, CUDROP_F8E4M3, CUDROP_F8E5M2};
enum { DTYPES = sizeof dtypes / sizeof dtypes[0] };

static cudrop_context_t *context, *host;

static void open_contexts(void) {
  ck_assert_ok(cudrop_create(&context, CUDROP_CUDA, 0));
  ck_assert_ok(cudrop_create(&host, CUDROP_HOST, 0));
}
static void close_contexts(void) {
  ck_assert_ok(cudrop_destroy(&context));
  ck_assert_ok(cudrop_destroy(&host));
}

static const struct {
  int64_t blocks, packs;
} cuts[] = {{1, 1}, {1, 3}, {2, 1000}, {3, 64}, {100000, 7}};
enum { CUTS = sizeof cuts / sizeof cuts[0] };

START_TEST(every_grid_and_every_cut_gives_the_same_bytes) {
  static const int64_t rows_stride[] = {1100, 1};
  static const layout_t layouts[] = {{"a vector", 1, {2069}, NULL, NULL},
                                     {"rows", 2, {3, 1031}, rows_stride, NULL}};
  context->cuda.blocks = cuts[_i].blocks;
  context->cuda.packs = cuts[_i].packs;
  for (trial_operator_t op = TRIAL_FORWARD; op < TRIAL_OPERATORS; ++op) {
    for (int k = 0; k < 2 * DTYPES; ++k) {
      const trial_t trial = {.op = op,
                             .dtype = dtypes[k / 2],
                             .layout = &layouts[k % 2],
                             .mask = cudrop_mask(11, (uint64_t)k, 0.3),
                             .prepared = k % 3 == 0 && trial_has_mask(op)};
      if (!trial_takes(op, trial.dtype)) continue;
      const char *wrong = trial_run(context, &trial);
      ck_assert_msg(wrong[0] == '\0', "%s", wrong);
    }
  }
}
END_TEST

/* The trial's y, as one context makes it. */
static view_t make_y(cudrop_context_t *on, const view_t *x, const cudrop_mask_t *mask,
                     cudrop_status_t (*run)(cudrop_context_t *, const cudrop_tensor_t *,
                                            const cudrop_mask_t *,
                                            const cudrop_tensor_t *)) {
  view_t y = view_copy(x);
  memset(y.block, 0, y.bytes);
  placed_t from = view_place(on, x, false), to = view_place(on, &y, true);
  ck_assert_ok(run(on, &from.tensor, mask, &to.tensor));
  view_fetch(on, &to, &y);
  view_displace(on, &from);
  view_displace(on, &to);
  return y;
}

/* CUDROP_TEST_ELEMENTS: how many, where a GPU is there to do more. */
static int64_t count_elements(void) {
  const char *elements = getenv("CUDROP_TEST_ELEMENTS");
  return elements != NULL ? atoll(elements) : 1 << 16;
}

START_TEST(larger_tensors_equal_the_hosts) {
  const cudrop_dtype_t dtype = dtypes[_i % DTYPES];
  const int64_t n = count_elements() + 13, shift = _i / DTYPES;
  view_t x = view_make(dtype, 1, &n, NULL, (int)shift);
  view_randomise(&x, 5);
  for (int k = 0; k < 3; ++k) {
    cudrop_mask_t mask = cudrop_mask(3, 4, 0.1);
    mask.index_base = ((uint64_t)1 << 40) + (uint64_t)(k == 0 ? 0 : 3);
    if (k == 2 && !trial_takes(TRIAL_ACCUMULATE, dtype)) continue;
    view_t on_host =
        make_y(host, &x, &mask, k == 2 ? cudrop_backward_accumulate : cudrop_forward);
    view_t on_gpu =
        make_y(context, &x, &mask, k == 2 ? cudrop_backward_accumulate : cudrop_forward);
    ck_assert_int_eq(view_difference(&on_host, &on_gpu), -1);
    view_free(&on_host);
    view_free(&on_gpu);
  }
  view_free(&x);
}
END_TEST

static TCase *launches_case(void) {
  TCase *tests = suite_case("launches", 600);
  tcase_add_checked_fixture(tests, open_contexts, close_contexts);
  tcase_add_loop_test(tests, every_grid_and_every_cut_gives_the_same_bytes, 0, CUTS);
  tcase_add_loop_test(tests, larger_tensors_equal_the_hosts, 0, 2 * DTYPES);
  return tests;
}

SUITE_MAIN("launches", launches_case())
