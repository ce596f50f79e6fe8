/* attend.c - attention without a matrix of weights: the public calls. */
#include "ops/attend/attend.h"

#include <string.h>

#include "core/status.h"
#include "core/tensor.h"

#define KEYS(NAME, FLAGS)                                                       \
  {                                                                             \
    .name = (NAME), .extent = CUDROPI_EXTENT_KEYS, .types = CUDROPI_ROW_FLOATS, \
    .flags = (FLAGS)                                                            \
  }
#define LSE(FLAGS)                                                           \
  {                                                                          \
    .name = "lse", .extent = CUDROPI_EXTENT_EACH, .types = CUDROPI_ONLY_F32, \
    .flags = (FLAGS)                                                         \
  }

static cudrop_status_t check(const cudropi_call_t *call) {
  const cudrop_tensor_t *q = call->tensor[CUDROPI_ATTEND_Q];
  const int64_t cols = q->shape[q->rank - 1];
  REQUIRE(cols >= 8 && cols <= CUDROPI_ATTEND_MOST_COLS && cols % 8 == 0,
          CUDROP_ERROR_SHAPE, "%s: q has shape[%d] = %lld, no multiple of 8 from 8 to %d",
          call->op->function, q->rank - 1, (long long)cols, CUDROPI_ATTEND_MOST_COLS);
  return cudropi_check_attention(call);
}

/* Write the options. The caller sets the slabs. */
static void plan_options(const cudropi_call_t *call, cudropi_plan_t *plan) {
  const cudrop_tensor_t *q = call->tensor[CUDROPI_ATTEND_Q];
  const cudrop_tensor_t *k = call->tensor[CUDROPI_ATTEND_K];
  const int keys = q->rank - 2, heads = keys - 1;
  cudropi_attend_t made = {.attention = cudropi_plan_attention(call, plan), .group = 1};
  for (int slot = 0; slot < CUDROPI_ATTEND_SLOTS; ++slot)
    if (call->op->slot[slot].extent == CUDROPI_EXTENT_KEYS && cudropi_has(plan, slot))
      made.key_stride[slot] = call->tensor[slot]->stride[keys];
  if (heads >= 0) made.group = q->shape[heads] / k->shape[heads];
  memcpy(plan->options, &made, sizeof made);
}
_Static_assert(sizeof(cudropi_attend_t) <= CUDROPI_OPTION_BYTES, "options do not fit");

/* Describe packed bits of the shape [..., queries, keys] in *made; NULL if there are none. */
static const cudrop_tensor_t *describe_bits(const void *bits, const cudrop_tensor_t *q,
                                            const cudrop_tensor_t *k,
                                            cudrop_tensor_t *made) {
  int64_t shape[CUDROP_MAX_RANK];
  const bool is_known = q != NULL && k != NULL && q->rank == k->rank && q->rank >= 2 &&
                        q->rank <= CUDROP_MAX_RANK && k->shape[k->rank - 2] >= 0;
  if (bits == NULL || !is_known) return NULL;
  for (int d = 0; d < q->rank; ++d) shape[d] = q->shape[d];
  shape[q->rank - 1] = k->shape[q->rank - 2];
  *made = cudropi_pack(bits, q->rank, shape);
  return made;
}

/* ---- Forward ----------------------------------------------------------------------------- */

/* A slab of forward is a range of the queries of one head. */
static void plan_forward(const cudropi_call_t *call, cudropi_plan_t *plan) {
  const int64_t range = cudropi_attend_range(plan->cols);
  if (plan->n == 0) return;
  plan_options(call, plan);
  const int64_t queries = cudropi_attend(plan)->attention.visible.queries;
  plan->tiling.slabs = plan->rows / queries * ((queries + range - 1) / range);
}

cudrop_status_t cudrop_attend_forward(cudrop_context_t *context,
                                      const cudrop_attend_forward_t *args) {
  static const cudropi_op_t op = {
      .function = __func__,
      .slot = {[CUDROPI_ATTEND_Q] = CUDROPI_FULL("q", CUDROPI_NEEDED),
               [CUDROPI_ATTEND_LENGTHS] = CUDROPI_LENGTHS,
               [CUDROPI_ATTEND_BITS] = CUDROPI_KEEP_BITS,
               [CUDROPI_ATTEND_K] = KEYS("k", CUDROPI_NEEDED),
               [CUDROPI_ATTEND_V] = KEYS("v", CUDROPI_NEEDED),
               [CUDROPI_ATTEND_O] = CUDROPI_FULL("o", CUDROPI_NEEDED | CUDROPI_OUTPUT),
               [CUDROPI_ATTEND_LSE] = LSE(CUDROPI_OUTPUT)},
      .leader = CUDROPI_ATTEND_Q,
      .keep = CUDROPI_ATTEND_BITS,
      .keys = CUDROPI_ATTEND_K,
      .has_rows = true,
      .check = check,
      .plan = plan_forward,
      .host = CUDROPI_HOST(cudropi_attend_forward),
      .launch = CUDROPI_LAUNCH(cudropi_launch_attend)};
  cudrop_tensor_t packed;
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(cudropi_check_shared_attention(__func__, args->attention, args->reserved));
  const cudrop_attention_t *attention = args->attention;
  const cudropi_attention_options_t options = cudropi_find_options(attention);
  const cudropi_call_t call = {.op = &op,
                               .tensor = {[CUDROPI_ATTEND_Q] = args->q,
                                          [CUDROPI_ATTEND_LENGTHS] = attention->lengths,
                                          [CUDROPI_ATTEND_BITS] = describe_bits(
                                              attention->bits, args->q, args->k, &packed),
                                          [CUDROPI_ATTEND_K] = args->k,
                                          [CUDROPI_ATTEND_V] = args->v,
                                          [CUDROPI_ATTEND_O] = args->o,
                                          [CUDROPI_ATTEND_LSE] = args->lse},
                               .mask = attention->mask,
                               .p = attention->p,
                               .options = &options};
  return cudropi_run(context, &call);
}

/* ---- The gradient ------------------------------------------------------------------------ */

/* Count a row of the gradient of q in float, and the sum of dO * O, for each query. */
static bool count_bytes(uint32_t slots, int64_t rows, int64_t cols, ptrdiff_t *bytes) {
  int64_t floats = 0;
  (void)slots;
  return cols <= INT64_MAX / 2 &&
         !__builtin_mul_overflow(rows, cudropi_attend_width(cols) + 1, &floats) &&
         !__builtin_mul_overflow(floats, (int64_t)sizeof(float), bytes);
}

/* A slab of the gradient is the heads that read one shared head. */
static void plan_gradient(const cudropi_call_t *call, cudropi_plan_t *plan) {
  if (plan->n == 0) return;
  plan_options(call, plan);
  const cudropi_attend_t *options = cudropi_attend(plan);
  plan->tiling.slabs = plan->rows / (options->group * options->attention.visible.queries);
  plan->of_rows = call->workspace;
}

/* Without queries the gradients of keys are sums of no rows: +0, what dropout with p = 1 writes. */
static cudrop_status_t clear_keys(cudrop_context_t *context, const cudropi_call_t *call) {
  const cudrop_mask_t nothing = cudrop_mask(0, 0, 1.0);
  for (int slot = CUDROPI_ATTEND_DK; slot <= CUDROPI_ATTEND_DV; ++slot)
    if (call->tensor[slot] != NULL)
      TRY(cudrop_forward(context, call->tensor[slot], &nothing, call->tensor[slot]));
  return CUDROP_OK;
}

static cudrop_status_t run_gradient(cudrop_context_t *context,
                                    const cudropi_call_t *call) {
  int64_t n = 0;
  const cudrop_tensor_t *q = call->tensor[CUDROPI_ATTEND_Q];
  cudropi_count(q->rank, q->shape, &n);
  if (n > 0) return cudropi_run_checked(context, call);
  return call->accumulate == 0 ? clear_keys(context, call) : CUDROP_OK;
}

static const cudropi_op_t backward = {
    .function = "cudrop_attend_backward",
    .slot = {[CUDROPI_ATTEND_Q] = CUDROPI_FULL("q", CUDROPI_NEEDED),
             [CUDROPI_ATTEND_LENGTHS] = CUDROPI_LENGTHS,
             [CUDROPI_ATTEND_BITS] = CUDROPI_KEEP_BITS,
             [CUDROPI_ATTEND_K] = KEYS("k", CUDROPI_NEEDED),
             [CUDROPI_ATTEND_V] = KEYS("v", CUDROPI_NEEDED),
             [CUDROPI_ATTEND_O] = CUDROPI_FULL("o", CUDROPI_NEEDED),
             [CUDROPI_ATTEND_LSE] = LSE(CUDROPI_NEEDED),
             [CUDROPI_ATTEND_DOUT] = CUDROPI_FULL("dout", CUDROPI_NEEDED),
             [CUDROPI_ATTEND_DQ] = CUDROPI_FULL("dq", CUDROPI_OUTPUT),
             [CUDROPI_ATTEND_DK] = KEYS("dk", CUDROPI_OUTPUT),
             [CUDROPI_ATTEND_DV] = KEYS("dv", CUDROPI_OUTPUT)},
    .leader = CUDROPI_ATTEND_Q,
    .keep = CUDROPI_ATTEND_BITS,
    .keys = CUDROPI_ATTEND_K,
    .has_rows = true,
    .has_workspace = true,
    .check = check,
    .count_bytes = count_bytes,
    .plan = plan_gradient,
    .run = run_gradient,
    .host = CUDROPI_HOST(cudropi_attend_gradient),
    .launch = CUDROPI_LAUNCH(cudropi_launch_attend_gradient)};

cudrop_status_t cudrop_attend_backward(cudrop_context_t *context,
                                       const cudrop_attend_backward_t *args) {
  cudrop_tensor_t packed;
  REQUIRE(args != NULL, CUDROP_ERROR_NULL_POINTER, "%s: args is NULL", __func__);
  TRY(cudropi_check_shared_attention(__func__, args->attention, args->reserved));
  REQUIRE(args->dq != NULL || args->dk != NULL || args->dv != NULL,
          CUDROP_ERROR_NULL_POINTER, "%s: dq, dk and dv are all NULL", __func__);
  REQUIRE((args->accumulate & CUDROP_ACCUMULATE_PARAMETERS) == 0,
          CUDROP_ERROR_INVALID_ARGUMENT,
          "%s: accumulate = %#x, and there is no gradient of a parameter", __func__,
          (unsigned)args->accumulate);
  const cudrop_attention_t *attention = args->attention;
  const cudropi_attention_options_t options = cudropi_find_options(attention);
  const cudropi_call_t call = {.op = &backward,
                               .tensor = {[CUDROPI_ATTEND_Q] = args->q,
                                          [CUDROPI_ATTEND_LENGTHS] = attention->lengths,
                                          [CUDROPI_ATTEND_BITS] = describe_bits(
                                              attention->bits, args->q, args->k, &packed),
                                          [CUDROPI_ATTEND_K] = args->k,
                                          [CUDROPI_ATTEND_V] = args->v,
                                          [CUDROPI_ATTEND_O] = args->o,
                                          [CUDROPI_ATTEND_LSE] = args->lse,
                                          [CUDROPI_ATTEND_DOUT] = args->dout,
                                          [CUDROPI_ATTEND_DQ] = args->dq,
                                          [CUDROPI_ATTEND_DK] = args->dk,
                                          [CUDROPI_ATTEND_DV] = args->dv},
                               .mask = attention->mask,
                               .p = attention->p,
                               .accumulate = args->accumulate,
                               .options = &options,
                               .workspace = args->workspace,
                               .workspace_bytes = args->workspace_bytes};
  return cudropi_run(context, &call);
}

cudrop_status_t cudrop_attend_backward_workspace(int64_t rows, int64_t cols,
                                                 size_t *bytes) {
  return cudropi_query(__func__, &backward, rows, cols, bytes);
}
