/*
 * test_mixed.c - a residual stream of F32 beside a branch of F16 or BF16.
 *
 * Every value of a narrow type is one of F32, and the operators compute in float. So a mixed call
 * gives what the same call gives with all tensors in F32, rounded where it is narrow: bit by bit.
 * That call is the one that test_fused.c and test_norm.c compare with formulas.
 */
#include "oracle.h"
#include "suite_context.h"

enum { ROWS = 37, MOST = ROWS * 64 };

/* Rows of whole chunks, where every kernel has a fast walk, and others. */
static const int64_t widths[] = {64, 41};
static const cudrop_dtype_t narrow_types[] = {CUDROP_F16, CUDROP_BF16};
static const double rates[] = {0.0, 0.3};
static const uint32_t accumulations[] = {
    0, CUDROP_ACCUMULATE_DATA | CUDROP_ACCUMULATE_PARAMETERS};
enum { CASES = 2 * 2 * 2 * 2, GRADIENT_CASES = 2 * CASES };

/* The combination of a test case. */
static struct {
  int64_t cols;
  cudrop_dtype_t narrow;
  double p;
  bool is_prepared;
  uint32_t accumulate; /* of gradients */
} what;

static void choose(int number) {
  what.cols = widths[number & 1];
  what.narrow = narrow_types[number >> 1 & 1];
  what.p = rates[number >> 2 & 1];
  what.is_prepared = number >> 3 & 1;
  what.accumulate = accumulations[number >> 4 & 1];
}

/* ---- Tensors ----------------------------------------------------------------------------- */

/* A tensor twice: with its own type for the mixed call, and in F32 for the other. */
typedef struct {
  cudrop_tensor_t mixed, plain;
  int64_t n;
} pair_t;

static void *to_device(const void *data, size_t bytes) {
  void *buffer = NULL;
  ck_assert_ok(cudrop_alloc(context, bytes, &buffer));
  ck_assert_ok(cudrop_upload(context, buffer, data, bytes));
  return buffer;
}

/* Values that a narrow tensor has exactly; the zeros have both signs. */
static pair_t make(cudrop_dtype_t dtype, int rank, int64_t rows, int64_t cols,
                   unsigned salt) {
  const int64_t shape[] = {rows, cols}, n = rank == 2 ? rows * cols : cols;
  uint8_t narrow[MOST * 4] = {0};
  float wide[MOST];
  ck_assert_int_le(n, MOST);
  for (int64_t e = 0; e < n; ++e) {
    const uint32_t bits = (uint32_t)(e + 1) * 2654435761u * (2 * salt + 1);
    const double value = (double)(int32_t)bits / 1e9 * (bits % 7 == 0 ? 0.0 : 1.0);
    oracle_write(dtype, value, narrow + (size_t)e * cudrop_dtype_bytes(dtype));
    wide[e] = (float)oracle_read(dtype, narrow + (size_t)e * cudrop_dtype_bytes(dtype));
  }
  void *mixed = to_device(narrow, (size_t)n * cudrop_dtype_bytes(dtype));
  void *plain = to_device(wide, (size_t)n * sizeof *wide);
  return (pair_t){cudrop_tensor(mixed, dtype, rank, rank == 2 ? shape : shape + 1),
                  cudrop_tensor(plain, CUDROP_F32, rank, rank == 2 ? shape : shape + 1),
                  n};
}

static pair_t full(cudrop_dtype_t dtype, unsigned salt) {
  return make(dtype, 2, ROWS, what.cols, salt);
}

static pair_t vector(unsigned salt) {
  return make(CUDROP_F32, 1, 1, what.cols, salt);
}

static pair_t each(unsigned salt) {
  return make(CUDROP_F32, 1, 1, ROWS, salt);
}

static void release(pair_t *pair) {
  ck_assert_ok(cudrop_free(context, &pair->mixed.data));
  ck_assert_ok(cudrop_free(context, &pair->plain.data));
}

/* The mixed tensor has the bytes of the plain one, rounded to its type. */
static void compare(const char *name, const pair_t *pair) {
  const size_t size = cudrop_dtype_bytes(pair->mixed.dtype);
  uint8_t mixed[MOST * 4], rounded[4];
  float plain[MOST];
  ck_assert_ok(cudrop_download(context, mixed, pair->mixed.data, (size_t)pair->n * size));
  ck_assert_ok(
      cudrop_download(context, plain, pair->plain.data, (size_t)pair->n * sizeof *plain));
  for (int64_t e = 0; e < pair->n; ++e) {
    oracle_write(pair->mixed.dtype, (double)plain[e], rounded);
    ck_assert_msg(memcmp(mixed + (size_t)e * size, rounded, size) == 0,
                  "%s[%lld] is not %g rounded, with %lld columns, dtype %d, p = %g, "
                  "prepared %d, accumulate %u",
                  name, (long long)e, (double)plain[e], (long long)what.cols,
                  (int)what.narrow, what.p, what.is_prepared, what.accumulate);
  }
}

/* ---- Masks and workspaces ---------------------------------------------------------------- */

static cudrop_prepared_t *block;

static cudrop_mask_t make_mask(void) {
  const cudrop_mask_t mask = cudrop_mask(7, 3, what.p);
  block = NULL;
  if (!what.is_prepared) return mask;
  ck_assert_ok(cudrop_prepared_create(context, &mask, &block));
  return cudrop_prepared_mask(block, 0);
}

static void release_mask(void) {
  ck_assert_ok(cudrop_prepared_destroy(context, &block));
}

/* ---- Fused ------------------------------------------------------------------------------- */

START_TEST(fused_forward_rounds_once) {
  choose(_i);
  pair_t x = full(what.narrow, 1), residual = full(CUDROP_F32, 2), bias = vector(3);
  pair_t y = full(CUDROP_F32, 4);
  const cudrop_mask_t mask = make_mask();
  const cudrop_fused_t fused = {
      .bias = &bias.mixed, .activation = CUDROP_GELU, .mask = &mask};
  ck_assert_ok(cudrop_fused_forward(
      context,
      &(cudrop_fused_forward_t){
          .fused = &fused, .x = &x.mixed, .residual = &residual.mixed, .y = &y.mixed}));
  ck_assert_ok(cudrop_fused_forward(
      context,
      &(cudrop_fused_forward_t){
          .fused = &fused, .x = &x.plain, .residual = &residual.plain, .y = &y.plain}));
  compare("y", &y);
  release_mask();
  release(&x), release(&residual), release(&bias), release(&y);
}
END_TEST

START_TEST(fused_backward_rounds_once) {
  choose(_i);
  pair_t x = full(what.narrow, 1), dy = full(CUDROP_F32, 2), bias = vector(3);
  pair_t dx = full(what.narrow, 4), dbias = vector(5);
  const cudrop_mask_t mask = make_mask();
  const cudrop_fused_t fused = {
      .bias = &bias.mixed, .activation = CUDROP_SILU, .mask = &mask};
  cudrop_fused_backward_t args = {.fused = &fused,
                                  .dy = &dy.mixed,
                                  .x = &x.mixed,
                                  .dx = &dx.mixed,
                                  .dbias = &dbias.mixed,
                                  .accumulate = what.accumulate};
  ck_assert_ok(cudrop_fused_backward_workspace(ROWS, what.cols, &args.workspace_bytes));
  ck_assert_ok(cudrop_alloc(context, args.workspace_bytes, &args.workspace));
  ck_assert_ok(cudrop_fused_backward(context, &args));
  args.dy = &dy.plain;
  args.x = &x.plain;
  args.dx = &dx.plain;
  args.dbias = &dbias.plain;
  ck_assert_ok(cudrop_fused_backward(context, &args));
  compare("dx", &dx);
  compare("dbias", &dbias);
  release_mask();
  ck_assert_ok(cudrop_free(context, &args.workspace));
  release(&x), release(&dy), release(&bias), release(&dx), release(&dbias);
}
END_TEST

/* ---- Norm -------------------------------------------------------------------------------- */

START_TEST(norm_forward_rounds_once) {
  choose(_i);
  pair_t x = full(what.narrow, 1), residual = full(CUDROP_F32, 2), bias = vector(3);
  pair_t gamma = vector(4), beta = vector(5), y = full(what.narrow, 6);
  pair_t h = full(CUDROP_F32, 7), mean = each(8), rstd = each(9);
  const cudrop_mask_t mask = make_mask();
  const cudrop_norm_t norm = {.bias = &bias.mixed,
                              .gamma = &gamma.mixed,
                              .beta = &beta.mixed,
                              .epsilon = 1e-5f,
                              .mask = &mask};
  ck_assert_ok(
      cudrop_norm_forward(context, &(cudrop_norm_forward_t){.norm = &norm,
                                                            .x = &x.mixed,
                                                            .residual = &residual.mixed,
                                                            .h = &h.mixed,
                                                            .y = &y.mixed,
                                                            .mean = &mean.mixed,
                                                            .rstd = &rstd.mixed}));
  ck_assert_ok(
      cudrop_norm_forward(context, &(cudrop_norm_forward_t){.norm = &norm,
                                                            .x = &x.plain,
                                                            .residual = &residual.plain,
                                                            .h = &h.plain,
                                                            .y = &y.plain,
                                                            .mean = &mean.plain,
                                                            .rstd = &rstd.plain}));
  compare("h", &h);
  compare("y", &y);
  compare("mean", &mean);
  compare("rstd", &rstd);
  release_mask();
  release(&x), release(&residual), release(&bias), release(&gamma), release(&beta);
  release(&y), release(&h), release(&mean), release(&rstd);
}
END_TEST

/* Without an x h is the residual: what an x of zeros gives, but for the sign of a zero in h. */
START_TEST(norm_of_the_stream_alone_rounds_once) {
  choose(_i);
  pair_t residual = full(CUDROP_F32, 2), gamma = vector(4), y = full(what.narrow, 6);
  pair_t h = full(CUDROP_F32, 7), mean = each(8), rstd = each(9),
         zeros = full(CUDROP_F32, 1);
  const float none[MOST] = {0.0f};
  ck_assert_ok(
      cudrop_upload(context, zeros.plain.data, none, (size_t)zeros.n * sizeof *none));
  const cudrop_norm_t norm = {.gamma = &gamma.mixed, .epsilon = 1e-5f};
  cudrop_norm_forward_t args = {.norm = &norm,
                                .residual = &residual.mixed,
                                .h = _i >> 2 & 1 ? &h.mixed : NULL,
                                .y = &y.mixed,
                                .mean = &mean.mixed,
                                .rstd = &rstd.mixed};
  ck_assert_ok(cudrop_norm_forward(context, &args));
  args.residual = &residual.plain;
  if (args.h != NULL) args.h = &h.plain;
  args.y = &y.plain;
  args.mean = &mean.plain;
  args.rstd = &rstd.plain;
  ck_assert_ok(cudrop_norm_forward(context, &args));
  compare("y of no x", &y);
  compare("mean", &mean);
  compare("rstd", &rstd);
  compare("h", &h);
  args.x = &zeros.plain;
  args.h = NULL;
  ck_assert_ok(cudrop_norm_forward(context, &args));
  compare("y of an x of zeros", &y);
  release(&residual), release(&gamma), release(&y), release(&h), release(&mean);
  release(&rstd), release(&zeros);
}
END_TEST

START_TEST(norm_backward_rounds_once) {
  choose(_i);
  pair_t dy = full(what.narrow, 1), dh = full(CUDROP_F32, 2), h = full(CUDROP_F32, 3);
  pair_t mean = each(4), rstd = each(5), gamma = vector(6), dx = full(what.narrow, 7);
  pair_t dresidual = full(CUDROP_F32, 8), dbias = vector(9), dgamma = vector(10);
  pair_t dbeta = vector(11);
  const cudrop_mask_t mask = make_mask();
  const cudrop_norm_t norm = {.gamma = &gamma.mixed, .epsilon = 1e-5f, .mask = &mask};
  cudrop_norm_backward_t args = {.norm = &norm,
                                 .dy = &dy.mixed,
                                 .dh = &dh.mixed,
                                 .h = &h.mixed,
                                 .mean = &mean.mixed,
                                 .rstd = &rstd.mixed,
                                 .dx = &dx.mixed,
                                 .dresidual = &dresidual.mixed,
                                 .dbias = &dbias.mixed,
                                 .dgamma = &dgamma.mixed,
                                 .dbeta = &dbeta.mixed,
                                 .accumulate = what.accumulate};
  ck_assert_ok(cudrop_norm_backward_workspace(ROWS, what.cols, &args.workspace_bytes));
  ck_assert_ok(cudrop_alloc(context, args.workspace_bytes, &args.workspace));
  ck_assert_ok(cudrop_norm_backward(context, &args));
  args.dy = &dy.plain;
  args.dh = &dh.plain;
  args.h = &h.plain;
  args.dx = &dx.plain;
  args.dresidual = &dresidual.plain;
  args.dbias = &dbias.plain;
  args.dgamma = &dgamma.plain;
  args.dbeta = &dbeta.plain;
  ck_assert_ok(cudrop_norm_backward(context, &args));
  compare("dx", &dx);
  compare("dresidual", &dresidual);
  compare("dbias", &dbias);
  compare("dgamma", &dgamma);
  compare("dbeta", &dbeta);
  release_mask();
  ck_assert_ok(cudrop_free(context, &args.workspace));
  release(&dy), release(&dh), release(&h), release(&mean), release(&rstd);
  release(&gamma), release(&dx), release(&dresidual), release(&dbias);
  release(&dgamma), release(&dbeta);
}
END_TEST

/* Without an activation x and bias are not looked at, and dbias may have the branch's type even
 * where no tensor of the branch is there. */
START_TEST(a_gradient_of_the_bias_alone_has_any_type) {
  choose(_i);
  pair_t dy = full(CUDROP_F32, 1), dbias = make(what.narrow, 1, 1, what.cols, 2);
  const cudrop_tensor_t unread = cudrop_vector(NULL, CUDROP_U8, 3);
  const cudrop_mask_t mask = make_mask();
  const cudrop_fused_t fused = {.bias = &unread, .mask = &mask};
  cudrop_fused_backward_t args = {.fused = &fused,
                                  .dy = &dy.mixed,
                                  .x = &unread,
                                  .dbias = &dbias.mixed,
                                  .accumulate = what.accumulate};
  ck_assert_ok(cudrop_fused_backward_workspace(ROWS, what.cols, &args.workspace_bytes));
  ck_assert_ok(cudrop_alloc(context, args.workspace_bytes, &args.workspace));
  ck_assert_ok(cudrop_fused_backward(context, &args));
  args.dbias = &dbias.plain;
  ck_assert_ok(cudrop_fused_backward(context, &args));
  compare("dbias", &dbias);
  release_mask();
  ck_assert_ok(cudrop_free(context, &args.workspace));
  release(&dy), release(&dbias);
}
END_TEST

/* ---- What is no stream ------------------------------------------------------------------- */

START_TEST(other_mixtures_are_refused) {
  choose(1);
  pair_t bf16 = full(CUDROP_BF16, 1), f16 = full(CUDROP_F16, 2),
         f32 = full(CUDROP_F32, 3);
  pair_t other = full(CUDROP_F32, 4), out = full(CUDROP_BF16, 5), rstd = each(6);
  const cudrop_fused_t fused = {.activation = CUDROP_IDENTITY};
  const cudrop_norm_t norm = {.epsilon = 1e-5f, .kind = CUDROP_RMS_NORM};
  cudrop_fused_forward_t forward = {
      .fused = &fused, .x = &bf16.mixed, .residual = &f16.mixed, .y = &f16.mixed};
  ck_assert_error(cudrop_fused_forward(context, &forward), CUDROP_ERROR_DTYPE,
                  "cudrop_fused_forward: residual is F16 and x is BF16");
  forward.residual = &f32.mixed;
  forward.y = &out.mixed;
  ck_assert_error(cudrop_fused_forward(context, &forward), CUDROP_ERROR_DTYPE,
                  "cudrop_fused_forward: y is BF16 and residual is F32");
  forward = (cudrop_fused_forward_t){.fused = &fused, .x = &f32.mixed, .y = &out.mixed};
  ck_assert_error(cudrop_fused_forward(context, &forward), CUDROP_ERROR_DTYPE,
                  "cudrop_fused_forward: y is BF16 and x is F32");
  cudrop_norm_forward_t norm_forward = {
      .norm = &norm, .x = &bf16.mixed, .residual = &f32.mixed, .y = &out.mixed};
  ck_assert_error(cudrop_norm_forward(context, &norm_forward), CUDROP_ERROR_NULL_POINTER,
                  "cudrop_norm_forward: h is NULL, and a residual of another type than x "
                  "needs it");
  norm_forward.h = &other.mixed;
  norm_forward.y = &f32.plain;
  ck_assert_error(cudrop_norm_forward(context, &norm_forward), CUDROP_ERROR_DTYPE,
                  "cudrop_norm_forward: y is F32 and x is BF16");
  cudrop_norm_backward_t backward = {.norm = &norm,
                                     .dy = &bf16.mixed,
                                     .h = &f32.mixed,
                                     .dh = &f16.mixed,
                                     .rstd = &rstd.mixed,
                                     .dx = &out.mixed};
  ck_assert_error(cudrop_norm_backward(context, &backward), CUDROP_ERROR_DTYPE,
                  "cudrop_norm_backward: dh is F16 and dy is BF16");
  release(&bf16), release(&f16), release(&f32), release(&other), release(&out);
  release(&rstd);
}
END_TEST

static TCase *mixed_case(void) {
  TCase *tests = suite_case("mixed", 300);
  tcase_add_unchecked_fixture(tests, open_context, close_context);
  tcase_add_loop_test(tests, fused_forward_rounds_once, 0, CASES);
  tcase_add_loop_test(tests, fused_backward_rounds_once, 0, GRADIENT_CASES);
  tcase_add_loop_test(tests, norm_forward_rounds_once, 0, CASES);
  tcase_add_loop_test(tests, norm_of_the_stream_alone_rounds_once, 0, CASES / 2);
  tcase_add_loop_test(tests, norm_backward_rounds_once, 0, GRADIENT_CASES);
  tcase_add_loop_test(tests, a_gradient_of_the_bias_alone_has_any_type, 0,
                      GRADIENT_CASES);
  tcase_add_test(tests, other_mixtures_are_refused);
  return tests;
}

SUITE_MAIN("mixed", mixed_case())
