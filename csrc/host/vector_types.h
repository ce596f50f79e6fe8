/*
 * vector_types.h - vectors of VECTOR bytes, in the extensions that gcc and clang share.
 *
 * vector_sse2.h, vector_avx2.h and vector_avx512.h include this file. They add what the extensions
 * cannot express, as short functions with the same names:
 *
 *   multiply_low(a, b)       the 64-bit products of the lower halves of 64-bit lanes
 *   join_low(a, b)           b's lower halves above a's
 *   unpack_low, unpack_high  64-bit lanes of a and b in turns, within every 16 bytes
 *   lane_groups()            the group of each lane, such that unpacking sorts them
 *   keep_t                   whether each of VECTOR / 2 elements is kept
 *   at_least, any_equal      comparisons of 16-bit digits
 *   from_bits, to_bits       keep_t and packed bits, the first element lowest
 *   from_bytes, to_bytes     keep_t and bytes in memory
 *   choose16, choose32, choose64   keep ? a : b of the tile, or of part k of it
 *   keep16, keep32, keep64         keep ? a : 0
 *   narrow(even, odd)        the upper halves of 32-bit lanes as 16-bit elements, in turns
 *   floats_of_halves, halves_of_floats   F16 and float, if HAS_F16C
 *   stream                   a store that bypasses the caches
 */
#ifndef CUDROP_VECTOR_TYPES_H
#define CUDROP_VECTOR_TYPES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t u64v __attribute__((vector_size(VECTOR)));
typedef uint32_t u32v __attribute__((vector_size(VECTOR)));
typedef uint16_t u16v __attribute__((vector_size(VECTOR)));
typedef float f32v __attribute__((vector_size(VECTOR)));
typedef double f64v __attribute__((vector_size(VECTOR)));

enum { TILE = VECTOR / 2 }; /* elements; their 16-bit digits fill a vector */

static inline u64v load(const void *from) {
  u64v value;
  memcpy(&value, from, sizeof value);
  return value;
}

#endif /* CUDROP_VECTOR_TYPES_H */
