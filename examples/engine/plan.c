/* plan.c - memory for a number of rows and samples, and a run that is recorded. */
#include "operator.h"

static cudrop_status_t check_setup(engine_t *engine, const engine_setup_t *setup) {
  if (setup->rows >= 1 && setup->samples >= 0) return CUDROP_OK;
  return engine_fail(engine, NULL, CUDROP_ERROR_INVALID_ARGUMENT,
                     "engine_plan: rows = %lld, samples = %lld: at least 1 and 0",
                     (long long)setup->rows, (long long)setup->samples);
}

/* The next place in the arena, whose bytes so far are *bytes; NULL while there is none. */
static void *take(const engine_t *engine, size_t size, size_t *bytes) {
  char *place = engine->arena == NULL ? NULL : (char *)engine->arena + *bytes;
  *bytes += engine_pad(size);
  return place;
}

static cudrop_status_t place_value(engine_t *engine, int k, size_t *bytes) {
  const network_value_t *source = &engine->network->value[k];
  engine_value_t *value = &engine->value[k];
  size_t size = (size_t)value->elements * cudrop_dtype_bytes(value->dtype);
  if (source->kind == NETWORK_PARAMETER) return CUDROP_OK;
  const bool overflows =
      __builtin_mul_overflow(size, (size_t)engine->setup.rows, &size) ||
      __builtin_mul_overflow(size, (size_t)engine_samples(engine, value), &size) ||
      size > SIZE_MAX / 4 || *bytes > SIZE_MAX / 4;
  if (overflows)
    return engine_fail(engine, NULL, CUDROP_ERROR_OVERFLOW,
                       "'%s' has more bytes than can be counted", source->name);
  value->data = take(engine, size, bytes);
  return CUDROP_OK;
}

/* Give everything its place, and write to *bytes what that needs. */
static cudrop_status_t place_all(engine_t *engine, size_t *bytes) {
  *bytes = 0;
  for (int k = 0; k < engine->network->values; ++k) TRY(place_value(engine, k, bytes));
  for (int k = 0; k < engine->network->nodes; ++k) {
    const operator_call_t call = operator_call(engine, k);
    if (call.node->table->find_workspace == NULL) continue;
    call.node->workspace = take(engine, call.node->table->find_workspace(&call), bytes);
  }
  return CUDROP_OK;
}

/* Twice over the places: once for their size, and once when the memory is there. */
static cudrop_status_t make_room(engine_t *engine) {
  size_t bytes = 0;
  TRY(cudrop_free(engine->context, &engine->arena));
  TRY(place_all(engine, &bytes));
  TRY(cudrop_alloc(engine->context, bytes, &engine->arena));
  return place_all(engine, &bytes);
}

/*
 * Before the first capture everything runs once: libraries load their kernels, and cuBLAS
 * takes its workspace, which a capture does not allow.
 */
static cudrop_status_t record(engine_t *engine) {
  const device_table_t *table = engine->device.table;
  if (table->record == NULL || engine->is_recorded) return CUDROP_OK;
  if (!engine->is_warm) TRY(engine_run_nodes(engine));
  engine->is_warm = true;
  TRY(table->record(&engine->device));
  const cudrop_status_t status = engine_run_nodes(engine);
  const cudrop_status_t ended = table->end_record(&engine->device);
  engine->is_recorded = status == CUDROP_OK && ended == CUDROP_OK;
  return status != CUDROP_OK ? status : ended;
}

cudrop_status_t engine_plan(engine_t *engine, const engine_setup_t *setup) {
  const engine_setup_t *before = &engine->setup;
  const bool fits = engine->is_planned && before->rows == setup->rows &&
                    before->samples == setup->samples && before->masks == setup->masks;
  engine_begin(engine);
  TRY(check_setup(engine, setup));
  engine->is_planned = false;
  engine->setup = *setup;
  engine->is_recorded = engine->is_recorded && fits;
  if (!fits) TRY(make_room(engine));
  for (int k = 0; k < engine->network->nodes; ++k) {
    const operator_call_t call = operator_call(engine, k);
    if (call.node->table->prepare != NULL) TRY(call.node->table->prepare(&call));
  }
  TRY(record(engine));
  engine->is_planned = true;
  return CUDROP_OK;
}
