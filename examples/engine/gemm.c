/*
 * gemm.c - Gemm x w [b] -> y: x w + b, x[rows][in], w[in][out], b[out].
 *
 * Each sample is a product of its own: a BLAS sums in another order where there are more rows,
 * and a sample's bits would follow the number of samples.
 */
#include <limits.h>

#include "operator.h"

static cudrop_status_t fail(const operator_call_t *call, int k, const char *rule) {
  return engine_fail(call->engine, call->source, CUDROP_ERROR_SHAPE, "'%s' %s",
                     operator_source(call, k)->name, rule);
}

/* Is input k a parameter in f32 of this rank? */
static bool is_parameter(const operator_call_t *call, int k, int rank) {
  const engine_value_t *value = operator_in(call, k);
  return operator_source(call, k)->kind == NETWORK_PARAMETER &&
         value->dtype == CUDROP_F32 && value->rank == rank;
}

static cudrop_status_t infer_shape(const operator_call_t *call) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32};
  const engine_value_t *x = operator_in(call, 0), *w = operator_in(call, 1);
  const engine_value_t *b = operator_in(call, 2);
  engine_value_t *y = operator_out(call, 0);
  TRY(operator_want_rows(call, 1));
  TRY(operator_want_dtype(call, dtypes, 1));
  if (x->rank != 1) return fail(call, 0, "has rows of more than one size");
  if (w == NULL || !is_parameter(call, 1, 2))
    return engine_fail(call->engine, call->source, CUDROP_ERROR_SHAPE,
                       "its second input is no f32 parameter of two sizes");
  if (w->shape[0] != x->shape[0]) return fail(call, 1, "has another size than the rows");
  if (b != NULL && (!is_parameter(call, 2, 1) || b->shape[0] != w->shape[1]))
    return fail(call, 2, "is no f32 parameter of the size of the output");
  *y = (engine_value_t){.dtype = CUDROP_F32, .rank = 1};
  y->shape[0] = y->elements = w->shape[1];
  return CUDROP_OK;
}

static cudrop_status_t prepare(const operator_call_t *call) {
  if (call->engine->setup.rows <= INT_MAX) return CUDROP_OK;
  return engine_fail(call->engine, call->source, CUDROP_ERROR_OVERFLOW,
                     "%lld rows are more than a product takes",
                     (long long)call->engine->setup.rows);
}

static cudrop_status_t multiply(const operator_call_t *call, int64_t sample) {
  const engine_value_t *x = operator_in(call, 0), *w = operator_in(call, 1);
  const engine_value_t *b = operator_in(call, 2), *y = operator_out(call, 0);
  const int64_t rows = call->engine->setup.rows;
  maths_t *maths = &call->engine->maths;
  const maths_product_t product = {
      .rows = (int)rows,
      .cols = (int)y->elements,
      .inner = (int)x->elements,
      .a = (const float *)x->data + sample * rows * x->elements,
      .b = w->data,
      .beta = b == NULL ? 0 : 1,
      .c = (float *)y->data + sample * rows * y->elements,
  };
  if (b != NULL)
    TRY(maths->table->repeat_row(maths, b->data, product.rows, product.cols, product.c));
  return maths->table->multiply(maths, &product);
}

static cudrop_status_t run(const operator_call_t *call) {
  const int64_t samples = engine_samples(call->engine, operator_out(call, 0));
  for (int64_t t = 0; t < samples; ++t) TRY(multiply(call, t));
  return CUDROP_OK;
}

const operator_table_t operator_gemm = {
    .name = "Gemm",
    .least_inputs = 2,
    .most_inputs = 3,
    .most_outputs = 1,
    .infer_shape = infer_shape,
    .prepare = prepare,
    .run = run,
};
