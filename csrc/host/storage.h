/* storage.h - reading and writing elements, which become float or double here. */
#ifndef CUDROP_STORAGE_H
#define CUDROP_STORAGE_H

#include "core/arithmetic.h"
#include "cudrop/cudrop.h"

/*
 * Functions of one element type. `memory` is the first of n elements, `stride` apart;
 * `values` are n floats, or doubles for F64.
 */
typedef struct {
  void (*load)(const void *memory, int64_t stride, int n, void *values);
  void (*store)(void *memory, int64_t stride, int n, const void *values);
  /* store, but leave elements with kept[j] == 0 as they are */
  void (*store_kept)(void *memory, int64_t stride, int n, const void *values,
                     const uint8_t *kept);
} cudropi_storage_t;

/* The functions of a type, which is not U8, I32 or I64. */
const cudropi_storage_t *cudropi_host_storage(cudrop_dtype_t dtype);

#endif /* CUDROP_STORAGE_H */
