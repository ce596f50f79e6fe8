/* engine.c - a network opened for a context, and its runs; plan.c has what lies between. */
#include "engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "operator.h"

/* ---- Errors ----------------------------------------------------------------------- */

cudrop_status_t engine_fail(engine_t *engine, const network_node_t *node,
                            cudrop_status_t status, const char *format, ...) {
  char words[256], place[128] = "";
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  if (node != NULL && node->line > 0) {
    snprintf(place, sizeof place, "%s:%d: %s: ", engine->network->source, node->line,
             node->operator_name);
  } else if (node != NULL) {
    snprintf(place, sizeof place, "%s -> %s: ", node->operator_name,
             engine->network->value[node->output[0]].name);
  }
  snprintf(engine->error, sizeof engine->error, "%s%s", place, words);
  return status;
}

void engine_begin(engine_t *engine) {
  engine->error[0] = '\0';
  engine->maths.failure.words[0] = '\0';
}

const char *engine_error(const engine_t *engine) {
  return engine->error[0] != '\0' ? engine->error : failure_words(&engine->maths.failure);
}

/* ---- Values ----------------------------------------------------------------------- */

const engine_value_t *engine_find(const engine_t *engine, const char *name) {
  const int k = network_find(engine->network, name);
  return k == NETWORK_ABSENT ? NULL : &engine->value[k];
}

int64_t engine_samples(const engine_t *engine, const engine_value_t *value) {
  return value->is_sampled && engine->setup.samples > 0 ? engine->setup.samples : 1;
}

size_t engine_bytes(const engine_t *engine, const engine_value_t *value) {
  const size_t bytes = (size_t)value->elements * cudrop_dtype_bytes(value->dtype);
  return (size_t)engine_samples(engine, value) * (size_t)engine->setup.rows * bytes;
}

/* ---- Opening ---------------------------------------------------------------------- */

/* What the network says of the input and of parameters. */
static void describe_values(engine_t *engine) {
  for (int k = 0; k < engine->network->values; ++k) {
    const network_value_t *source = &engine->network->value[k];
    engine_value_t *value = &engine->value[k];
    *value = (engine_value_t){
        .dtype = source->dtype, .rank = source->rank, .elements = source->elements};
    memcpy(value->shape, source->shape, sizeof value->shape);
  }
}

static cudrop_status_t check_attributes(engine_t *engine, const network_node_t *source,
                                        const operator_table_t *table) {
  for (int k = 0; k < source->attributes; ++k) {
    bool is_known = false;
    for (int known = 0; known < NETWORK_ATTRIBUTES; ++known)
      is_known =
          is_known || (table->attribute[known] != NULL &&
                       strcmp(table->attribute[known], source->attribute[k].name) == 0);
    if (!is_known)
      return engine_fail(engine, source, CUDROP_ERROR_INVALID_ARGUMENT,
                         "it has no attribute '%s'", source->attribute[k].name);
  }
  return CUDROP_OK;
}

static cudrop_status_t find_operator(engine_t *engine, int k) {
  const network_node_t *source = &engine->network->node[k];
  const operator_table_t *table = operator_find(source->operator_name);
  char names[128];
  operator_names(names, sizeof names);
  if (table == NULL)
    return engine_fail(engine, source, CUDROP_ERROR_INVALID_ARGUMENT,
                       "this is no operator; there are %s", names);
  if (source->inputs < table->least_inputs || source->inputs > table->most_inputs ||
      source->input[0] == NETWORK_ABSENT || source->outputs > table->most_outputs)
    return engine_fail(engine, source, CUDROP_ERROR_INVALID_ARGUMENT,
                       "%d inputs and %d outputs; it takes %d to %d, and has %d at most",
                       source->inputs, source->outputs, table->least_inputs,
                       table->most_inputs, table->most_outputs);
  TRY(check_attributes(engine, source, table));
  engine->node[k].table = table;
  engine->node[k].site = engine->sites;
  engine->sites += table->samples == OPERATOR_BEGINS;
  return CUDROP_OK;
}

/* A value is sampled if one that it follows from is, unless its operator begins or ends that. */
static void spread_samples(const operator_call_t *call) {
  bool is_sampled = call->node->table->samples == OPERATOR_BEGINS;
  for (int k = 0; k < call->source->inputs; ++k)
    is_sampled =
        is_sampled || (operator_in(call, k) != NULL && operator_in(call, k)->is_sampled);
  if (call->node->table->samples == OPERATOR_ENDS) is_sampled = false;
  for (int k = 0; k < call->source->outputs; ++k)
    operator_out(call, k)->is_sampled = is_sampled;
}

/* The shapes of a network follow from it alone; of one node after the other. */
static cudrop_status_t infer_shapes(engine_t *engine) {
  for (int k = 0; k < engine->network->nodes; ++k) {
    const operator_call_t call = operator_call(engine, k);
    TRY(find_operator(engine, k));
    TRY(call.node->table->infer_shape(&call));
    spread_samples(&call);
  }
  return CUDROP_OK;
}

static cudrop_status_t upload_parameters(engine_t *engine) {
  const network_t *network = engine->network;
  size_t bytes = 0;
  for (int k = 0; k < network->values; ++k)
    if (network->value[k].kind == NETWORK_PARAMETER)
      bytes += engine_pad(network_bytes(&network->value[k]));
  TRY(cudrop_alloc(engine->context, bytes, &engine->parameters));
  char *next = engine->parameters;
  for (int k = 0; k < network->values; ++k) {
    const network_value_t *source = &network->value[k];
    if (source->kind != NETWORK_PARAMETER) continue;
    engine->value[k].data = next;
    TRY(cudrop_upload(engine->context, next, source->data, network_bytes(source)));
    next += engine_pad(network_bytes(source));
  }
  return CUDROP_OK;
}

cudrop_status_t engine_open(engine_t *engine, const network_t *network,
                            cudrop_context_t *context) {
  *engine = (engine_t){.network = network, .context = context};
  describe_values(engine);
  TRY(infer_shapes(engine));
  TRY(maths_open(&engine->maths, context));
  TRY(device_open(&engine->device, context, &engine->maths));
  return upload_parameters(engine);
}

/* Free the states of all operators; the status of the first failure. */
static cudrop_status_t destroy_states(engine_t *engine) {
  cudrop_status_t first = CUDROP_OK;
  for (int k = 0; k < engine->network->nodes; ++k) {
    const operator_call_t call = operator_call(engine, k);
    if (call.node->table == NULL || call.node->table->destroy == NULL) continue;
    const cudrop_status_t status = call.node->table->destroy(&call);
    if (first == CUDROP_OK) first = status;
  }
  return first;
}

cudrop_status_t engine_close(engine_t *engine) {
  const cudrop_status_t statuses[] = {
      destroy_states(engine),
      cudrop_free(engine->context, &engine->arena),
      cudrop_free(engine->context, &engine->parameters),
      device_close(&engine->device),
      maths_close(&engine->maths),
  };
  engine->is_planned = false;
  for (size_t k = 0; k < sizeof statuses / sizeof statuses[0]; ++k) TRY(statuses[k]);
  return CUDROP_OK;
}

/* ---- Runs ------------------------------------------------------------------------- */

static cudrop_status_t want_plan(engine_t *engine, const char *call) {
  if (engine->is_planned) return CUDROP_OK;
  return engine_fail(engine, NULL, CUDROP_ERROR_INVALID_ARGUMENT, "%s: there is no plan",
                     call);
}

cudrop_status_t engine_write(engine_t *engine, const void *rows) {
  engine_begin(engine);
  TRY(want_plan(engine, "engine_write"));
  for (int k = 0; k < engine->network->values; ++k) {
    const engine_value_t *value = &engine->value[k];
    if (engine->network->value[k].kind == NETWORK_INPUT)
      return cudrop_upload(engine->context, value->data, rows,
                           engine_bytes(engine, value));
  }
  return engine_fail(engine, NULL, CUDROP_ERROR_INVALID_ARGUMENT,
                     "engine_write: the network has no input");
}

cudrop_status_t engine_run_nodes(engine_t *engine) {
  for (int k = 0; k < engine->network->nodes; ++k) {
    const operator_call_t call = operator_call(engine, k);
    TRY(call.node->table->run(&call));
  }
  return CUDROP_OK;
}

cudrop_status_t engine_run(engine_t *engine) {
  engine_begin(engine);
  TRY(want_plan(engine, "engine_run"));
  const device_table_t *table = engine->device.table;
  return table->replay != NULL ? table->replay(&engine->device)
                               : engine_run_nodes(engine);
}

cudrop_status_t engine_read(engine_t *engine, const char *name, void *to) {
  const int k = network_find(engine->network, name);
  const engine_value_t *value = &engine->value[k == NETWORK_ABSENT ? 0 : k];
  engine_begin(engine);
  TRY(want_plan(engine, "engine_read"));
  if (k == NETWORK_ABSENT || engine->network->value[k].kind == NETWORK_PARAMETER)
    return engine_fail(engine, NULL, CUDROP_ERROR_INVALID_ARGUMENT,
                       "engine_read: '%s' is not computed", name);
  return cudrop_download(engine->context, to, value->data, engine_bytes(engine, value));
}
