/* embedding.c - tokens, positions and dropout: the public calls. */
#include "ops/embedding/embedding.h"

#include <string.h>

#include "core/context.h"
#include "core/status.h"
#include "core/tensor.h"
#include "ops/drop/drop.h"

_Static_assert(sizeof(cudropi_embedding_t) <= CUDROPI_OPTION_BYTES,
               "a plan has no room for the options");

#define IDS                                                                  \
  {                                                                          \
    .name = "ids", .extent = CUDROPI_EXTENT_EACH, .types = CUDROPI_INTEGERS, \
    .flags = CUDROPI_NEEDED                                                  \
  }
#define TABLE(NAME, EXTENT, FLAGS)                                   \
  {                                                                  \
    .name = (NAME), .extent = (EXTENT), .types = CUDROPI_ROW_FLOATS, \
    .flags = CUDROPI_OR_F32 | (FLAGS)                                \
  }

/* How many elements the rows of a table are apart. A plan has no strides of tables. */
static int64_t find_table_stride(const cudrop_tensor_t *table) {
  return table != NULL ? table->stride[0] : 0;
}

static cudropi_lookup_t find_lookup(const cudrop_tensor_t *leader,
                                    const cudrop_tensor_t *ids,
                                    const cudrop_tensor_t *tokens,
                                    const cudrop_tensor_t *positions) {
  return (cudropi_lookup_t){
      .vocabulary = tokens != NULL ? tokens->shape[0] : 0,
      .places = leader->rank > 1 ? leader->shape[leader->rank - 2] : 1,
      .token_stride = find_table_stride(tokens),
      .place_stride = find_table_stride(positions),
      .has_wide_ids = ids->dtype == CUDROP_I64};
}

/* ---- Forward ----------------------------------------------------------------------------- */

static void plan_forward(const cudropi_call_t *call, cudropi_plan_t *plan) {
  const cudrop_tensor_t *counter = call->tensor[CUDROPI_EMBEDDING_COUNTER];
  cudropi_embedding_t options = {
      .lookup = find_lookup(call->tensor[CUDROPI_EMBEDDING_Y],
                            call->tensor[CUDROPI_EMBEDDING_IDS],
                            call->tensor[CUDROPI_EMBEDDING_TOKENS],
                            call->tensor[CUDROPI_EMBEDDING_POSITIONS])};
  if (counter != NULL) options.lookup.out_of_range = counter->data;
  memcpy(plan->options, &options, sizeof options);
}

cudrop_status_t cudrop_embedding_forward(cudrop_context_t *context,
                                         const cudrop_embedding_forward_t *args) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {[CUDROPI_EMBEDDING_IDS] = IDS,
               [CUDROPI_EMBEDDING_TOKENS] =
                   TABLE("tokens", CUDROPI_EXTENT_TABLE, CUDROPI_NEEDED),
               [CUDROPI_EMBEDDING_POSITIONS] =
                   TABLE("positions", CUDROPI_EXTENT_PLACES, 0),
               [CUDROPI_EMBEDDING_COUNTER] = {"out_of_range", CUDROPI_EXTENT_ONE,
                                              CUDROPI_TOTAL, CUDROPI_OUTPUT},
               [CUDROPI_EMBEDDING_Y] =
                   CUDROPI_FULL("y", CUDROPI_NEEDED | CUDROPI_OUTPUT)},
      .leader = CUDROPI_EMBEDDING_Y,
      .has_rows = true,
      .plan = plan_forward,
      .host = CUDROPI_HOST(cudropi_embedding_forward),
      .launch = CUDROPI_LAUNCH(cudropi_launch_embedding)};
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(cudropi_check_reserved(__func__, "args", args->reserved));
  const cudrop_tensor_t counter = cudropi_pack(args->out_of_range, 0, NULL);
  const cudropi_call_t call = {
      .op = &op,
      .tensor = {[CUDROPI_EMBEDDING_IDS] = args->ids,
                 [CUDROPI_EMBEDDING_TOKENS] = args->tokens,
                 [CUDROPI_EMBEDDING_POSITIONS] = args->positions,
                 [CUDROPI_EMBEDDING_COUNTER] =
                     args->out_of_range != NULL ? &counter : NULL,
                 [CUDROPI_EMBEDDING_Y] = args->y},
      .mask = args->mask};
  return cudropi_run(context, &call);
}

/* ---- The gradient's memory --------------------------------------------------------------- */

static bool count_bytes(uint32_t slots, int64_t entries, int64_t cols, ptrdiff_t *bytes) {
  const bool is_sorted = slots >> CUDROPI_EMBEDDING_GRADIENT_DTOKENS & 1;
  const int64_t size = sizeof(float); /* of a float, and of a uint32_t */
  const int64_t of_sort =
      is_sorted ? 4 * entries * size + cudropi_count_temporary_bytes(entries) : 0;
  const int64_t a_col = 2 * cudropi_count_segments(entries) * size; /* head and tail */
  return !__builtin_mul_overflow(a_col, cols, bytes) &&
         !__builtin_add_overflow(*bytes, of_sort, bytes);
}

/* Place head, tail and the arrays of the sort in `memory`. */
static void place_gather(cudropi_gather_t *gather, int64_t cols, void *memory) {
  gather->head = memory;
  gather->tail = gather->head + gather->segments * cols;
  if (!gather->is_sorted) return;
  uint32_t *next = (uint32_t *)(gather->tail + gather->segments * cols);
  for (int k = 0; k < 2; ++k) {
    gather->key[k] = next;
    gather->row[k] = next + gather->entries;
    next += 2 * gather->entries;
  }
  gather->temporary = next;
}

/* ---- The gradient ------------------------------------------------------------------------ */

/* The options of backward. Without dtokens, ids below `vocabulary` are in range. */
typedef struct {
  int64_t vocabulary;
} options_t;

static cudrop_status_t check_vocabulary(const cudropi_call_t *call) {
  const char *function = call->op->function;
  const long long vocabulary = ((const options_t *)call->options)->vocabulary;
  const cudrop_tensor_t *dtokens = call->tensor[CUDROPI_EMBEDDING_GRADIENT_DTOKENS];
  REQUIRE(vocabulary > 0 || dtokens != NULL, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: vocabulary = %lld, and without dtokens it is above 0", function,
          vocabulary);
  REQUIRE(vocabulary == 0 || dtokens == NULL || vocabulary == dtokens->shape[0],
          CUDROP_ERROR_SHAPE, "%s: vocabulary = %lld and dtokens has shape[0] = %lld",
          function, vocabulary, (long long)(dtokens != NULL ? dtokens->shape[0] : 0));
  REQUIRE(dtokens == NULL || dtokens->shape[0] <= (int64_t)INT32_MAX + 1 ||
              call->tensor[CUDROPI_EMBEDDING_GRADIENT_IDS]->dtype == CUDROP_I32,
          CUDROP_ERROR_OVERFLOW,
          "%s: dtokens has shape[0] = %lld, and the most with ids of I64 is 2^31",
          function, (long long)dtokens->shape[0]);
  return CUDROP_OK;
}

/* Describe the list of entries for the table that the call has. */
static cudropi_gather_t find_gather(const cudropi_call_t *call,
                                    const cudropi_plan_t *plan,
                                    const cudropi_lookup_t *lookup) {
  cudropi_gather_t gather = {
      .is_sorted = call->tensor[CUDROPI_EMBEDDING_GRADIENT_DTOKENS] != NULL,
      .entries = plan->rows,
      .segments = cudropi_count_segments(plan->rows),
      .batches = plan->rows / lookup->places};
  gather.keys = gather.is_sorted ? lookup->vocabulary : lookup->places;
  if (gather.keys > (int64_t)INT32_MAX + 1) gather.keys = (int64_t)INT32_MAX + 1;
  while (gather.is_sorted && gather.keys >> gather.bits != 0) ++gather.bits;
  gather.sorted = cudropi_count_passes(&gather) % 2;
  place_gather(&gather, plan->cols, call->workspace);
  return gather;
}

/* Make each segment a slab, which one way of a block takes. */
static void plan_tiling(cudropi_tiling_t *tiling, int64_t segments) {
  while (tiling->lanes > CUDROPI_TILE_LANES) tiling->lanes /= 2;
  tiling->ways = CUDROPI_TILE_THREADS / tiling->lanes;
  tiling->tiles = (tiling->chunks + tiling->lanes - 1) / tiling->lanes;
  tiling->slabs = segments;
}

static void plan_gradient(const cudropi_call_t *call, cudropi_plan_t *plan) {
  const cudrop_tensor_t *dtokens = call->tensor[CUDROPI_EMBEDDING_GRADIENT_DTOKENS];
  cudropi_embedding_t options = {
      .lookup = find_lookup(call->tensor[CUDROPI_EMBEDDING_GRADIENT_DY],
                            call->tensor[CUDROPI_EMBEDDING_IDS], dtokens,
                            call->tensor[CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS])};
  if (dtokens == NULL)
    options.lookup.vocabulary = ((const options_t *)call->options)->vocabulary;
  if (plan->n > 0) {
    options.gather = find_gather(call, plan, &options.lookup);
    plan_tiling(&plan->tiling, options.gather.segments);
  }
  memcpy(plan->options, &options, sizeof options);
}

/* Write zeros to a table: a row that no entry refers to has gradient 0. */
static cudrop_status_t clear(cudrop_context_t *context, const cudrop_tensor_t *table) {
  static const cudropi_op_t op = {
      .function = "cudrop_embedding_backward",
      .slot = {[CUDROPI_Y] = {"table", .types = CUDROPI_NUMBERS,
                              .flags = CUDROPI_OUTPUT}},
      .leader = CUDROPI_Y,
      .at_zero = CUDROPI_KERNEL_FILL,
      .above_zero = CUDROPI_KERNEL_FILL,
      .launch = CUDROPI_LAUNCH(cudropi_launch_drop)};
  const cudrop_mask_t nothing = cudrop_mask(0, 0, 1.0);
  const cudropi_call_t call = {
      .op = &op, .tensor = {[CUDROPI_Y] = table}, .mask = &nothing};
  return cudropi_run_checked(context, &call);
}

/* Does every place have a row of dy? Then the sums fill dpositions. */
static bool has_every_place(const cudropi_call_t *call) {
  const cudrop_tensor_t *dy = call->tensor[CUDROPI_EMBEDDING_GRADIENT_DY];
  int64_t n = 0;
  return cudropi_count(dy->rank, dy->shape, &n) && n > 0;
}

/* Sum the gradient of `table`, the only table of a checked call. */
static cudrop_status_t sum_table(cudrop_context_t *context, const cudropi_call_t *call,
                                 const cudrop_tensor_t *table) {
  const bool is_filled =
      call->tensor[CUDROPI_EMBEDDING_GRADIENT_DTOKENS] == NULL && has_every_place(call);
  if ((call->accumulate & CUDROP_ACCUMULATE_PARAMETERS) == 0 && !is_filled)
    TRY(clear(context, table));
  return cudropi_run_checked(context, call);
}

/* Sum the gradients of both tables, one after the other. */
static cudrop_status_t sum_tables(cudrop_context_t *context, const cudropi_call_t *call) {
  const cudrop_tensor_t *dtokens = call->tensor[CUDROPI_EMBEDDING_GRADIENT_DTOKENS];
  const cudrop_tensor_t *dpositions = call->tensor[CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS];
  cudropi_call_t one = *call;
  options_t options = *(const options_t *)call->options;
  one.options = &options;
  one.tensor[CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS] = NULL;
  if (dtokens != NULL) TRY(sum_table(context, &one, dtokens));
  if (dpositions == NULL) return CUDROP_OK;
  if (dtokens != NULL) options.vocabulary = dtokens->shape[0];
  one.tensor[CUDROPI_EMBEDDING_GRADIENT_DTOKENS] = NULL;
  one.tensor[CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS] = dpositions;
  return sum_table(context, &one, dpositions);
}

static const cudropi_op_t backward = {
    .function = "cudrop_embedding_backward",
    .slot = {[CUDROPI_EMBEDDING_GRADIENT_IDS] = IDS,
             [CUDROPI_EMBEDDING_GRADIENT_DY] = CUDROPI_FULL("dy", CUDROPI_NEEDED),
             [CUDROPI_EMBEDDING_GRADIENT_DTOKENS] =
                 TABLE("dtokens", CUDROPI_EXTENT_TABLE, CUDROPI_OUTPUT),
             [CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS] =
                 TABLE("dpositions", CUDROPI_EXTENT_PLACES, CUDROPI_OUTPUT)},
    .leader = CUDROPI_EMBEDDING_GRADIENT_DY,
    .has_rows = true,
    .has_workspace = true,
    .check = check_vocabulary,
    .most_rows = INT32_MAX,
    .count_bytes = count_bytes,
    .plan = plan_gradient,
    .run = sum_tables,
    .host = CUDROPI_HOST(cudropi_embedding_gradient),
    .launch = CUDROPI_LAUNCH(cudropi_launch_embedding_gradient)};

static cudropi_call_t describe(const cudrop_embedding_backward_t *args,
                               const options_t *options) {
  return (cudropi_call_t){
      .op = &backward,
      .tensor = {[CUDROPI_EMBEDDING_GRADIENT_IDS] = args->ids,
                 [CUDROPI_EMBEDDING_GRADIENT_DY] = args->dy,
                 [CUDROPI_EMBEDDING_GRADIENT_DTOKENS] = args->dtokens,
                 [CUDROPI_EMBEDDING_GRADIENT_DPOSITIONS] = args->dpositions},
      .mask = args->mask,
      .accumulate = args->accumulate,
      .options = options,
      .workspace = args->workspace,
      .workspace_bytes = args->workspace_bytes};
}

cudrop_status_t cudrop_embedding_backward(cudrop_context_t *context,
                                          const cudrop_embedding_backward_t *args) {
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(cudropi_check_reserved(__func__, "args", args->reserved));
  REQUIRE(args->dtokens != NULL || args->dpositions != NULL, CUDROP_ERROR_NULL_POINTER,
          "%s: dtokens and dpositions are both NULL", __func__);
  REQUIRE((args->accumulate & CUDROP_ACCUMULATE_DATA) == 0, CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: accumulate has CUDROP_ACCUMULATE_DATA, and there is no gradient of data",
          __func__);
  const options_t options = {args->vocabulary};
  const cudropi_call_t call = describe(args, &options);
  return cudropi_run(context, &call);
}

cudrop_status_t cudrop_embedding_backward_workspace(int64_t rows, int64_t cols,
                                                    size_t *bytes) {
  return cudropi_query(__func__, &backward, rows, cols, bytes);
}
