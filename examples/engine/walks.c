/*
 * walks.c - the operators that a kernel of device.h computes, item by item: softmax, and the
 * statistics of Monte-Carlo dropout. The kernels have their formulas.
 */
#include "operator.h"

static cudrop_status_t infer_shape(const operator_call_t *call) {
  static const cudrop_dtype_t dtypes[] = {CUDROP_F32};
  const engine_value_t *x = operator_in(call, 0);
  TRY(operator_want_rows(call, 1));
  TRY(operator_want_dtype(call, dtypes, 1));
  operator_shape_like(call, 0, x, call->node->table->reduces ? x->rank - 1 : x->rank);
  return CUDROP_OK;
}

/* What is along the last size is a row of the walk, be it of a sample or over all of them. */
static cudrop_status_t run(const operator_call_t *call) {
  const operator_table_t *table = call->node->table;
  const engine_value_t *x = operator_in(call, 0);
  const int64_t cols = x->shape[x->rank - 1];
  const int64_t rows = call->engine->setup.rows * (x->elements / cols);
  const int64_t samples = engine_samples(call->engine, x);
  const bool ends = table->samples == OPERATOR_ENDS;
  const device_walk_t walk = {
      .x = x->data,
      .y = operator_out(call, 0)->data,
      .samples = ends ? samples : 1,
      .rows = ends ? rows : samples * rows,
      .cols = cols,
  };
  const int64_t items = ends && !table->reduces ? rows * cols : walk.rows;
  device_t *device = &call->engine->device;
  return device->table->walk(device, table->kernel, &walk, items);
}

#define WALK_OPERATOR(symbol, text, with_samples, is_reducing) \
  const operator_table_t operator_##symbol = {                 \
      .name = text,                                            \
      .least_inputs = 1,                                       \
      .most_inputs = 1,                                        \
      .most_outputs = 1,                                       \
      .samples = with_samples,                                 \
      .kernel = DEVICE_##symbol,                               \
      .reduces = is_reducing,                                  \
      .infer_shape = infer_shape,                              \
      .run = run,                                              \
  }

WALK_OPERATOR(entropy, "Entropy", OPERATOR_KEEPS, true);
WALK_OPERATOR(mean, "Mean", OPERATOR_ENDS, false);
WALK_OPERATOR(mutual_information, "MutualInformation", OPERATOR_ENDS, true);
WALK_OPERATOR(softmax, "Softmax", OPERATOR_KEEPS, false);
WALK_OPERATOR(variance, "Variance", OPERATOR_ENDS, false);
