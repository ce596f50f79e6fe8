/* drop_host.c - what the host does with a tile once its keep bits are known. */
#include <string.h>

#include "host/storage.h"
#include "host/tile.h"
#include "ops/drop/apply.h"

typedef void kernel_t(const cudropi_tile_t *tile);

/* The address of element `position` of an operand. */
static void *locate(const cudropi_operand_t *operand, int64_t position) {
  return (char *)operand->data + position * (int64_t)cudrop_dtype_bytes(operand->dtype);
}

static void load(const cudropi_tile_t *tile, const cudropi_operand_t *from,
                 int64_t position, void *values) {
  cudropi_host_storage(from->dtype)
      ->load(locate(from, position), from->stride[tile->plan->rank - 1], tile->n, values);
}

static void store(const cudropi_tile_t *tile, const void *values) {
  const cudropi_operand_t *y = &tile->plan->operand[CUDROPI_Y];
  cudropi_host_storage(y->dtype)->store(locate(y, tile->y),
                                        y->stride[tile->plan->rank - 1], tile->n, values);
}

static void store_kept(const cudropi_tile_t *tile, const void *values) {
  const cudropi_operand_t *y = &tile->plan->operand[CUDROPI_Y];
  cudropi_host_storage(y->dtype)->store_kept(
      locate(y, tile->y), y->stride[tile->plan->rank - 1], tile->n, values, tile->kept);
}

/* ---- kernels with arithmetic, in float and in double ---------------------------------- */

/* Load the operands that the kernel reads; leave the other array as it is. */
static inline void load_read(const cudropi_tile_t *tile, cudropi_kernel_t kernel, void *x,
                             void *y) {
  if (kernel != CUDROPI_KERNEL_FILL)
    load(tile, &tile->plan->operand[CUDROPI_X], tile->x, x);
  if (kernel == CUDROPI_KERNEL_ACCUMULATE)
    load(tile, &tile->plan->operand[CUDROPI_Y], tile->y, y);
}

static inline void store_made(const cudropi_tile_t *tile, cudropi_kernel_t kernel,
                              const void *values) {
  if (kernel == CUDROPI_KERNEL_ACCUMULATE) {
    store_kept(tile, values);
  } else {
    store(tile, values);
  }
}

/* Compute element j of a tile into xs[j]. xs and ys hold the operands that the kernel reads. */
#define MAKE(NAME, VALUE, KEPT)                                               \
  const bool reads_x = CUDROPI_KERNEL_##NAME != CUDROPI_KERNEL_FILL;          \
  const bool reads_y = CUDROPI_KERNEL_##NAME == CUDROPI_KERNEL_ACCUMULATE;    \
  const bool is_affine = CUDROPI_KERNEL_##NAME == CUDROPI_KERNEL_AFFINE;      \
  const VALUE x = reads_x ? xs[j] : (VALUE)0, y = reads_y ? ys[j] : (VALUE)0; \
  const VALUE dropped = is_affine ? c.dropped : (VALUE)0;                     \
  (void)x, (void)y;                                                           \
  xs[j] = reads_y || tile->kept[j] ? (KEPT) : dropped

#define DEFINE_IN(NAME, name, KEPT, TYPE, VALUE)                       \
  static void name##_##TYPE(const cudropi_tile_t *tile) {              \
    const cudropi_constants_##TYPE##_t c = tile->plan->constants.TYPE; \
    VALUE xs[CUDROPI_TILE_SIZE], ys[CUDROPI_TILE_SIZE];                \
    load_read(tile, CUDROPI_KERNEL_##NAME, xs, ys);                    \
    for (int j = 0; j < tile->n; ++j) {                                \
      MAKE(NAME, VALUE, KEPT);                                         \
    }                                                                  \
    store_made(tile, CUDROPI_KERNEL_##NAME, xs);                       \
  }
#define DEFINE_APPLY(NAME, name, KEPT)    \
  DEFINE_IN(NAME, name, KEPT, f32, float) \
  DEFINE_IN(NAME, name, KEPT, f64, double)
CUDROPI_APPLY_LIST(DEFINE_APPLY)

/* ---- kernels that move bits ----------------------------------------------------------- */

#define DEFINE_SELECT(BITS)                                               \
  static void select_##BITS(const cudropi_tile_t *tile, int64_t x_stride, \
                            int64_t y_stride) {                           \
    const char *x = locate(&tile->plan->operand[CUDROPI_X], tile->x);     \
    char *y = locate(&tile->plan->operand[CUDROPI_Y], tile->y);           \
    for (int j = 0; j < tile->n; ++j) {                                   \
      uint##BITS##_t element;                                             \
      memcpy(&element, x + j * x_stride * (BITS / 8), sizeof element);    \
      element = (uint##BITS##_t)(element & -(uint64_t)tile->kept[j]);     \
      memcpy(y + j * y_stride * (BITS / 8), &element, sizeof element);    \
    }                                                                     \
  }
DEFINE_SELECT(8)
DEFINE_SELECT(16)
DEFINE_SELECT(32)
DEFINE_SELECT(64)

static void select_kept(const cudropi_tile_t *tile) {
  const cudropi_plan_t *plan = tile->plan;
  const int64_t x_stride = plan->operand[CUDROPI_X].stride[plan->rank - 1];
  const int64_t y_stride = plan->operand[CUDROPI_Y].stride[plan->rank - 1];
  switch (cudrop_dtype_bytes(plan->operand[CUDROPI_Y].dtype)) {
    case 1:
      select_8(tile, x_stride, y_stride);
      break;
    case 2:
      select_16(tile, x_stride, y_stride);
      break;
    case 4:
      select_32(tile, x_stride, y_stride);
      break;
    default:
      select_64(tile, x_stride, y_stride);
  }
}

static void write_bytes(const cudropi_tile_t *tile) {
  const int64_t stride = tile->plan->operand[CUDROPI_Y].stride[tile->plan->rank - 1];
  uint8_t *y = locate(&tile->plan->operand[CUDROPI_Y], tile->y);
  for (int j = 0; j < tile->n; ++j) y[j * stride] = tile->kept[j];
}

static void write_bits(const cudropi_tile_t *tile) {
  const int64_t stride = tile->plan->operand[CUDROPI_Y].stride[tile->plan->rank - 1];
  uint8_t *bytes = tile->plan->operand[CUDROPI_Y].data;
  for (int j = 0; j < tile->n; ++j) {
    const int64_t bit = tile->y + j * stride;
    bytes[bit >> 3] |= (uint8_t)(tile->kept[j] << (bit & 7));
  }
}

static void count(const cudropi_tile_t *tile) {
  uint64_t kept = 0;
  for (int j = 0; j < tile->n; ++j) kept += tile->kept[j];
  cudropi_host_add(tile->plan, kept);
}

void cudropi_host_add(const cudropi_plan_t *plan, uint64_t kept) {
  __atomic_fetch_add((uint64_t *)plan->operand[CUDROPI_Y].data, kept, __ATOMIC_RELAXED);
}

/* ---- the table ------------------------------------------------------------------------ */

static const struct {
  kernel_t *f32, *f64; /* f64 for F64, f32 for every other type */
} kernels[CUDROPI_KERNELS] = {
    [CUDROPI_KERNEL_SELECT] = {select_kept, select_kept},
#define APPLY_ROW(NAME, name, KEPT) [CUDROPI_KERNEL_##NAME] = {name##_f32, name##_f64},
    CUDROPI_APPLY_LIST(APPLY_ROW)
#undef APPLY_ROW
        [CUDROPI_KERNEL_BYTES] = {write_bytes, write_bytes},
    [CUDROPI_KERNEL_BITS] = {write_bits, write_bits},
    [CUDROPI_KERNEL_COUNT] = {count, count},
};

void cudropi_host_kernel(const cudropi_tile_t *tile) {
  const cudropi_plan_t *plan = tile->plan;
  if (plan->operand[CUDROPI_Y].dtype == CUDROP_F64) {
    kernels[plan->kernel].f64(tile);
  } else {
    kernels[plan->kernel].f32(tile);
  }
}

void cudropi_host_begin(const cudropi_plan_t *plan) {
  if (plan->kernel == CUDROPI_KERNEL_COUNT)
    memset(plan->operand[CUDROPI_Y].data, 0, sizeof(uint64_t));
  if (plan->kernel == CUDROPI_KERNEL_BITS && plan->n > 0)
    memset(plan->operand[CUDROPI_Y].data, 0, (size_t)(plan->n / 8 + (plan->n % 8 != 0)));
}
