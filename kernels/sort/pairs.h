/*
 * pairs.h - sort pairs of a key and a value by key. Pairs with equal keys keep their order.
 *
 * The sort is CUB's, as the CUDA toolkit has it.
 *
 *   cub.cu          calls cub::DeviceRadixSort
 *   redirect.h      gives CUB other functions in place of some of the CUDA runtime's
 *   cub_calls.h     these functions
 *   cub_calls.c     these functions, and what is declared below
 *
 * CUB's kernels cannot run on the CPU: tests/simt/sort_pairs.cpp takes the place of this folder.
 */
#ifndef CUDROP_SORT_PAIRS_H
#define CUDROP_SORT_PAIRS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  /* Arrays of n numbers. The unsorted pairs are in key[0] and value[0]. */
  uint32_t *key[2], *value[2];
  uint32_t n;      /* less than 2^31 */
  int bits;        /* every key is less than 2^bits */
  void *temporary; /* memory of the device */
  size_t temporary_bytes;
} cudropi_pairs_t;

/*
 * Enqueue the sort on `stream` of the current device. *sorted becomes 0 or 1: the sorted pairs will
 * be in key[*sorted] and value[*sorted]. The other two arrays have no use afterwards. The call may
 * be made during stream capture. It returns cudaErrorLaunchOutOfResources if the sort needs more
 * than temporary_bytes.
 */
cudaError_t cudropi_sort_pairs(const cudropi_pairs_t *pairs, cudaStream_t stream,
                               int *sorted);

/* Prepare sorting on the current device. The first sort on a device must follow this call. */
cudaError_t cudropi_open_sort(void);

#ifdef __cplusplus
}
#endif

#endif /* CUDROP_SORT_PAIRS_H */
