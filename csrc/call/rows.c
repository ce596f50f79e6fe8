/* rows.c - from a validated call on rows to numbers, and to the backend. */
#include "call/rows.h"

#include <string.h>

#include "core/context.h"
#include "core/environment.h"
#include "core/status.h"

/* ---- Sizes ------------------------------------------------------------------------ */

/* The rows and columns; false if there are no columns, and more rows than 63 bits count. */
static bool count_rows(const cudrop_tensor_t *first, int64_t *rows, int64_t *cols) {
  *cols = first->shape[first->rank - 1];
  return cudropi_count(first->rank - 1, first->shape, rows);
}

/* Is it a vector that the operator sums over rows? */
static bool is_sum(const cudropi_rows_argument_t *argument) {
  return argument->tensor != NULL && argument->is_output &&
         argument->extent == CUDROPI_EXTENT_ROW;
}

/* The bytes of partial sums, and of what the operator keeps of each row; false past 63 bits. */
static bool count_bytes(const cudropi_rows_call_t *call, int64_t rows, int64_t cols,
                        ptrdiff_t *bytes) {
  const int64_t size = sizeof(float), a_row = call->floats_a_row * size;
  int64_t a_col = 0;
  ptrdiff_t of_rows = 0;
  if (call->op == CUDROPI_ROWS_EMBEDDING_GRADIENT)
    return cudropi_gather_bytes(
        rows, cols, call->argument[CUDROPI_ROWS_DTOKENS].tensor != NULL, bytes);
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k)
    a_col += is_sum(&call->argument[k]) ? size : 0;
  return !__builtin_mul_overflow(a_col, cols, bytes) &&
         !__builtin_mul_overflow(*bytes, cudropi_tile(rows, cols).slabs, bytes) &&
         !__builtin_mul_overflow(a_row, rows, &of_rows) &&
         !__builtin_add_overflow(*bytes, of_rows, bytes);
}

cudrop_status_t cudropi_rows_workspace(const cudropi_rows_call_t *call, size_t *bytes) {
  const cudropi_rows_argument_t *first = &call->argument[call->first];
  int64_t rows = 0, cols = 0;
  ptrdiff_t needed = 0;
  const bool is_counted = count_rows(first->tensor, &rows, &cols);
  if (call->op == CUDROPI_ROWS_EMBEDDING_GRADIENT) { /* what can be sorted */
    REQUIRE(is_counted, CUDROP_ERROR_OVERFLOW, "%s: %s has more rows than 63 bits count",
            call->function, first->name);
    REQUIRE(rows <= INT32_MAX, CUDROP_ERROR_OVERFLOW,
            "%s: %s has %lld rows, and the most is 2^31 - 1", call->function, first->name,
            (long long)rows);
  }
  const bool is_empty = rows == 0 || cols == 0;
  REQUIRE(is_empty || count_bytes(call, rows, cols, &needed), CUDROP_ERROR_OVERFLOW,
          "%s: %s has %lld rows of %lld columns, whose workspace has more bytes than 63 "
          "bits count",
          call->function, first->name, (long long)rows, (long long)cols);
  *bytes = (size_t)needed;
  return CUDROP_OK;
}

/* ---- The plan --------------------------------------------------------------------- */

static void plan_mask(cudropi_rows_t *rows, const cudropi_rows_call_t *call,
                      const cudrop_tensor_t *first) {
  const cudrop_tensor_t *bits = call->argument[CUDROPI_ROWS_BITS].tensor;
  const int inner = first->rank - 1;
  rows->draw = cudropi_draw(call->mask, call->p, bits != NULL, first->rank, first->shape);
  if (bits != NULL && rows->draw.source == CUDROPI_FROM_OPERAND) rows->bits = bits->data;
  rows->index_step = rows->draw.index_stride[inner];
  rows->draw.index_stride[inner] = 0; /* no dimension of the rows */
}

/* How far the queries see; lengths are read by batch, and are no operand of the rows. */
static void plan_attention(cudropi_rows_t *rows, const cudropi_rows_call_t *call,
                           const cudrop_tensor_t *first) {
  const cudropi_attention_t *attention = call->attention;
  const cudrop_tensor_t *lengths = call->argument[CUDROPI_ROWS_LENGTHS].tensor;
  if (attention == NULL || rows->rows == 0) return;
  rows->scores_scale = attention->scale != 0.0f ? attention->scale : 1.0f;
  rows->visible = (cudropi_visible_t){.keys = rows->cols,
                                      .queries = first->shape[first->rank - 2],
                                      .batch_rows = rows->rows / first->shape[0],
                                      .is_causal = attention->causal != 0,
                                      .query_offset = attention->query_offset < rows->cols
                                                          ? attention->query_offset
                                                          : rows->cols};
  if (lengths == NULL) return;
  rows->visible.lengths = lengths->data;
  rows->visible.length_stride = lengths->stride[0];
}

/* The elements from row to row of a table, whose rows are none of the plan's. */
static int64_t find_table_stride(const cudropi_rows_argument_t *argument) {
  return argument->tensor != NULL ? argument->tensor->stride[0] : 0;
}

static void plan_lookup(cudropi_rows_t *rows, const cudropi_rows_call_t *call,
                        const cudrop_tensor_t *first) {
  const bool is_gradient = call->op == CUDROPI_ROWS_EMBEDDING_GRADIENT;
  const cudropi_rows_argument_t *argument = call->argument;
  const cudrop_tensor_t *tokens =
      argument[is_gradient ? CUDROPI_ROWS_DTOKENS : CUDROPI_ROWS_TOKENS].tensor;
  const cudrop_tensor_t *counter = argument[CUDROPI_ROWS_COUNTER].tensor;
  rows->lookup = (cudropi_lookup_t){
      .vocabulary = tokens != NULL ? tokens->shape[0] : call->vocabulary,
      .places = first->rank > 1 ? first->shape[first->rank - 2] : 1,
      .token_stride = find_table_stride(
          &argument[is_gradient ? CUDROPI_ROWS_DTOKENS : CUDROPI_ROWS_TOKENS]),
      .place_stride = find_table_stride(
          &argument[is_gradient ? CUDROPI_ROWS_DPOSITIONS : CUDROPI_ROWS_POSITIONS]),
      .out_of_range = counter != NULL ? counter->data : NULL};
}

static void plan_operand(cudropi_rows_t *rows, int k,
                         const cudropi_rows_argument_t *argument) {
  cudropi_operand_t *operand = &rows->operand[k];
  rows->extent[k] = argument->extent;
  rows->is_sum[k] = is_sum(argument);
  if (argument->tensor == NULL || argument->extent == CUDROPI_EXTENT_FIRST ||
      argument->type == CUDROPI_TYPE_INTERNAL)
    return;
  operand->data = argument->tensor->data;
  operand->dtype = argument->tensor->dtype;
  if (argument->extent != CUDROPI_EXTENT_FULL && argument->extent != CUDROPI_EXTENT_EACH)
    return;
  memcpy(operand->stride, argument->tensor->stride,
         (size_t)rows->rank * sizeof *operand->stride);
}

/* The strides of the rows' dimensions, of operand k or, beyond them, of the mask. */
static int64_t *get_strides(cudropi_rows_t *rows, int k) {
  return k < CUDROPI_ROWS_OPERANDS ? rows->operand[k].stride : rows->draw.index_stride;
}

/* Drop dimensions of one row and merge neighbours whose rows are evenly apart everywhere. */
static void merge_dimensions(cudropi_rows_t *rows) {
  int last = -1;
  for (int d = 0; d < rows->rank; ++d) {
    bool is_even = last >= 0;
    if (rows->shape[d] == 1) continue;
    for (int k = 0; k <= CUDROPI_ROWS_OPERANDS && is_even; ++k) {
      const int64_t *stride = get_strides(rows, k);
      is_even = stride[last] == stride[d] * rows->shape[d];
    }
    const int64_t merged = is_even ? rows->shape[last] * rows->shape[d] : rows->shape[d];
    if (!is_even) ++last;
    for (int k = 0; k <= CUDROPI_ROWS_OPERANDS; ++k)
      get_strides(rows, k)[last] = get_strides(rows, k)[d];
    rows->shape[last] = merged;
  }
  if (last < 0) rows->shape[++last] = 1;
  rows->rank = last + 1;
}

/* The list of a table's gradient; its segments are the slabs, each a way of a block. */
static void plan_gather(cudropi_rows_t *rows, const cudropi_rows_call_t *call) {
  cudropi_gather_t *gather = &rows->gather;
  cudropi_tiling_t *tiling = &rows->tiling;
  gather->is_sorted = call->argument[CUDROPI_ROWS_DTOKENS].tensor != NULL;
  gather->entries = rows->rows;
  gather->segments = cudropi_count_segments(rows->rows);
  gather->keys = gather->is_sorted ? rows->lookup.vocabulary : rows->lookup.places;
  gather->batches = rows->rows / rows->lookup.places;
  if (gather->keys > (int64_t)INT32_MAX + 1) gather->keys = (int64_t)INT32_MAX + 1;
  while (gather->is_sorted && gather->keys >> (gather->passes * CUDROPI_SORT_BITS) != 0)
    ++gather->passes;
  cudropi_gather_place(gather, rows->cols, call->workspace.memory);
  while (tiling->lanes > CUDROPI_TILE_LANES) tiling->lanes /= 2;
  tiling->ways = CUDROPI_TILE_THREADS / tiling->lanes;
  tiling->tiles = (tiling->chunks + tiling->lanes - 1) / tiling->lanes;
  tiling->slabs = gather->segments;
}

/* Deal the workspace out. */
static void plan_workspace(cudropi_rows_t *rows, const cudropi_rows_call_t *call) {
  float *next = call->workspace.memory;
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k) {
    if (!rows->is_sum[k]) continue;
    rows->partial[k] = next;
    next += rows->tiling.slabs * rows->cols;
  }
  if (call->floats_a_row > 0) rows->of_rows = next;
}

cudropi_rows_t cudropi_rows_plan(const cudropi_rows_call_t *call) {
  const cudrop_tensor_t *first = call->argument[call->first].tensor;
  cudropi_rows_t rows = {.op = call->op, .rank = first->rank - 1};
  count_rows(first, &rows.rows, &rows.cols);
  memcpy(rows.shape, first->shape, (size_t)rows.rank * sizeof *rows.shape);
  for (int k = 0; k < CUDROPI_ROWS_OPERANDS; ++k)
    plan_operand(&rows, k, &call->argument[k]);
  plan_mask(&rows, call, first);
  plan_attention(&rows, call, first);
  plan_lookup(&rows, call, first);
  rows.activation = call->activation;
  rows.norm = call->norm;
  rows.epsilon = call->epsilon;
  rows.adds_to_data = (call->accumulate & CUDROP_ACCUMULATE_DATA) != 0;
  rows.adds_to_parameters = (call->accumulate & CUDROP_ACCUMULATE_PARAMETERS) != 0;
  if (rows.rows == 0 || rows.cols == 0) {
    rows.rank = 1; /* there are sums of no rows, and no places by dimensions */
    return rows;
  }
  merge_dimensions(&rows);
  rows.tiling = cudropi_tile(rows.rows, rows.cols);
  plan_workspace(&rows, call);
  if (rows.op == CUDROPI_ROWS_EMBEDDING_GRADIENT) plan_gather(&rows, call);
  return rows;
}

static cudrop_status_t compute(cudrop_context_t *context, const void *argument) {
  const cudropi_rows_call_t *call = argument;
  TRY(cudropi_rows_validate(context, call));
  const cudropi_rows_t rows = cudropi_rows_plan(call);
  return context->backend->run_rows(context, call->function, &rows);
}

cudrop_status_t cudropi_rows_run(cudrop_context_t *context,
                                 const cudropi_rows_call_t *call) {
  return cudropi_compute(compute, context, call);
}
