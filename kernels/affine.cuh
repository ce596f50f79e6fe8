/* affine.cuh - y = keep ? x * scale + shift : dropped */
#ifndef CUDROP_KERNEL_AFFINE_CUH
#define CUDROP_KERNEL_AFFINE_CUH

#include "elementwise.cuh"

template <class Type>
struct cudropi_affine {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_x = true, reads_y = false;
  static constexpr bool is_drawn = true, is_brought = false, copies_kept = true;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &scalars,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &x, const chunk &) {
    chunk moved = {};
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; j += 2) {
      const value a = Type::get(x, j) * scalars.scale + scalars.shift;
      const value b = Type::get(x, j + 1) * scalars.scale + scalars.shift;
      Type::set(moved, j, keep[j] ? a : scalars.dropped,
                keep[j + 1] ? b : scalars.dropped);
    }
    return moved;
  }
};

#endif /* CUDROP_KERNEL_AFFINE_CUH */
