/*
 * packed.cuh - the walk of operators that need only the mask. A byte has the keep bits of 8
 * elements that follow each other in row-major order.
 */
#ifndef CUDROP_KERNEL_PACKED_CUH
#define CUDROP_KERNEL_PACKED_CUH

#include "general.cuh"

enum { CUDROPI_PACKED_THREADS = 256 };

/* The mask index of element e, without the index base of the block's mask. */
CUDROPI_DEVICE uint64_t cudropi_index(const cudropi_general_t &walk, int64_t e) {
  uint64_t index = walk.index_base;
#pragma unroll 1
  for (int d = walk.rank - 1; d >= 0; --d) {
    const int64_t outer = d == 0 ? 0 : e / walk.shape[d];
    index += (uint64_t)((e - outer * walk.shape[d]) * walk.index_stride[d]);
    e = outer;
  }
  return index;
}

/* The keep bits of the 8 elements from 8 * byte on; 0 past the end. */
CUDROPI_DEVICE uint32_t cudropi_keep_packed(const cudropi_general_t &walk,
                                            const cudrop_prepared_t *mask, int64_t byte) {
  const int inner = walk.rank - 1;
  const int64_t first = byte * CUDROPI_CHUNK;
  const int64_t left = walk.n - first;
  const int count = left < CUDROPI_CHUNK ? (int)left : CUDROPI_CHUNK;
  const uint32_t valid = (1u << count) - 1;
  if (walk.source == CUDROPI_ALL_KEPT) return valid;
  if (first % walk.shape[inner] + count <= walk.shape[inner])
    return valid & cudropi_keep_strided(mask->schedule,
                                        mask->index_base + cudropi_index(walk, first),
                                        (uint64_t)walk.index_stride[inner], valid);
  uint32_t bits = 0;
#pragma unroll 1
  for (int j = 0; j < count; ++j)
    bits |= (uint32_t)cudrop_device_keep1(
                mask->schedule, mask->index_base + cudropi_index(walk, first + j))
            << j;
  return bits;
}

/* The same for a dense plan, in which these 8 elements are a group of the mask. */
CUDROPI_DEVICE uint32_t cudropi_keep_dense(const cudropi_general_t &walk,
                                           const cudrop_prepared_t *mask, int64_t byte) {
  const int64_t left = walk.n - byte * CUDROPI_CHUNK;
  const uint32_t valid = left < CUDROPI_CHUNK ? (1u << left) - 1 : 0xff;
  return valid & cudropi_keep_bits(mask->schedule,
                                   (mask->index_base + walk.index_base) / CUDROPI_CHUNK +
                                       (uint64_t)byte);
}

/* Call body(byte, bits) for each byte. */
template <bool is_dense, class Body>
CUDROPI_DEVICE void cudropi_packed_walk(const cudropi_general_t &walk,
                                        const cudrop_prepared_t *mask, Body body) {
  const int64_t stride = (int64_t)gridDim.x * CUDROPI_PACKED_THREADS;
  for (int64_t byte = (int64_t)blockIdx.x * CUDROPI_PACKED_THREADS + threadIdx.x;
       byte < walk.chunks; byte += stride)
    body(byte, is_dense ? cudropi_keep_dense(walk, mask, byte)
                        : cudropi_keep_packed(walk, mask, byte));
}

/* Launch `dense` for a dense walk, else `general`. */
template <class Kernel>
static cudaError_t cudropi_launch_packed(const cudropi_work_t *work, Kernel dense,
                                         Kernel general) {
  cudropi_general_t args = cudropi_general(work->plan);
  args.chunks = args.n / CUDROPI_CHUNK + (args.n % CUDROPI_CHUNK != 0);
  const int64_t blocks =
      (args.chunks + CUDROPI_PACKED_THREADS - 1) / CUDROPI_PACKED_THREADS;
  const dim3 grid((unsigned)(blocks < work->blocks ? blocks : work->blocks));
  return LAUNCH(work->walk == CUDROPI_WALK_DENSE ? dense : general, grid,
                CUDROPI_PACKED_THREADS, 0, work->stream, args);
}

#endif /* CUDROP_KERNEL_PACKED_CUH */
