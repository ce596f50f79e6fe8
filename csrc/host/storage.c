/* storage.c - the element types. memcpy() copies elements, so memory may have any C type. */
#include "host/storage.h"

#include "host/convert.h"

#define AS_IT_IS(value) (value)

/* X(dtype, type in memory, type of values, memory to value, value to memory) */
#define STORAGE_LIST(X)                                       \
  X(F32, float, float, AS_IT_IS, AS_IT_IS)                    \
  X(F16, uint16_t, float, float_from_f16, f16_from_float)     \
  X(BF16, uint16_t, float, float_from_bf16, bf16_from_float)  \
  X(F64, double, double, AS_IT_IS, AS_IT_IS)                  \
  X(F8E4M3, uint8_t, float, float_from_e4m3, e4m3_from_float) \
  X(F8E5M2, uint8_t, float, float_from_e5m2, e5m2_from_float)

/* Neighbours, whose stride is 1, have functions beside those of any stride: compilers make vectors
 * of most of their loops; gcc 12 does not of loads of F8. */
#define DEFINE_LOAD_BY(STRIDE, DTYPE, MEMORY, VALUE, TO_VALUE)                      \
  static void load_by_##STRIDE##_##DTYPE(const void *memory, int64_t stride, int n, \
                                         VALUE *values) {                           \
    (void)stride;                                                                   \
    for (int j = 0; j < n; ++j) {                                                   \
      MEMORY element;                                                               \
      memcpy(&element, (const MEMORY *)memory + j * STRIDE, sizeof element);        \
      values[j] = TO_VALUE(element);                                                \
    }                                                                               \
  }
#define DEFINE_LOAD(DTYPE, MEMORY, VALUE, TO_VALUE, TO_MEMORY)                        \
  DEFINE_LOAD_BY(stride, DTYPE, MEMORY, VALUE, TO_VALUE)                              \
  DEFINE_LOAD_BY(1, DTYPE, MEMORY, VALUE, TO_VALUE)                                   \
  static void load_##DTYPE(const void *memory, int64_t stride, int n, void *values) { \
    (stride == 1 ? load_by_1_##DTYPE : load_by_stride_##DTYPE)(memory, stride, n,     \
                                                               values);               \
  }
STORAGE_LIST(DEFINE_LOAD)

#define DEFINE_STORE_BY(STRIDE, DTYPE, MEMORY, VALUE, TO_MEMORY)               \
  static void store_by_##STRIDE##_##DTYPE(void *memory, int64_t stride, int n, \
                                          const VALUE *values) {               \
    (void)stride;                                                              \
    for (int j = 0; j < n; ++j) {                                              \
      const MEMORY element = TO_MEMORY(values[j]);                             \
      memcpy((MEMORY *)memory + j * STRIDE, &element, sizeof element);         \
    }                                                                          \
  }
#define DEFINE_STORE(DTYPE, MEMORY, VALUE, TO_VALUE, TO_MEMORY)                        \
  DEFINE_STORE_BY(stride, DTYPE, MEMORY, VALUE, TO_MEMORY)                             \
  DEFINE_STORE_BY(1, DTYPE, MEMORY, VALUE, TO_MEMORY)                                  \
  static void store_##DTYPE(void *memory, int64_t stride, int n, const void *values) { \
    (stride == 1 ? store_by_1_##DTYPE : store_by_stride_##DTYPE)(memory, stride, n,    \
                                                                 values);              \
  }
STORAGE_LIST(DEFINE_STORE)

#define DEFINE_STORE_KEPT(DTYPE, MEMORY, VALUE, TO_VALUE, TO_MEMORY)                \
  static void store_kept_##DTYPE(void *memory, int64_t stride, int n,               \
                                 const void *values, const uint8_t *kept) {         \
    for (int j = 0; j < n; ++j) {                                                   \
      const MEMORY element = TO_MEMORY(((const VALUE *)values)[j]);                 \
      if (kept[j]) memcpy((MEMORY *)memory + j * stride, &element, sizeof element); \
    }                                                                               \
  }
STORAGE_LIST(DEFINE_STORE_KEPT)

static const cudropi_storage_t storages[] = {
#define STORAGE_ROW(DTYPE, MEMORY, VALUE, TO_VALUE, TO_MEMORY) \
  [CUDROP_##DTYPE] = {load_##DTYPE, store_##DTYPE, store_kept_##DTYPE},
    STORAGE_LIST(STORAGE_ROW)
#undef STORAGE_ROW
};

const cudropi_storage_t *cudropi_host_storage(cudrop_dtype_t dtype) {
  return &storages[dtype];
}
