/* kernels.c - what the host does with a tile once its keep bits are known. */
#include <string.h>

#include "storage.h"
#include "tile.h"

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
  const cudropi_operand_t *y = &tile->plan->y;
  cudropi_host_storage(y->dtype)->store(locate(y, tile->y),
                                        y->stride[tile->plan->rank - 1], tile->n, values);
}

static void store_kept(const cudropi_tile_t *tile, const void *values) {
  const cudropi_operand_t *y = &tile->plan->y;
  cudropi_host_storage(y->dtype)->store_kept(
      locate(y, tile->y), y->stride[tile->plan->rank - 1], tile->n, values, tile->kept);
}

/* ---- kernels with arithmetic, in float and in double ---------------------------------- */

#define DEFINE_SCALE(NAME, VALUE)                                                     \
  static void scale_##NAME(const cudropi_tile_t *tile) {                              \
    const VALUE scale = tile->plan->constants.NAME.scale;                             \
    VALUE x[CUDROPI_TILE_SIZE];                                                       \
    load(tile, &tile->plan->x, tile->x, x);                                           \
    for (int j = 0; j < tile->n; ++j) x[j] = tile->kept[j] ? x[j] * scale : (VALUE)0; \
    store(tile, x);                                                                   \
  }
DEFINE_SCALE(f32, float)
DEFINE_SCALE(f64, double)

#define DEFINE_ACCUMULATE(NAME, VALUE)                            \
  static void accumulate_##NAME(const cudropi_tile_t *tile) {     \
    const VALUE scale = tile->plan->constants.NAME.scale;         \
    VALUE x[CUDROPI_TILE_SIZE], y[CUDROPI_TILE_SIZE];             \
    load(tile, &tile->plan->x, tile->x, x);                       \
    load(tile, &tile->plan->y, tile->y, y);                       \
    for (int j = 0; j < tile->n; ++j) y[j] = y[j] + x[j] * scale; \
    store_kept(tile, y);                                          \
  }
DEFINE_ACCUMULATE(f32, float)
DEFINE_ACCUMULATE(f64, double)

#define DEFINE_AFFINE(NAME, VALUE)                            \
  static void affine_##NAME(const cudropi_tile_t *tile) {     \
    const VALUE scale = tile->plan->constants.NAME.scale,     \
                shift = tile->plan->constants.NAME.shift;     \
    const VALUE dropped = tile->plan->constants.NAME.dropped; \
    VALUE x[CUDROPI_TILE_SIZE];                               \
    load(tile, &tile->plan->x, tile->x, x);                   \
    for (int j = 0; j < tile->n; ++j)                         \
      x[j] = tile->kept[j] ? x[j] * scale + shift : dropped;  \
    store(tile, x);                                           \
  }
DEFINE_AFFINE(f32, float)
DEFINE_AFFINE(f64, double)

#define DEFINE_FILL(NAME, VALUE)                                               \
  static void fill_##NAME(const cudropi_tile_t *tile) {                        \
    const VALUE scale = tile->plan->constants.NAME.scale;                      \
    VALUE y[CUDROPI_TILE_SIZE];                                                \
    for (int j = 0; j < tile->n; ++j) y[j] = tile->kept[j] ? scale : (VALUE)0; \
    store(tile, y);                                                            \
  }
DEFINE_FILL(f32, float)
DEFINE_FILL(f64, double)

/* ---- kernels that move bits ----------------------------------------------------------- */

#define DEFINE_SELECT(BITS)                                               \
  static void select_##BITS(const cudropi_tile_t *tile, int64_t x_stride, \
                            int64_t y_stride) {                           \
    const char *x = locate(&tile->plan->x, tile->x);                      \
    char *y = locate(&tile->plan->y, tile->y);                            \
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
  const int64_t x_stride = plan->x.stride[plan->rank - 1];
  const int64_t y_stride = plan->y.stride[plan->rank - 1];
  switch (cudrop_dtype_bytes(plan->y.dtype)) {
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
  const int64_t stride = tile->plan->y.stride[tile->plan->rank - 1];
  uint8_t *y = locate(&tile->plan->y, tile->y);
  for (int j = 0; j < tile->n; ++j) y[j * stride] = tile->kept[j];
}

static void write_bits(const cudropi_tile_t *tile) {
  const int64_t stride = tile->plan->y.stride[tile->plan->rank - 1];
  uint8_t *bytes = tile->plan->y.data;
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
  __atomic_fetch_add((uint64_t *)plan->y.data, kept, __ATOMIC_RELAXED);
}

/* ---- the table ------------------------------------------------------------------------ */

static const struct {
  kernel_t *f32, *f64; /* for F64, and for every other type */
} kernels[CUDROPI_KERNELS] = {
    [CUDROPI_KERNEL_SELECT] = {select_kept, select_kept},
    [CUDROPI_KERNEL_SCALE] = {scale_f32, scale_f64},
    [CUDROPI_KERNEL_ACCUMULATE] = {accumulate_f32, accumulate_f64},
    [CUDROPI_KERNEL_AFFINE] = {affine_f32, affine_f64},
    [CUDROPI_KERNEL_FILL] = {fill_f32, fill_f64},
    [CUDROPI_KERNEL_BYTES] = {write_bytes, write_bytes},
    [CUDROPI_KERNEL_BITS] = {write_bits, write_bits},
    [CUDROPI_KERNEL_COUNT] = {count, count},
};

void cudropi_host_kernel(const cudropi_tile_t *tile) {
  const cudropi_plan_t *plan = tile->plan;
  if (plan->y.dtype == CUDROP_F64) {
    kernels[plan->kernel].f64(tile);
  } else {
    kernels[plan->kernel].f32(tile);
  }
}

void cudropi_host_begin(const cudropi_plan_t *plan) {
  if (plan->kernel == CUDROPI_KERNEL_COUNT) memset(plan->y.data, 0, sizeof(uint64_t));
  if (plan->kernel == CUDROPI_KERNEL_BITS && plan->n > 0)
    memset(plan->y.data, 0, (size_t)(plan->n / 8 + (plan->n % 8 != 0)));
}
