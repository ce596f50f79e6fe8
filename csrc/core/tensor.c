/* tensor.c - making tensors, and what their element types are. */
#include "core/tensor.h"

#include <string.h>

size_t cudrop_dtype_bytes(cudrop_dtype_t dtype) {
  switch (dtype) {
#define DTYPE_BYTES(name, value, bytes) \
  case CUDROP_##name:                   \
    return bytes;
    CUDROP_DTYPE_LIST(DTYPE_BYTES)
#undef DTYPE_BYTES
  }
  return 0;
}

const char *cudropi_dtype_name(cudrop_dtype_t dtype) {
  switch (dtype) {
#define DTYPE_NAME(name, value, bytes) \
  case CUDROP_##name:                  \
    return #name;
    CUDROP_DTYPE_LIST(DTYPE_NAME)
#undef DTYPE_NAME
  }
  return "no type";
}

void cudropi_row_major(int rank, const int64_t *shape, int64_t *stride) {
  uint64_t step = 1;
  for (int d = rank - 1; d >= 0; --d) {
    stride[d] = (int64_t)step;
    step *= (uint64_t)shape[d];
  }
}

bool cudropi_count(int rank, const int64_t *shape, int64_t *n) {
  bool fits = true;
  *n = 1;
  for (int d = 0; d < rank; ++d) {
    if (shape[d] == 0) {
      *n = 0;
      return true;
    }
    fits = fits && !__builtin_mul_overflow(*n, shape[d], n);
  }
  return fits;
}

cudrop_tensor_t cudrop_tensor(const void *data, cudrop_dtype_t dtype, int rank,
                              const int64_t *shape) {
  cudrop_tensor_t tensor = {.dtype = dtype, .rank = rank};
  memcpy(&tensor.data, &data, sizeof data); /* an output's data is not const */
  if (rank > CUDROP_MAX_RANK || shape == NULL) return tensor;
  for (int d = 0; d < rank; ++d) tensor.shape[d] = shape[d];
  cudropi_row_major(rank, tensor.shape, tensor.stride);
  return tensor;
}

cudrop_tensor_t cudrop_vector(const void *data, cudrop_dtype_t dtype, int64_t n) {
  return cudrop_tensor(data, dtype, 1, &n);
}

cudrop_tensor_t cudrop_matrix(const void *data, cudrop_dtype_t dtype, int64_t rows,
                              int64_t cols) {
  const int64_t shape[] = {rows, cols};
  return cudrop_tensor(data, dtype, 2, shape);
}

cudrop_tensor_t cudropi_pack(const void *memory, int rank, const int64_t *shape) {
  return cudrop_tensor(memory, CUDROP_U8, rank, shape);
}
