/* scale.cuh - y = keep ? x * scale : +0 */
#ifndef CUDROP_KERNEL_SCALE_CUH
#define CUDROP_KERNEL_SCALE_CUH

#include "elementwise.cuh"

template <class Type>
struct cudropi_scale {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_x = true, reads_y = false;
  static constexpr bool is_drawn = true, is_brought = true, copies_kept = true;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &scalars,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &x, const chunk &) {
    chunk scaled = {};
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; j += 2) {
      const value a = Type::get(x, j) * scalars.scale;
      const value b = Type::get(x, j + 1) * scalars.scale;
      Type::set(scaled, j, keep[j] ? a : value(0), keep[j + 1] ? b : value(0));
    }
    return scaled;
  }
};

#endif /* CUDROP_KERNEL_SCALE_CUH */
