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

#define DEFINE_LOAD(DTYPE, MEMORY, VALUE, TO_VALUE, TO_MEMORY)                        \
  static void load_##DTYPE(const void *memory, int64_t stride, int n, void *values) { \
    for (int j = 0; j < n; ++j) {                                                     \
      MEMORY element;                                                                 \
      memcpy(&element, (const MEMORY *)memory + j * stride, sizeof element);          \
      ((VALUE *)values)[j] = TO_VALUE(element);                                       \
    }                                                                                 \
  }
STORAGE_LIST(DEFINE_LOAD)

#define DEFINE_STORE(DTYPE, MEMORY, VALUE, TO_VALUE, TO_MEMORY)                        \
  static void store_##DTYPE(void *memory, int64_t stride, int n, const void *values) { \
    for (int j = 0; j < n; ++j) {                                                      \
      const MEMORY element = TO_MEMORY(((const VALUE *)values)[j]);                    \
      memcpy((MEMORY *)memory + j * stride, &element, sizeof element);                 \
    }                                                                                  \
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
