/* accumulate.cuh - y = keep ? y + x * scale : y */
#ifndef CUDROP_KERNEL_ACCUMULATE_CUH
#define CUDROP_KERNEL_ACCUMULATE_CUH

#include "elementwise.cuh"

template <class Type>
struct cudropi_accumulate {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_x = true, reads_y = true;
  static constexpr bool is_drawn = true, is_brought = false, copies_kept = false;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &scalars,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &x, const chunk &y) {
    chunk sum = {};
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; j += 2) {
      Type::set(sum, j, Type::get(y, j) + Type::get(x, j) * scalars.scale,
                Type::get(y, j + 1) + Type::get(x, j + 1) * scalars.scale);
    }
    return cudropi_blend(keep, sum, y);
  }
};

#endif /* CUDROP_KERNEL_ACCUMULATE_CUH */
