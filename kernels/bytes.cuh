/* bytes.cuh - y = keep, one byte each */
#ifndef CUDROP_KERNEL_BYTES_CUH
#define CUDROP_KERNEL_BYTES_CUH

#include "elementwise.cuh"

template <class Type>
struct cudropi_bytes {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_x = false, reads_y = false;
  static constexpr bool is_drawn = true, is_brought = false, copies_kept = false;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &, const chunk &) {
    chunk ones;
#pragma unroll
    for (int w = 0; w < CUDROPI_CHUNK / 4; ++w) ones.word[w] = 0x01010101u;
    return cudropi_blend(keep, ones, chunk{});
  }
};

#endif /* CUDROP_KERNEL_BYTES_CUH */
