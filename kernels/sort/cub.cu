/* cub.cu - CUB's radix sort, compiled with redirect.h. */
#include <cuda_runtime.h>

#include "sort/cub_calls.h" /* in front of CUB, which then calls no function that throws */

#include <cub/device/device_radix_sort.cuh>

#ifndef CUDROP_CUB_REDIRECT_H
#error "cub.cu is compiled with -include redirect.h"
#endif

static __global__ void cudropi_cub_nothing() {}

const void *cudropi_cub_kernel(void) {
  return reinterpret_cast<const void *>(cudropi_cub_nothing);
}

cudaError_t cudropi_cub_sort(const cudropi_pairs_t *pairs, void *temporary, size_t *bytes,
                             cudaStream_t stream, int *sorted) {
  using namespace cudropi_cub;
  cub::DoubleBuffer<uint32_t> keys(pairs->key[0], pairs->key[1]);
  cub::DoubleBuffer<uint32_t> values(pairs->value[0], pairs->value[1]);
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(
      temporary, *bytes, keys, values, pairs->n, 0, pairs->bits, stream);
  *sorted = keys.selector;
  return error;
}
