/*
 * intrinsics.h - what CUDA offers one thread and C++ does not have by that name.
 *
 * Approximate functions are computed in double and rounded once. Products and sums are
 * rounded one by one only where the compiler may not contract them: -ffp-contract=off.
 */
#ifndef CUDROP_INTRINSICS_H
#define CUDROP_INTRINSICS_H

#include <features.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace simt {

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "another size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace simt

/* ---- Bits -------------------------------------------------------------------------- */

inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
inline int __clz(int x) {
  return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x));
}

inline int __clzll(long long x) {
  return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x));
}

inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1) << (31 - bit);
  return reversed;
}

/* Byte k is the one of y:x (x holds bytes 0 to 3) that digit k of `select` names. */
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned select) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(y) << 32 | x;
  unsigned result = 0;
  for (int k = 0; k < 4; ++k) {
    const unsigned from = select >> 4 * k & 7;
    result |= static_cast<unsigned>(bytes >> 8 * from & 0xff) << 8 * k;
  }
  return result;
}

/* The upper word of high:low moved to the left; the lower word, moved to the right. */
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  const std::uint64_t both = static_cast<std::uint64_t>(high) << 32 | low;
  return static_cast<unsigned>(both << (shift & 31) >> 32);
}

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  const std::uint64_t both = static_cast<std::uint64_t>(high) << 32 | low;
  return static_cast<unsigned>(both >> (shift & 31));
}

/* ---- Integers ---------------------------------------------------------------------- */

inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ typedef unsigned __int128 wide;
  return static_cast<unsigned long long>(static_cast<wide>(a) * b >> 64);
}

/* The smaller of the two lower and of the two upper halves. */
inline unsigned __vminu2(unsigned a, unsigned b) {
  const unsigned low = (a & 0xffff) < (b & 0xffff) ? a & 0xffff : b & 0xffff;
  const unsigned high = a >> 16 < b >> 16 ? a >> 16 : b >> 16;
  return high << 16 | low;
}

/* ---- Bits as numbers --------------------------------------------------------------- */

inline unsigned __float_as_uint(float x) {
  return simt::bits_as<unsigned>(x);
}
inline int __float_as_int(float x) {
  return simt::bits_as<int>(x);
}
inline float __uint_as_float(unsigned x) {
  return simt::bits_as<float>(x);
}
inline float __int_as_float(int x) {
  return simt::bits_as<float>(x);
}
inline long long __double_as_longlong(double x) {
  return simt::bits_as<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return simt::bits_as<double>(x);
}

/* ---- Floating point, rounded to nearest -------------------------------------------- */

inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fsub_rn(float a, float b) {
  return a - b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline double __dadd_rn(double a, double b) {
  return a + b;
}
inline double __dsub_rn(double a, double b) {
  return a - b;
}
inline double __dmul_rn(double a, double b) {
  return a * b;
}
inline double __ddiv_rn(double a, double b) {
  return a / b;
}
inline double __fma_rn(double a, double b, double c) {
  return std::fma(a, b, c);
}

/* ---- Floating point, approximate on the GPU ---------------------------------------- */

inline float __expf(float x) {
  return static_cast<float>(std::exp(double{x}));
}
inline float __logf(float x) {
  return static_cast<float>(std::log(double{x}));
}
inline float __fdividef(float a, float b) {
  return a / b;
}

#if !__GLIBC_PREREQ(2, 42) /* which has them itself */
inline float rsqrtf(float x) {
  return static_cast<float>(1.0 / std::sqrt(double{x}));
}
inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}
#endif

/* ---- Memory ------------------------------------------------------------------------ */

/* clang-format off */
template <class T> T __ldg(const T *from) { return *from; }
template <class T> T __ldcs(const T *from) { return *from; }
template <class T> T __ldcg(const T *from) { return *from; }
template <class T> void __stcs(T *to, T value) { *to = value; }
template <class T> void __stcg(T *to, T value) { *to = value; }
/* clang-format on */

/* Nothing: the CUDA threads of a launch run on one thread of the CPU. */
inline void __threadfence() {}
inline void __threadfence_block() {}

/* Atomic also among launches of several host threads. There are none for floating point,
 * whose result would depend on the order. */
namespace simt {

template <class T>
T atomic_maximum(T *at, T value) {
  T old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (old < value && !__atomic_compare_exchange_n(
                            at, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}

}  // namespace simt

#define SIMT_ATOMICS(type)                                  \
  inline type atomicAdd(type *at, type value) {             \
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED); \
  }                                                         \
  inline type atomicOr(type *at, type value) {              \
    return __atomic_fetch_or(at, value, __ATOMIC_RELAXED);  \
  }                                                         \
  inline type atomicMax(type *at, type value) {             \
    return simt::atomic_maximum(at, value);                 \
  }

SIMT_ATOMICS(int)
SIMT_ATOMICS(unsigned)
SIMT_ATOMICS(unsigned long long)
#undef SIMT_ATOMICS

#endif /* CUDROP_INTRINSICS_H */
