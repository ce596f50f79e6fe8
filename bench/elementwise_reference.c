/* elementwise_reference.c - the operators' formulas for one element. */
#include <math.h>

#include "cudrop/mask.h"
#include "elementwise.h"
#include "format.h"

/* Round to the type in which an operator computes: double for F64, else float. */
static double round_to(cudrop_dtype_t dtype, double value) {
  return dtype == CUDROP_F64 ? value : (double)(float)value;
}

static double find_scale(const bench_case_t *what) {
  return round_to(what->dtype, cudrop_mask_scale_f64(what->p));
}

static double multiply(const bench_case_t *what, uint64_t x, double scale) {
  return round_to(what->dtype, bench_decode(what->dtype, x) * scale);
}

static uint64_t drop(const bench_case_t *what, uint64_t x, uint64_t y, bool kept) {
  (void)y;
  if (!kept || what->p == 1.0) return 0;
  return bench_encode(what->dtype, multiply(what, x, find_scale(what)));
}

static uint64_t accumulate(const bench_case_t *what, uint64_t x, uint64_t y, bool kept) {
  if (!kept || what->p == 1.0) return y;
  const double product = multiply(what, x, find_scale(what));
  return bench_encode(what->dtype,
                      round_to(what->dtype, bench_decode(what->dtype, y) + product));
}

/* a and b of alpha dropout, in double. */
static const double alpha_prime = -1.7580993408473766;

static double find_a(double p) {
  return 1.0 / sqrt((1.0 - p) * (1.0 + p * (alpha_prime * alpha_prime)));
}

static uint64_t alpha_forward(const bench_case_t *what, uint64_t x, uint64_t y,
                              bool kept) {
  (void)y;
  if (what->p == 0.0) return x;
  if (what->p == 1.0) return 0;
  const double a = find_a(what->p), b = -a * alpha_prime * what->p;
  const double value =
      kept ? bench_decode(what->dtype, x) : round_to(what->dtype, alpha_prime);
  const double product = round_to(what->dtype, value * round_to(what->dtype, a));
  return bench_encode(what->dtype,
                      round_to(what->dtype, product + round_to(what->dtype, b)));
}

static uint64_t alpha_backward(const bench_case_t *what, uint64_t x, uint64_t y,
                               bool kept) {
  (void)y;
  if (!kept || what->p == 1.0) return 0;
  return bench_encode(what->dtype,
                      multiply(what, x, round_to(what->dtype, find_a(what->p))));
}

static uint64_t export_byte(const bench_case_t *what, uint64_t x, uint64_t y, bool kept) {
  (void)what;
  (void)x;
  (void)y;
  return kept;
}

static uint64_t export_scale(const bench_case_t *what, uint64_t x, uint64_t y,
                             bool kept) {
  (void)x;
  (void)y;
  return kept ? bench_encode(what->dtype, find_scale(what)) : 0;
}

uint64_t bench_elementwise_reference(const bench_case_t *what, uint64_t x, uint64_t y,
                                     bool kept) {
  static uint64_t (*const formulas[BENCH_OPERATORS])(const bench_case_t *, uint64_t,
                                                     uint64_t, bool) = {
      [BENCH_FORWARD] = drop,
      [BENCH_FORWARD_PREPARED] = drop,
      [BENCH_BACKWARD] = drop,
      [BENCH_ACCUMULATE] = accumulate,
      [BENCH_ALPHA_FORWARD] = alpha_forward,
      [BENCH_ALPHA_BACKWARD] = alpha_backward,
      [BENCH_EXPORT_BITS] = export_byte,
      [BENCH_EXPORT_BYTES] = export_byte,
      [BENCH_EXPORT_SCALE] = export_scale,
      [BENCH_COUNT_KEPT] = export_byte,
      [BENCH_APPLY_BYTES] = drop,
      [BENCH_APPLY_BITS] = drop,
  };
  return formulas[what->op](what, x, y, kept);
}
