/* column_sums.cuh - column sums over all slabs, from the sums of each slab (order: tiling.h) */
#ifndef CUDROP_KERNEL_COLUMN_SUMS_CUH
#define CUDROP_KERNEL_COLUMN_SUMS_CUH

#include "rows.cuh"

enum { CUDROPI_SUMS_THREADS = CUDROPI_STRANDS * CUDROPI_CHUNK };

struct cudropi_column_sums_t {
  const float *partial;
  void *sums;
  int64_t slabs, cols;
  bool adds;
};

/* A block sums 8 columns. A thread sums one strand of one column. */
template <class Type>
__global__ void __launch_bounds__(CUDROPI_SUMS_THREADS)
    cudropi_column_sums(const __grid_constant__ cudropi_column_sums_t args) {
  SHARED_ARRAY(float, strands, CUDROPI_SUMS_THREADS);
  const int64_t col = (int64_t)blockIdx.x * CUDROPI_CHUNK + threadIdx.x % CUDROPI_CHUNK;
  const bool is_there = col < args.cols;
  float strand = 0.0f;
  if (is_there) {
#pragma unroll 8
    for (int64_t slab = threadIdx.x / CUDROPI_CHUNK; slab < args.slabs;
         slab += CUDROPI_STRANDS)
      strand = strand + args.partial[slab * args.cols + col];
  }
  strands[threadIdx.x] = strand;
  __syncthreads();
  if (threadIdx.x < CUDROPI_CHUNK && is_there) {
    cudropi_chunk_t<Type::bytes> stored = {};
    float total = 0.0f;
    for (int s = 0; s < CUDROPI_STRANDS; ++s)
      total = total + strands[s * CUDROPI_CHUNK + (int)threadIdx.x];
    if (args.adds)
      total = Type::get(cudropi_load<Type::bytes>(args.sums, col, 1, 1), 0) + total;
    Type::set(stored, 0, total, 0.0f);
    cudropi_store<Type::bytes>(args.sums, col, 1, 1, stored);
  }
}

#endif /* CUDROP_KERNEL_COLUMN_SUMS_CUH */
