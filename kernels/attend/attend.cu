/* attend.cu - the launches of attention without a matrix: which kernels a call takes. */
#include "attend/attend_launch.h"
#include "ops/attend/attend.h"

/* Counts and strides of 32 bits, with room for sums of two. */
static const int64_t most = (int64_t)1 << 30;

/* Does every row begin at an aligned chunk? */
static bool has_lines_in_chunks(const cudropi_plan_t *plan, int k) {
  const cudropi_operand_t *operand = &plan->operand[k];
  const int64_t *key_stride = cudropi_attend(plan)->key_stride;
  bool is_even = (uintptr_t)operand->data % CUDROPI_CHUNK_ALIGNMENT == 0 &&
                 key_stride[k] % CUDROPI_CHUNK == 0;
  if (!cudropi_has(plan, k)) return true;
  for (int d = 0; d < plan->rank; ++d)
    is_even = is_even && operand->stride[d] % CUDROPI_CHUNK == 0;
  return is_even;
}

/* Is the mask not drawn at all, or does every row begin at a group, with neighbours as keys? */
static bool has_rows_in_groups(const cudropi_plan_t *plan) {
  const cudropi_draw_t *draw = &plan->draw;
  if (draw->source == CUDROPI_FROM_OPERAND) return false;
  if (draw->source != CUDROPI_FROM_PHILOX && draw->source != CUDROPI_FROM_PREPARED)
    return true;
  bool is_even = plan->index_step == 1 && draw->index_base % CUDROP_MASK_LANES == 0 &&
                 draw->index_stride[plan->rank - 1] < most;
  for (int d = 0; d < plan->rank; ++d)
    is_even = is_even && draw->index_stride[d] % CUDROP_MASK_LANES == 0;
  return is_even;
}

/* Can tensor cores do it? */
static bool is_in_tiles(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  const cudropi_visible_t *visible = &cudropi_attend(plan)->attention.visible;
  bool is_even = work->has_tensor_cores && plan->branch != CUDROP_F32 &&
                 (plan->cols == 64 || plan->cols == 128) && has_rows_in_groups(plan) &&
                 visible->keys > 0 && visible->keys < most && visible->queries < most &&
                 visible->batch_rows % visible->queries == 0 &&
                 visible->query_offset > -most && plan->rows < most;
  for (int k = CUDROPI_ATTEND_Q; k < CUDROPI_ATTEND_SLOTS; ++k)
    if (k != CUDROPI_ATTEND_LENGTHS && k != CUDROPI_ATTEND_BITS &&
        k != CUDROPI_ATTEND_LSE)
      is_even = is_even && has_lines_in_chunks(plan, k);
  return is_even;
}

int cudropi_launch_attend(const cudropi_work_t *work) {
  return is_in_tiles(work) ? cudropi_launch_attend_tensor(work)
                           : cudropi_launch_attend_any(work);
}

/* dq may be q, o or dout itself, so that it is written when all else has been read. */
int cudropi_launch_attend_gradient(const cudropi_work_t *work) {
  const cudropi_plan_t *plan = work->plan;
  const bool is_tiled = is_in_tiles(work);
  cudaError_t error = cudropi_launch_attend_delta(work);
  if (error == cudaSuccess &&
      (cudropi_has(plan, CUDROPI_ATTEND_DK) || cudropi_has(plan, CUDROPI_ATTEND_DV)))
    error = is_tiled ? cudropi_launch_attend_keys_tensor(work)
                     : cudropi_launch_attend_keys_any(work);
  if (error == cudaSuccess && cudropi_has(plan, CUDROPI_ATTEND_DQ))
    error = is_tiled ? cudropi_launch_attend_queries_tensor(work)
                     : cudropi_launch_attend_queries_any(work);
  return error;
}
