/* geometry.c - choosing the walk of a plan. */
#include "cuda/geometry.h"

/* Is the order of elements fixed by the kernel, and not by the strides of y? */
static bool has_own_order(const cudropi_plan_t *plan) {
  return plan->kernel == CUDROPI_KERNEL_BITS || plan->kernel == CUDROPI_KERNEL_COUNT;
}

static void swap(int64_t values[CUDROP_MAX_RANK], int a, int b) {
  const int64_t value = values[a];
  values[a] = values[b];
  values[b] = value;
}

void cudropi_order_dimensions(cudropi_plan_t *plan) {
  const int inner = plan->rank - 1;
  const int64_t *stride = plan->operand[CUDROPI_Y].stride;
  if (plan->op->has_rows || has_own_order(plan) || stride[inner] == 1) return;
  for (int d = 0; d < inner; ++d) {
    if (stride[d] != 1) continue;
    swap(plan->shape, d, inner);
    for (int k = 0; k < CUDROPI_SLOTS; ++k) swap(plan->operand[k].stride, d, inner);
    swap(plan->draw.index_stride, d, inner);
    cudropi_merge_dimensions(plan);
    return;
  }
}

/* Is data aligned to a chunk? Packed bits always are, because a chunk is a byte. */
static bool is_aligned(const cudropi_operand_t *operand) {
  return operand->bits < 8 || (uintptr_t)operand->data % CUDROPI_CHUNK_ALIGNMENT == 0;
}

/* Is the operand in one piece and aligned? True also for an absent operand. */
static bool is_dense(const cudropi_operand_t *operand) {
  return operand->bits == 0 || (operand->stride[0] == 1 && is_aligned(operand));
}

static bool is_in_one_piece(const cudropi_plan_t *plan,
                            const cudropi_operand_t *operand) {
  return plan->rank == 1 && (operand->stride[0] == 1 || plan->n == 1);
}

static bool is_drawn(const cudropi_plan_t *plan) {
  return plan->draw.source == CUDROPI_FROM_PHILOX ||
         plan->draw.source == CUDROPI_FROM_PREPARED;
}

/* Is every chunk a group of the mask, in one aligned piece? COUNT has no elements in memory. */
static bool is_in_chunks(const cudropi_plan_t *plan) {
  const cudropi_operand_t *keep = &plan->operand[CUDROPI_KEEP];
  const bool is_packed = plan->draw.source == CUDROPI_FROM_OPERAND && keep->bits == 1 &&
                         keep->stride[0] == 1;
  const bool is_in_groups =
      is_packed || (is_drawn(plan) && plan->draw.index_stride[0] == 1 &&
                    plan->draw.index_base % CUDROP_MASK_LANES == 0);
  const bool total = plan->kernel == CUDROPI_KERNEL_COUNT;
  return plan->rank == 1 && is_in_groups && is_dense(&plan->operand[CUDROPI_X]) &&
         (total || is_dense(&plan->operand[CUDROPI_Y]));
}

/* Does every row of operand k begin with an aligned chunk? True for operands of other extents,
 * which the kernels check where they use them. */
static bool has_rows_in_chunks(const cudropi_plan_t *plan, int k) {
  const cudropi_operand_t *operand = &plan->operand[k];
  const cudropi_extent_t extent = (cudropi_extent_t)plan->op->slot[k].extent;
  if (operand->bits < 8 ||
      (extent != CUDROPI_EXTENT_FULL && extent != CUDROPI_EXTENT_ROW))
    return true;
  return is_aligned(operand) && operand->stride[0] % CUDROPI_CHUNK == 0;
}

/* Does every row begin with an aligned chunk in all operands, and with a group of the mask? */
static bool are_rows_in_chunks(const cudropi_plan_t *plan) {
  const cudropi_draw_t *draw = &plan->draw;
  bool dense = plan->rank == 1 && plan->cols % CUDROPI_CHUNK == 0;
  if (is_drawn(plan))
    dense = dense && plan->index_step == 1 && draw->index_base % CUDROP_MASK_LANES == 0 &&
            draw->index_stride[0] % CUDROP_MASK_LANES == 0;
  for (int k = 0; k < CUDROPI_SLOTS; ++k) dense = dense && has_rows_in_chunks(plan, k);
  return dense;
}

/* The walk of a plan that needs no kernel: NONE, COPY or CLEAR. Else GENERAL. */
static cudropi_walk_t choose_copy_or_clear(const cudropi_plan_t *plan) {
  const cudropi_operand_t *x = &plan->operand[CUDROPI_X], *y = &plan->operand[CUDROPI_Y];
  const bool total = plan->kernel == CUDROPI_KERNEL_COUNT;
  if (plan->n == 0) return total ? CUDROPI_WALK_CLEAR : CUDROPI_WALK_NONE;
  if (plan->draw.source == CUDROPI_ALL_DROPPED) {
    if (plan->kernel == CUDROPI_KERNEL_ACCUMULATE) return CUDROPI_WALK_NONE;
    if (has_own_order(plan) || is_in_one_piece(plan, y)) return CUDROPI_WALK_CLEAR;
  }
  if (plan->draw.source == CUDROPI_ALL_KEPT && plan->kernel == CUDROPI_KERNEL_SELECT &&
      is_in_one_piece(plan, x) && is_in_one_piece(plan, y))
    return x->data == y->data ? CUDROPI_WALK_NONE : CUDROPI_WALK_COPY;
  return CUDROPI_WALK_GENERAL;
}

cudropi_walk_t cudropi_choose_walk(const cudropi_plan_t *plan) {
  if (plan->op->has_rows)
    return are_rows_in_chunks(plan) ? CUDROPI_WALK_DENSE : CUDROPI_WALK_GENERAL;
  const cudropi_walk_t walk = choose_copy_or_clear(plan);
  return walk == CUDROPI_WALK_GENERAL && is_in_chunks(plan) ? CUDROPI_WALK_DENSE : walk;
}

size_t cudropi_walk_bytes(const cudropi_plan_t *plan) {
  if (plan->kernel == CUDROPI_KERNEL_COUNT) return sizeof(uint64_t);
  if (plan->kernel == CUDROPI_KERNEL_BITS)
    return (size_t)(plan->n / 8 + (plan->n % 8 != 0));
  return (size_t)plan->n * cudrop_dtype_bytes(plan->operand[CUDROPI_Y].dtype);
}

int64_t cudropi_chunks_per_line(const cudropi_plan_t *plan) {
  const int inner = plan->rank - 1;
  const int64_t length = plan->shape[inner];
  int64_t lead = 0; /* the most elements of the first chunk that lie before the line */
  if (!has_own_order(plan) && plan->operand[CUDROPI_Y].stride[inner] == 1) {
    const int64_t sector =
        32 / (int64_t)cudrop_dtype_bytes(plan->operand[CUDROPI_Y].dtype);
    lead = (sector < CUDROPI_CHUNK ? sector : CUDROPI_CHUNK) - 1; /* as cudropi_lead() */
  }
  return length / CUDROPI_CHUNK +
         (length % CUDROPI_CHUNK + lead + CUDROPI_CHUNK - 1) / CUDROPI_CHUNK;
}
