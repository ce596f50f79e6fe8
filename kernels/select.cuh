/* select.cuh - y = keep ? x : +0, bit for bit */
#ifndef CUDROP_KERNEL_SELECT_CUH
#define CUDROP_KERNEL_SELECT_CUH

#include "elementwise.cuh"

template <class Type>
struct cudropi_select {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_x = true, reads_y = false;
  static constexpr bool is_drawn = false, is_brought = true, copies_kept = false;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &x, const chunk &) {
    return cudropi_blend(keep, x, chunk{});
  }
};

#endif /* CUDROP_KERNEL_SELECT_CUH */
