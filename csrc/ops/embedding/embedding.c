/* embedding.c - tokens, positions and dropout: the public calls. */
#include "ops/embedding/embedding.h"

#include "call/rows.h"
#include "core/context.h"
#include "core/environment.h"
#include "core/status.h"

/* ---- The gradients' memory -------------------------------------------------------- */

/* What is kept for each digit: its counts by tile, and its count. */
static int64_t count_counts(int64_t entries) {
  const int64_t tiles = (entries + CUDROPI_SORT_TILE - 1) / CUDROPI_SORT_TILE;
  return CUDROPI_SORT_DIGITS * (tiles + 1);
}

bool cudropi_gather_bytes(int64_t entries, int64_t cols, bool is_sorted,
                          ptrdiff_t *bytes) {
  const int64_t size = sizeof(float); /* of a float, and of a number of the sort */
  const int64_t of_sort = is_sorted ? (4 * entries + count_counts(entries)) * size : 0;
  const int64_t a_col = 2 * cudropi_count_segments(entries) * size; /* head and tail */
  return !__builtin_mul_overflow(a_col, cols, bytes) &&
         !__builtin_add_overflow(*bytes, of_sort, bytes);
}

void cudropi_gather_place(cudropi_gather_t *gather, int64_t cols, void *memory) {
  gather->head = memory;
  gather->tail = gather->head + gather->segments * cols;
  if (!gather->is_sorted) return;
  uint32_t *next = (uint32_t *)(gather->tail + gather->segments * cols);
  for (int k = 0; k < 2; ++k) {
    gather->key[k] = next;
    gather->row[k] = next + gather->entries;
    next += 2 * gather->entries;
  }
  gather->counts = next;
}

/* ---- The calls -------------------------------------------------------------------- */

static cudropi_rows_argument_t describe_ids(const cudrop_tensor_t *ids) {
  return (cudropi_rows_argument_t){.name = "ids",
                                   .tensor = ids,
                                   .extent = CUDROPI_EXTENT_EACH,
                                   .type = CUDROPI_TYPE_I32,
                                   .is_needed = true};
}

static cudropi_rows_argument_t describe_table(const char *name,
                                              const cudrop_tensor_t *table,
                                              cudropi_extent_t extent) {
  return (cudropi_rows_argument_t){
      .name = name, .tensor = table, .extent = extent, .type = CUDROPI_TYPE_SAME_OR_F32};
}

cudrop_status_t cudrop_embedding_forward(cudrop_context_t *context,
                                         const cudrop_embedding_forward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  const cudrop_tensor_t counter =
      cudrop_tensor(args->out_of_range, CUDROPI_TOTAL, 0, NULL);
  cudropi_rows_call_t call = {
      .function = __func__,
      .op = CUDROPI_ROWS_EMBEDDING,
      .first = CUDROPI_ROWS_Y,
      .argument = {[CUDROPI_ROWS_IDS] = describe_ids(args->ids),
                   [CUDROPI_ROWS_TOKENS] =
                       describe_table("tokens", args->tokens, CUDROPI_EXTENT_TABLE),
                   [CUDROPI_ROWS_POSITIONS] = describe_table("positions", args->positions,
                                                             CUDROPI_EXTENT_PLACES),
                   [CUDROPI_ROWS_COUNTER] = {.name = "out_of_range",
                                             .tensor = args->out_of_range != NULL
                                                           ? &counter
                                                           : NULL,
                                             .extent = CUDROPI_EXTENT_ONE,
                                             .type = CUDROPI_TYPE_INTERNAL,
                                             .is_output = true},
                   [CUDROPI_ROWS_Y] = {.name = "y",
                                       .tensor = args->y,
                                       .is_needed = true,
                                       .is_output = true}},
      .mask = args->mask};
  call.argument[CUDROPI_ROWS_TOKENS].is_needed = true;
  return cudropi_rows_run(context, &call);
}

static cudropi_rows_call_t describe_backward(const char *function,
                                             const cudrop_embedding_backward_t *args) {
  cudropi_rows_call_t call = {
      .function = function,
      .op = CUDROPI_ROWS_EMBEDDING_GRADIENT,
      .first = CUDROPI_ROWS_DY,
      .argument = {[CUDROPI_ROWS_IDS] = describe_ids(args->ids),
                   [CUDROPI_ROWS_DY] = {.name = "dy",
                                        .tensor = args->dy,
                                        .is_needed = true},
                   [CUDROPI_ROWS_DTOKENS] =
                       describe_table("dtokens", args->dtokens, CUDROPI_EXTENT_TABLE),
                   [CUDROPI_ROWS_DPOSITIONS] = describe_table(
                       "dpositions", args->dpositions, CUDROPI_EXTENT_PLACES)},
      .mask = args->mask,
      .accumulate = args->accumulate,
      .vocabulary = args->vocabulary,
      .workspace = {args->workspace, args->workspace_bytes}};
  call.argument[CUDROPI_ROWS_DTOKENS].is_output = true;
  call.argument[CUDROPI_ROWS_DPOSITIONS].is_output = true;
  return call;
}

/* Write zeros to a table: rows that nothing refers to have no gradient. */
static cudrop_status_t clear(cudrop_context_t *context, const char *function,
                             const cudrop_tensor_t *table) {
  const cudrop_mask_t nothing = cudrop_mask(0, 0, 1.0);
  const cudropi_call_t call = {.function = function,
                               .op = CUDROPI_EXPORT_SCALE,
                               .mask = &nothing,
                               .y = {CUDROPI_NUMBERS, "table", table}};
  const cudropi_plan_t plan = cudropi_plan(&call);
  return context->backend->run(context, function, &plan);
}

/* The gradient of one of the tables, of a call that is validated. */
static cudrop_status_t sum_table(cudrop_context_t *context,
                                 const cudropi_rows_call_t *call,
                                 cudropi_rows_operand_t table) {
  const cudrop_tensor_t *tensor = call->argument[table].tensor;
  cudropi_rows_call_t one = *call;
  if (tensor == NULL) return CUDROP_OK;
  if (table == CUDROPI_ROWS_DPOSITIONS && call->argument[CUDROPI_ROWS_DTOKENS].tensor) {
    one.vocabulary = call->argument[CUDROPI_ROWS_DTOKENS].tensor->shape[0];
    one.argument[CUDROPI_ROWS_DTOKENS].tensor = NULL;
  }
  const cudropi_rows_t rows = cudropi_rows_plan(&one);
  if (!rows.adds_to_parameters) TRY(clear(context, call->function, tensor));
  return context->backend->run_rows(context, call->function, &rows);
}

static cudrop_status_t compute_backward(cudrop_context_t *context, const void *argument) {
  const cudropi_rows_call_t *call = argument;
  TRY(cudropi_rows_validate(context, call));
  TRY(sum_table(context, call, CUDROPI_ROWS_DTOKENS));
  return sum_table(context, call, CUDROPI_ROWS_DPOSITIONS);
}

cudrop_status_t cudrop_embedding_backward(cudrop_context_t *context,
                                          const cudrop_embedding_backward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  REQUIRE(args->dtokens != NULL || args->dpositions != NULL, CUDROP_ERROR_NULL_POINTER,
          "%s: dtokens and dpositions are both NULL", __func__);
  REQUIRE((args->accumulate & CUDROP_ACCUMULATE_DATA) == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: accumulate has CUDROP_ACCUMULATE_DATA, and there is no gradient of data",
          __func__);
  const cudropi_rows_call_t call = describe_backward(__func__, args);
  return cudropi_compute(compute_backward, context, &call);
}

cudrop_status_t cudrop_embedding_backward_workspace(
    const cudrop_embedding_backward_t *args, size_t *bytes) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  const cudropi_rows_call_t call = describe_backward(__func__, args);
  return cudropi_rows_query(&call, bytes);
}
