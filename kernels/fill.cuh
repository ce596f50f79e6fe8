/* fill.cuh - y = keep ? scale : +0 */
#ifndef CUDROP_KERNEL_FILL_CUH
#define CUDROP_KERNEL_FILL_CUH

#include "elementwise.cuh"

template <class Type>
struct cudropi_fill {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_x = false, reads_y = false;
  static constexpr bool is_drawn = true, is_brought = false, copies_kept = false;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &scalars,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &, const chunk &) {
    chunk filled = {};
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; j += 2) {
      Type::set(filled, j, keep[j] ? scalars.scale : value(0),
                keep[j + 1] ? scalars.scale : value(0));
    }
    return filled;
  }
};

#endif /* CUDROP_KERNEL_FILL_CUH */
