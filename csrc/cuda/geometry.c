/* geometry.c - choosing the walk of a plan. */
#include "cuda/geometry.h"

#include "core/tensor.h"

/* Do the kernel's elements follow each other as the mask defines it, not as y lies? */
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
  if (has_own_order(plan) || plan->y.stride[inner] == 1) return;
  for (int d = 0; d < inner; ++d) {
    if (plan->y.stride[d] != 1) continue;
    swap(plan->shape, d, inner);
    swap(plan->x.stride, d, inner);
    swap(plan->keep.stride, d, inner);
    swap(plan->y.stride, d, inner);
    swap(plan->draw.index_stride, d, inner);
    cudropi_merge_dimensions(plan);
    return;
  }
}

uintptr_t cudropi_chunk_alignment(cudrop_dtype_t dtype) {
  const int64_t bits = cudropi_dtype_bits(dtype);
  return bits < 8 ? 1 : 16; /* two chunks of a byte an element at once */
}

/* An operand in one piece, aligned; one that is not there is no obstacle. */
static bool is_dense(const cudropi_operand_t *operand) {
  if (operand->dtype == 0) return true;
  return operand->stride[0] == 1 &&
         (uintptr_t)operand->data % cudropi_chunk_alignment(operand->dtype) == 0;
}

static bool is_in_one_piece(const cudropi_plan_t *plan,
                            const cudropi_operand_t *operand) {
  return plan->rank == 1 && (operand->stride[0] == 1 || plan->n == 1);
}

/* COUNT has no elements in memory, and BITS only packed ones. */
static cudropi_walk_t choose_dense_or_general(const cudropi_plan_t *plan) {
  const bool is_drawn = plan->draw.source == CUDROPI_FROM_PHILOX ||
                        plan->draw.source == CUDROPI_FROM_PREPARED;
  const bool is_packed = plan->draw.source == CUDROPI_FROM_OPERAND &&
                         plan->keep.dtype == CUDROPI_BIT && plan->keep.stride[0] == 1;
  const bool groups = is_packed || (is_drawn && plan->draw.index_stride[0] == 1 &&
                                    plan->draw.index_base % CUDROP_MASK_LANES == 0);
  const bool total = plan->kernel == CUDROPI_KERNEL_COUNT;
  return plan->rank == 1 && groups && is_dense(&plan->x) && (total || is_dense(&plan->y))
             ? CUDROPI_WALK_DENSE
             : CUDROPI_WALK_GENERAL;
}

cudropi_walk_t cudropi_choose_walk(const cudropi_plan_t *plan) {
  const bool total = plan->kernel == CUDROPI_KERNEL_COUNT;
  if (plan->n == 0) return total ? CUDROPI_WALK_CLEAR : CUDROPI_WALK_NONE;
  if (plan->draw.source == CUDROPI_ALL_DROPPED) {
    if (plan->kernel == CUDROPI_KERNEL_ACCUMULATE) return CUDROPI_WALK_NONE;
    if (has_own_order(plan) || is_in_one_piece(plan, &plan->y)) return CUDROPI_WALK_CLEAR;
  }
  if (plan->draw.source == CUDROPI_ALL_KEPT && plan->kernel == CUDROPI_KERNEL_SELECT &&
      is_in_one_piece(plan, &plan->x) && is_in_one_piece(plan, &plan->y))
    return plan->x.data == plan->y.data ? CUDROPI_WALK_NONE : CUDROPI_WALK_COPY;
  return choose_dense_or_general(plan);
}

size_t cudropi_walk_bytes(const cudropi_plan_t *plan) {
  if (plan->kernel == CUDROPI_KERNEL_COUNT) return sizeof(uint64_t);
  if (plan->kernel == CUDROPI_KERNEL_BITS)
    return (size_t)(plan->n / 8 + (plan->n % 8 != 0));
  return (size_t)plan->n * cudrop_dtype_bytes(plan->y.dtype);
}

int64_t cudropi_chunks_per_line(const cudropi_plan_t *plan) {
  const int inner = plan->rank - 1;
  const int64_t length = plan->shape[inner];
  int64_t lead = 0; /* at most so many elements of the first chunk lie before the line */
  if (!has_own_order(plan) && plan->y.stride[inner] == 1) {
    const int64_t sector = 32 / (int64_t)cudrop_dtype_bytes(plan->y.dtype);
    lead = (sector < CUDROPI_CHUNK ? sector : CUDROPI_CHUNK) - 1; /* as cudropi_lead() */
  }
  return length / CUDROPI_CHUNK +
         (length % CUDROPI_CHUNK + lead + CUDROPI_CHUNK - 1) / CUDROPI_CHUNK;
}

bool cudropi_has_byte_mask(const cudropi_plan_t *plan) {
  return plan->keep.dtype == CUDROP_U8;
}
