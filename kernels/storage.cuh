/*
 * storage.cuh - element types, and chunks of elements as they lie in memory.
 *
 * A kernel moves chunks and computes with their elements as float (F64: as double). No kernel
 * computes in a narrow type. Elements are written in pairs, because conversions to narrow types
 * take pairs.
 */
#ifndef CUDROP_KERNEL_STORAGE_CUH
#define CUDROP_KERNEL_STORAGE_CUH

#include "architecture.cuh"
#include "cudrop/cudrop.h"
#include "port.h"

#define CUDROPI_DEVICE static __device__ __forceinline__

/* 8 elements of `bytes` bytes each, as many as a group of the mask has. A chunk is moved in one
 * access of 8 or 16 bytes, or in several accesses of 16 bytes. */
template <int bytes>
struct alignas(bytes < 2 ? 8 : 16) cudropi_chunk_t {
  uint32_t word[2 * bytes];
};

/* A chunk that is aligned for accesses of 32 bytes. */
template <class Chunk>
struct alignas(32) cudropi_wide_t {
  Chunk chunk;
};

/*
 * Store a chunk, or a pack of chunks, in accesses of 32 bytes if the architecture has them and
 * the address is aligned. Narrower stores write half sectors. Loads need no wide accesses: the
 * second half of a sector comes from the nearest cache.
 */
template <class Chunk>
CUDROPI_DEVICE void cudropi_write(Chunk *to, const Chunk &chunk) {
  constexpr bool may_be_wide = cudropi_has_wide_accesses && sizeof(Chunk) % 32 == 0;
  if (may_be_wide && (uintptr_t)to % 32 == 0) {
    reinterpret_cast<cudropi_wide_t<Chunk> *>(to)->chunk = chunk;
  } else {
    *to = chunk;
  }
}

/* The integer type that holds the bits of one element. */
template <int bytes>
struct cudropi_integer;
template <>
struct cudropi_integer<1> {
  using type = uint8_t;
};
template <>
struct cudropi_integer<2> {
  using type = uint16_t;
};
template <>
struct cudropi_integer<4> {
  using type = uint32_t;
};
template <>
struct cudropi_integer<8> {
  using type = uint64_t;
};

/* ---- Elements one by one ------------------------------------------------------------- */

/* The bits of element j. After unrolling, j must be a constant. */
template <int bytes>
CUDROPI_DEVICE uint64_t cudropi_element(const cudropi_chunk_t<bytes> &chunk, int j) {
  if (bytes == 8) return (uint64_t)chunk.word[2 * j + 1] << 32 | chunk.word[2 * j];
  const uint32_t word = chunk.word[j * bytes / 4] >> (8 * (j * bytes % 4));
  return bytes == 4 ? word : word & ((1u << (8 * bytes % 32)) - 1);
}

/* Set the bits of element j, which must be 0 before. */
template <int bytes>
CUDROPI_DEVICE void cudropi_put(cudropi_chunk_t<bytes> &chunk, int j, uint64_t bits) {
  chunk.word[j * bytes / 4] |= (uint32_t)bits << (8 * (j * bytes % 4));
  if (bytes == 8) chunk.word[2 * j + 1] |= (uint32_t)(bits >> 32);
}

/* Element j of the result is element j of a if keep[j], else element j of b. */
template <int bytes>
CUDROPI_DEVICE cudropi_chunk_t<bytes> cudropi_blend(const bool (&keep)[8],
                                                    const cudropi_chunk_t<bytes> &a,
                                                    const cudropi_chunk_t<bytes> &b) {
  cudropi_chunk_t<bytes> chosen;
#pragma unroll
  for (int w = 0; w < 2 * bytes; ++w) {
    if (bytes >= 4) {
      chosen.word[w] = keep[w * 4 / bytes] ? a.word[w] : b.word[w];
    } else {
      uint32_t from_a = 0;
#pragma unroll
      for (int k = 0; k < 4 / bytes; ++k)
        from_a |=
            keep[w * (4 / bytes) + k] ? ((1u << 8 * bytes % 32) - 1) << 8 * bytes * k : 0;
      chosen.word[w] = (a.word[w] & from_a) | (b.word[w] & ~from_a);
    }
  }
  return chosen;
}

/* ---- Types --------------------------------------------------------------------------- */

/* In each type, get() reads element j as a value, and set() writes elements j and j + 1 from
 * values, for even j. */

struct cudropi_f32 {
  using value = float;
  static constexpr int bytes = 4;
  template <class Chunk>
  static __device__ __forceinline__ float get(const Chunk &c, int j) {
    return __uint_as_float(c.word[j]);
  }
  template <class Chunk>
  static __device__ __forceinline__ void set(Chunk &c, int j, float a, float b) {
    c.word[j] = __float_as_uint(a);
    c.word[j + 1] = __float_as_uint(b);
  }
};

struct cudropi_f64 {
  using value = double;
  static constexpr int bytes = 8;
  template <class Chunk>
  static __device__ __forceinline__ double get(const Chunk &c, int j) {
    return __longlong_as_double((long long)cudropi_element(c, j));
  }
  template <class Chunk>
  static __device__ __forceinline__ void set(Chunk &c, int j, double a, double b) {
    const uint64_t bits[] = {(uint64_t)__double_as_longlong(a),
                             (uint64_t)__double_as_longlong(b)};
#pragma unroll
    for (int k = 0; k < 4; ++k)
      c.word[2 * j + k] = (uint32_t)(bits[k / 2] >> (32 * (k % 2)));
  }
};

struct cudropi_bf16 {
  using value = float;
  static constexpr int bytes = 2;
  template <class Chunk>
  static __device__ __forceinline__ float get(const Chunk &c, int j) {
    const uint32_t word = c.word[j / 2];
    return __uint_as_float(j % 2 ? word & 0xffff0000u : word << 16);
  }
  template <class Chunk>
  static __device__ __forceinline__ void set(Chunk &c, int j, float a, float b) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(a, b);
    memcpy(&c.word[j / 2], &pair, sizeof pair);
  }
};

struct cudropi_f16 {
  using value = float;
  static constexpr int bytes = 2;
  template <class Chunk>
  static __device__ __forceinline__ float get(const Chunk &c, int j) {
    __half2 pair;
    memcpy(static_cast<void *>(&pair), &c.word[j / 2], sizeof pair);
    return j % 2 ? __high2float(pair) : __low2float(pair);
  }
  template <class Chunk>
  static __device__ __forceinline__ void set(Chunk &c, int j, float a, float b) {
    const __half2 pair = __floats2half2_rn(a, b);
    memcpy(&c.word[j / 2], &pair, sizeof pair);
  }
};

/* Two FP8 values, a in the lower byte. The conversion saturates at the largest finite value. */
CUDROPI_DEVICE uint32_t cudropi_f8_pair(float a, float b,
                                        __nv_fp8_interpretation_t type) {
  return __nv_cvt_float2_to_fp8x2(make_float2(a, b), __NV_SATFINITE, type);
}

/* Element j. Both elements of a pair ask for the same conversion, which the compiler makes once. */
template <class Chunk>
CUDROPI_DEVICE float cudropi_f8_value(const Chunk &c, int j,
                                      __nv_fp8_interpretation_t type) {
  const auto bits = (__nv_fp8x2_storage_t)(c.word[j / 4] >> (j / 2 % 2 * 16));
  const __half2_raw pair = __nv_cvt_fp8x2_to_halfraw2(bits, type);
  __half_raw half;
  half.x = j % 2 ? pair.y : pair.x;
  return __half2float(__half(half));
}

/* Write a pair of bytes to elements j and j + 1, for even j. */
template <class Chunk>
CUDROPI_DEVICE void cudropi_put_pair(Chunk &c, int j, uint32_t pair) {
  c.word[j / 4] = j % 4 ? (c.word[j / 4] & 0xffffu) | pair << 16 : pair;
}

struct cudropi_f8e4m3 {
  using value = float;
  static constexpr int bytes = 1;
  template <class Chunk>
  static __device__ __forceinline__ float get(const Chunk &c, int j) {
    return cudropi_f8_value(c, j, __NV_E4M3);
  }
  template <class Chunk>
  static __device__ __forceinline__ void set(Chunk &c, int j, float a, float b) {
    cudropi_put_pair(c, j, cudropi_f8_pair(a, b, __NV_E4M3));
  }
};

struct cudropi_f8e5m2 {
  using value = float;
  static constexpr int bytes = 1;
  template <class Chunk>
  static __device__ __forceinline__ float get(const Chunk &c, int j) {
    return cudropi_f8_value(c, j, __NV_E5M2);
  }
  /* The GPU's conversion saturates at the largest finite value, 57344. Magnitudes from 61440
   * on must round to infinity, whose bit pattern is larger by 1. */
  template <class Chunk>
  static __device__ __forceinline__ void set(Chunk &c, int j, float a, float b) {
    const uint32_t further = (fabsf(a) >= 61440.0f) + ((fabsf(b) >= 61440.0f) << 8);
    cudropi_put_pair(c, j, cudropi_f8_pair(a, b, __NV_E5M2) + further);
  }
};

/* Elements that are moved as bits and never converted. */
template <int bytes_>
struct cudropi_bits_of {
  using value = float;
  static constexpr int bytes = bytes_;
};

#endif /* CUDROP_KERNEL_STORAGE_CUH */
