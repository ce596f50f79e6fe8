/* drop.cuh - elementwise operators: some compute a formula of apply.h, the others work on bits. */
#ifndef CUDROP_KERNEL_DROP_CUH
#define CUDROP_KERNEL_DROP_CUH

#include "elementwise.cuh"
#include "ops/drop/apply.h"

/* ---- Formulas ------------------------------------------------------------------------ */

#define DEFINE_FORMULA(NAME, name, KEPT)                                       \
  struct cudropi_formula_##name {                                              \
    template <class value>                                                     \
    static __device__ __forceinline__ value kept([[maybe_unused]] value x,     \
                                                 [[maybe_unused]] value y,     \
                                                 cudropi_scalars_t<value> c) { \
      return KEPT;                                                             \
    }                                                                          \
  };
CUDROPI_APPLY_LIST(DEFINE_FORMULA)
#undef DEFINE_FORMULA

/* What y is for a dropped element: +0, scalars.dropped, or the old y. */
typedef enum { CUDROPI_TO_ZERO, CUDROPI_TO_CONSTANT, CUDROPI_AS_BEFORE } cudropi_fate_t;

template <class Type, class Formula, cudropi_fate_t fate>
struct cudropi_applied {
  using type = Type;
  using value = typename Type::value;
  static constexpr bool reads_y = fate == CUDROPI_AS_BEFORE;
  static constexpr bool is_drawn = true;
  using chunk = cudropi_chunk_t<Type::bytes>;

  static __device__ __forceinline__ value make(const cudropi_scalars_t<value> &scalars,
                                               bool keep, value x, value y) {
    const value kept = Formula::kept(x, y, scalars);
    const value dropped = fate == CUDROPI_TO_CONSTANT ? scalars.dropped : value(0);
    return fate == CUDROPI_AS_BEFORE || keep ? kept : dropped;
  }

  static __device__ __forceinline__ chunk apply(const cudropi_scalars_t<value> &scalars,
                                                const bool (&keep)[CUDROPI_CHUNK],
                                                const chunk &x, const chunk &y) {
    chunk made = {};
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; j += 2) {
      const value a = make(scalars, keep[j], Type::get(x, j), Type::get(y, j));
      const value b =
          make(scalars, keep[j + 1], Type::get(x, j + 1), Type::get(y, j + 1));
      Type::set(made, j, a, b);
    }
    return fate == CUDROPI_AS_BEFORE ? cudropi_blend(keep, made, y) : made;
  }
};

/* y = keep ? x * scale : +0 */
template <class Type>
struct cudropi_scale : cudropi_applied<Type, cudropi_formula_scale, CUDROPI_TO_ZERO> {
  static constexpr bool reads_x = true, is_brought = true, copies_kept = true;
};

/* y = keep ? y + x * scale : y */
template <class Type>
struct cudropi_accumulate
    : cudropi_applied<Type, cudropi_formula_accumulate, CUDROPI_AS_BEFORE> {
  static constexpr bool reads_x = true, is_brought = false, copies_kept = false;
};

/* y = keep ? x * scale + shift : dropped */
template <class Type>
struct cudropi_affine
    : cudropi_applied<Type, cudropi_formula_affine, CUDROPI_TO_CONSTANT> {
  static constexpr bool reads_x = true, is_brought = false, copies_kept = true;
};

/* y = keep ? scale : +0 */
template <class Type>
struct cudropi_fill : cudropi_applied<Type, cudropi_formula_fill, CUDROPI_TO_ZERO> {
  static constexpr bool reads_x = false, is_brought = false, copies_kept = false;
};

/* ---- Bits ---------------------------------------------------------------------------- */

/* y = keep ? x : +0, bit for bit */
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

/* y = keep, one byte each */
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

#endif /* CUDROP_KERNEL_DROP_CUH */
