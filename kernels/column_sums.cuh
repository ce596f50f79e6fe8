/* column_sums.cuh - column sums over all slabs, from the sums of each slab (order: tiling.h) */
#ifndef CUDROP_KERNEL_COLUMN_SUMS_CUH
#define CUDROP_KERNEL_COLUMN_SUMS_CUH

#include "rows.cuh"

enum { CUDROPI_SUMS_THREADS = CUDROPI_STRANDS * CUDROPI_CHUNK };

enum { CUDROPI_MOST_SUMS = 3 }; /* of an operator */

/* A gradient to sum, and its sums over each slab. */
struct cudropi_column_sum_t {
  const float *partial;
  void *sum;
  cudrop_dtype_t dtype; /* of sum */
};

struct cudropi_column_sums_t {
  cudropi_column_sum_t vector[CUDROPI_MOST_SUMS];
  int64_t slabs, cols;
  bool adds;
};

/* Store a total of column `col`, or add it to what is there. */
template <class Type>
CUDROPI_DEVICE void cudropi_store_total(void *sum, int64_t col, float total, bool adds) {
  cudropi_chunk_t<Type::bytes> stored = {};
  if (adds) total = Type::get(cudropi_load<Type::bytes>(sum, col, 1, 1), 0) + total;
  Type::set(stored, 0, total, 0.0f);
  cudropi_store<Type::bytes>(sum, col, 1, 1, stored);
}

/* A block sums 8 columns of gradient blockIdx.y. A thread sums one strand of one column. */
__global__ void __launch_bounds__(CUDROPI_SUMS_THREADS)
    cudropi_column_sums(const __grid_constant__ cudropi_column_sums_t args) {
  SHARED_ARRAY(float, strands, CUDROPI_SUMS_THREADS);
  const cudropi_column_sum_t &vector = args.vector[blockIdx.y];
  const int64_t col = (int64_t)blockIdx.x * CUDROPI_CHUNK + threadIdx.x % CUDROPI_CHUNK;
  const bool is_there = col < args.cols;
  float strand = 0.0f;
  if (is_there) {
#pragma unroll 8
    for (int64_t slab = threadIdx.x / CUDROPI_CHUNK; slab < args.slabs;
         slab += CUDROPI_STRANDS)
      strand = strand + vector.partial[slab * args.cols + col];
  }
  strands[threadIdx.x] = strand;
  __syncthreads();
  if (threadIdx.x < CUDROPI_CHUNK && is_there) {
    float total = 0.0f;
    for (int s = 0; s < CUDROPI_STRANDS; ++s)
      total = total + strands[s * CUDROPI_CHUNK + (int)threadIdx.x];
    if (vector.dtype == CUDROP_F32) {
      cudropi_store_total<cudropi_f32>(vector.sum, col, total, args.adds);
    } else if (vector.dtype == CUDROP_F16) {
      cudropi_store_total<cudropi_f16>(vector.sum, col, total, args.adds);
    } else {
      cudropi_store_total<cudropi_bf16>(vector.sum, col, total, args.adds);
    }
  }
}

#endif /* CUDROP_KERNEL_COLUMN_SUMS_CUH */
