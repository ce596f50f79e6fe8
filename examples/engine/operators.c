/* operators.c - the one list of operators, and what they all ask. */
#include <stdio.h>
#include <string.h>

#include "operator.h"

static const operator_table_t *const operators[] = {
    &operator_dropout, &operator_entropy,  &operator_gemm,
    &operator_mean,    &operator_relu,     &operator_mutual_information,
    &operator_softmax, &operator_variance,
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

const operator_table_t *operator_find(const char *name) {
  for (int k = 0; k < OPERATORS; ++k)
    if (strcmp(operators[k]->name, name) == 0) return operators[k];
  return NULL;
}

void operator_names(char *text, size_t size) {
  size_t length = 0;
  for (int k = 0; k < OPERATORS && length < size; ++k)
    length += (size_t)snprintf(text + length, size - length, "%s%s", k > 0 ? ", " : "",
                               operators[k]->name);
}

operator_call_t operator_call(engine_t *engine, int k) {
  return (operator_call_t){
      .engine = engine, .source = &engine->network->node[k], .node = &engine->node[k]};
}

const engine_value_t *operator_in(const operator_call_t *call, int k) {
  const bool is_there =
      k < call->source->inputs && call->source->input[k] != NETWORK_ABSENT;
  return is_there ? &call->engine->value[call->source->input[k]] : NULL;
}

engine_value_t *operator_out(const operator_call_t *call, int k) {
  return k < call->source->outputs ? &call->engine->value[call->source->output[k]] : NULL;
}

const network_value_t *operator_source(const operator_call_t *call, int k) {
  return &call->engine->network->value[call->source->input[k]];
}

double operator_attribute(const operator_call_t *call, const char *name,
                          double otherwise) {
  for (int k = 0; k < call->source->attributes; ++k)
    if (strcmp(call->source->attribute[k].name, name) == 0)
      return call->source->attribute[k].number;
  return otherwise;
}

cudrop_tensor_t operator_tensor(const operator_call_t *call,
                                const engine_value_t *value) {
  const int64_t shape[] = {engine_samples(call->engine, value), call->engine->setup.rows,
                           value->elements};
  return cudrop_tensor(value->data, value->dtype, 3, shape);
}

void operator_shape_like(const operator_call_t *call, int k, const engine_value_t *value,
                         int rank) {
  engine_value_t *out = operator_out(call, k);
  out->dtype = value->dtype;
  out->rank = rank;
  out->elements = 1;
  for (int d = 0; d < rank; ++d) {
    out->shape[d] = value->shape[d];
    out->elements *= value->shape[d];
  }
}

cudrop_status_t operator_want_rows(const operator_call_t *call, int rank) {
  const network_value_t *source = operator_source(call, 0);
  if (source->kind != NETWORK_PARAMETER && operator_in(call, 0)->rank >= rank)
    return CUDROP_OK;
  return engine_fail(call->engine, call->source, CUDROP_ERROR_SHAPE,
                     "'%s' is not by rows%s", source->name, rank > 0 ? " of a size" : "");
}

cudrop_status_t operator_want_dtype(const operator_call_t *call,
                                    const cudrop_dtype_t *dtypes, int count) {
  const cudrop_dtype_t dtype = operator_in(call, 0)->dtype;
  for (int k = 0; k < count; ++k)
    if (dtypes[k] == dtype) return CUDROP_OK;
  return engine_fail(call->engine, call->source, CUDROP_ERROR_DTYPE,
                     "'%s' is of the type %s", operator_source(call, 0)->name,
                     network_dtype_name(dtype));
}
