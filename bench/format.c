/* format.c - elements as sign, exponent and fraction. */
#include "format.h"

#include <math.h>
#include <string.h>

const bench_format_t bench_formats[BENCH_DTYPES] = {
    [CUDROP_F32] = {23, 127, 32, 0x7f800000}, /* infinite, as in all but E4M3 */
    [CUDROP_F16] = {10, 15, 16, 0x7c00},
    [CUDROP_BF16] = {7, 127, 16, 0x7f80},
    [CUDROP_F64] = {52, 1023, 64, 0x7ff0000000000000},
    [CUDROP_F8E4M3] = {3, 7, 8, 0x7e}, /* 448 */
    [CUDROP_F8E5M2] = {2, 15, 8, 0x7c},
};

double bench_decode(cudrop_dtype_t dtype, uint64_t element) {
  const bench_format_t *format = &bench_formats[dtype];
  const uint64_t sign = element >> (format->bits - 1) & 1;
  const uint64_t size = element & ~(sign << (format->bits - 1));
  const int biased = (int)(size >> format->fraction);
  uint64_t significand = size & (((uint64_t)1 << format->fraction) - 1);
  if (biased > 0) significand |= (uint64_t)1 << format->fraction;
  const double value = ldexp((double)significand,
                             (biased > 0 ? biased : 1) - format->bias - format->fraction);
  return sign != 0 ? -value : value;
}

/*
 * With the exponent of the least normal value for all that is smaller, value / quantum is
 * the significand, to be rounded; each exponent more adds one unit of the exponent's field,
 * and a significand that rounds up to the next power of 2 carries into it.
 */
uint64_t bench_encode(cudrop_dtype_t dtype, double value) {
  const bench_format_t *format = &bench_formats[dtype];
  const uint64_t sign = (uint64_t)(signbit(value) != 0) << (format->bits - 1);
  const double size = fabs(value);
  const int least = 1 - format->bias;
  if (isinf(size)) return sign | format->most;
  if (size == 0.0) return sign;
  const int exponent = ilogb(size) > least ? ilogb(size) : least;
  const double significand = nearbyint(ldexp(size, format->fraction - exponent));
  const uint64_t bits =
      (uint64_t)significand + ((uint64_t)(exponent - least) << format->fraction);
  return sign | (bits < format->most ? bits : format->most);
}
