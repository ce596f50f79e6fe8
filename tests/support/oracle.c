/* oracle.c - the slow way. */
#include "oracle.h"

#include <math.h>
#include <string.h>

/* The 32 high bits of a * b, from products of 16-bit halves. */
static uint32_t multiply_high(uint32_t a, uint32_t b) {
  const uint32_t a_low = a & 0xffff, a_high = a >> 16;
  const uint32_t b_low = b & 0xffff, b_high = b >> 16;
  const uint32_t middle = a_high * b_low + (a_low * b_low >> 16);
  const uint32_t other = a_low * b_high + (middle & 0xffff);
  return a_high * b_high + (middle >> 16) + (other >> 16);
}

void oracle_philox(const uint32_t counter[4], const uint32_t key[2], int rounds,
                   uint32_t block[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (uint32_t round = 0; round < (uint32_t)rounds; ++round) {
    const uint32_t k0 = key[0] + round * 2654435769u; /* golden ratio */
    const uint32_t k1 = key[1] + round * 3144134277u; /* sqrt(3) - 1 */
    const uint32_t n0 = multiply_high(3449720151u, c2) ^ c1 ^ k0;
    const uint32_t n2 = multiply_high(3528531795u, c0) ^ c3 ^ k1;
    c1 = 3449720151u * c2;
    c3 = 3528531795u * c0;
    c0 = n0;
    c2 = n2;
  }
  block[0] = c0;
  block[1] = c1;
  block[2] = c2;
  block[3] = c3;
}

static void draw(uint64_t seed, uint64_t offset, uint64_t index, uint32_t domain,
                 uint32_t block[4]) {
  const uint64_t group = index / 8 + ((uint64_t)domain << 56);
  const uint32_t counter[4] = {(uint32_t)(offset % 4294967296), (uint32_t)(offset >> 32),
                               (uint32_t)(group % 4294967296), (uint32_t)(group >> 32)};
  const uint32_t key[2] = {(uint32_t)(seed % 4294967296), (uint32_t)(seed >> 32)};
  oracle_philox(counter, key, 10, block);
}

uint32_t oracle_digit(uint64_t seed, uint64_t offset, uint64_t index) {
  uint32_t block[4];
  uint16_t digits[8];
  draw(seed, offset, index, 0, block);
  for (int word = 0; word < 4; ++word) {
    digits[2 * word] = (uint16_t)(block[word] % 65536);
    digits[2 * word + 1] = (uint16_t)(block[word] / 65536);
  }
  return digits[index % 8];
}

uint64_t oracle_refinement(uint64_t seed, uint64_t offset, uint64_t index) {
  uint32_t block[4];
  draw(seed, offset, index, 1 + (uint32_t)(index % 8), block);
  return block[1] * 4294967296u + block[0];
}

bool oracle_keep(uint64_t seed, uint64_t offset, uint64_t index, double p) {
  __extension__ typedef unsigned __int128 uint128_t;
  const uint128_t drawn = (uint128_t)oracle_digit(seed, offset, index) << 64 |
                          oracle_refinement(seed, offset, index);
  int exponent = 0;
  const uint64_t mantissa = (uint64_t)ldexp(frexp(p, &exponent), 53);
  const int shift = exponent - 53 + 80; /* p * 2^80 = mantissa * 2^shift */
  const uint128_t threshold = shift >= 0    ? (uint128_t)mantissa << shift
                              : shift > -64 ? (uint128_t)mantissa >> -shift
                                            : 0;
  return !(drawn < threshold);
}

/* A binary format: digits of the significand, and the exponents of its normal values. */
typedef struct {
  int digits, least, greatest; /* 2^least <= normal value < 2^(greatest + 1) */
  int bits;
  double saturated; /* what every larger value becomes; 0: it becomes infinite */
} format_t;

static format_t find_format(cudrop_dtype_t dtype) {
  switch (dtype) {
    case CUDROP_F16:
      return (format_t){11, -14, 15, 16, 0.0};
    case CUDROP_BF16:
      return (format_t){8, -126, 127, 16, 0.0};
    case CUDROP_F8E5M2:
      return (format_t){3, -14, 15, 8, 0.0};
    case CUDROP_F8E4M3:
      return (format_t){4, -6, 8, 8, 448.0};
    default:
      return (format_t){24, -126, 127, 32, 0.0}; /* F32; F64 is never rounded here */
  }
}

/* The value of the format that is nearest, ties to even; past the greatest, infinite. */
static double round_to(format_t format, double value) {
  int exponent = 0;
  if (format.saturated != 0.0 && fabs(value) > format.saturated)
    return copysign(format.saturated, value);
  if (value == 0.0 || !isfinite(value)) return value;
  frexp(value, &exponent); /* 2^(exponent - 1) <= |value| < 2^exponent */
  const int lead = exponent - 1 > format.least ? exponent - 1 : format.least;
  const double quantum = ldexp(1.0, lead - (format.digits - 1));
  const double rounded = nearbyint(value / quantum) * quantum;
  return fabs(rounded) >= ldexp(1.0, format.greatest + 1) ? copysign(INFINITY, value)
                                                          : rounded;
}

static double round_to_f32(double value) {
  return round_to(find_format(CUDROP_F32), value);
}

double oracle_read(cudrop_dtype_t dtype, const void *element) {
  float f32;
  double f64;
  const format_t format = find_format(dtype);
  int bits = 0;
  if (dtype == CUDROP_F32) {
    memcpy(&f32, element, sizeof f32);
    return f32;
  }
  if (dtype == CUDROP_F64) {
    memcpy(&f64, element, sizeof f64);
    return f64;
  }
  for (int byte = format.bits / 8 - 1; byte >= 0; --byte)
    bits = bits * 256 + ((const uint8_t *)element)[byte];
  const int sign = 1 << (format.bits - 1);
  const int fraction_bits = format.digits - 1;
  const int fraction = bits % (1 << fraction_bits);
  const int biased = bits % sign >> fraction_bits;
  const int special = (sign - 1) >> fraction_bits;
  double value = 0.0;
  if (dtype == CUDROP_F8E4M3 && bits % sign == sign - 1) {
    value = NAN;
  } else if (dtype != CUDROP_F8E4M3 && biased == special) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (biased == 0) {
    value = ldexp(fraction, format.least - fraction_bits);
  } else {
    value =
        ldexp(fraction + (1 << fraction_bits), format.least + biased - 1 - fraction_bits);
  }
  return bits & sign ? -value : value;
}

void oracle_write(cudrop_dtype_t dtype, double value, void *element) {
  const format_t format = find_format(dtype);
  if (dtype == CUDROP_F64) {
    memcpy(element, &value, sizeof value);
    return;
  }
  const double rounded = round_to(format, value);
  if (dtype == CUDROP_F32) {
    const float f32 = (float)rounded; /* exact */
    memcpy(element, &f32, sizeof f32);
    return;
  }
  const int sign = 1 << (format.bits - 1);
  const int fraction_bits = format.digits - 1;
  const int special = (sign - 1) >> fraction_bits;
  const double size = fabs(rounded);
  int bits = 0;
  if (isnan(rounded)) {
    bits = sign - 1;
  } else if (isinf(rounded)) {
    bits = special << fraction_bits;
  } else if (size < ldexp(1.0, format.least)) {
    bits = (int)ldexp(size, fraction_bits - format.least);
  } else {
    int exponent = 0;
    const double fraction = 2.0 * frexp(size, &exponent) - 1.0;
    bits = ((exponent - 1 - format.least + 1) << fraction_bits) +
           (int)ldexp(fraction, fraction_bits);
  }
  if (signbit(rounded)) bits += sign;
  for (int byte = 0; byte < format.bits / 8; ++byte, bits /= 256)
    ((uint8_t *)element)[byte] = (uint8_t)(bits % 256);
}

static double find_scale(cudrop_dtype_t dtype, double p) {
  const double scale = p == 1.0 ? 0.0 : 1.0 / (1.0 - p);
  return dtype == CUDROP_F64 ? scale : round_to_f32(scale);
}

/* A product and a sum as the operators round them: both to float, or both to double. */
static double multiply(cudrop_dtype_t dtype, double a, double b) {
  return dtype == CUDROP_F64 ? a * b : round_to_f32(a * b);
}

static double add(cudrop_dtype_t dtype, double a, double b) {
  return dtype == CUDROP_F64 ? a + b : round_to_f32(a + b);
}

static void copy(cudrop_dtype_t dtype, const void *x, void *y) {
  memcpy(y, x, dtype == CUDROP_F64 ? 8 : (size_t)find_format(dtype).bits / 8);
}

void oracle_drop(cudrop_dtype_t dtype, const void *x, bool kept, double p, void *y) {
  if (kept && p == 0.0) {
    copy(dtype, x, y);
  } else if (kept && p < 1.0) {
    oracle_write(dtype, multiply(dtype, oracle_read(dtype, x), find_scale(dtype, p)), y);
  } else {
    oracle_write(dtype, 0.0, y);
  }
}

void oracle_accumulate(cudrop_dtype_t dtype, const void *x, bool kept, double p,
                       void *y) {
  if (!kept || p == 1.0) return;
  const double product = multiply(dtype, oracle_read(dtype, x), find_scale(dtype, p));
  oracle_write(dtype, add(dtype, oracle_read(dtype, y), product), y);
}

static const double alpha_prime = -1.7580993408473766;

static double find_alpha_scale(double p) {
  return 1.0 / sqrt((1.0 - p) * (1.0 + p * (alpha_prime * alpha_prime)));
}

void oracle_alpha(cudrop_dtype_t dtype, const void *x, bool kept, double p, void *y) {
  if (p == 0.0) {
    copy(dtype, x, y);
    return;
  }
  if (p == 1.0) {
    oracle_write(dtype, 0.0, y);
    return;
  }
  double a = find_alpha_scale(p);
  double b = -a * alpha_prime * p;
  double value = kept ? oracle_read(dtype, x) : alpha_prime;
  if (dtype != CUDROP_F64) {
    a = round_to_f32(a);
    b = round_to_f32(b);
    if (!kept) value = round_to_f32(value);
  }
  oracle_write(dtype, add(dtype, multiply(dtype, a, value), b), y);
}

void oracle_alpha_gradient(cudrop_dtype_t dtype, const void *x, bool kept, double p,
                           void *y) {
  if (p == 0.0) {
    copy(dtype, x, y);
  } else if (kept && p < 1.0) {
    const double a = find_alpha_scale(p);
    const double rounded = dtype == CUDROP_F64 ? a : round_to_f32(a);
    oracle_write(dtype, multiply(dtype, rounded, oracle_read(dtype, x)), y);
  } else {
    oracle_write(dtype, 0.0, y);
  }
}

void oracle_scale(cudrop_dtype_t dtype, bool kept, double p, void *y) {
  oracle_write(dtype, kept && p < 1.0 ? find_scale(dtype, p) : 0.0, y);
}
