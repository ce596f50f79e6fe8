/* statistics.c - test statistics of bit strings. */
#include "statistics.h"

#include <math.h>
#include <string.h>

static uint64_t count_ones(uint64_t word) {
  return (uint64_t)__builtin_popcountll(word);
}

/* 64 bits from bit `at` on; bits at and above n are 0. */
static uint64_t read_word(const uint64_t *bits, uint64_t n, uint64_t at) {
  if (at >= n) return 0;
  const uint64_t shift = at & 63;
  uint64_t word = bits[at >> 6] >> shift;
  if (shift != 0 && (at >> 6) + 1 <= (n - 1) >> 6)
    word |= bits[(at >> 6) + 1] << (64 - shift);
  return n - at >= 64 ? word : word & (((uint64_t)1 << (n - at)) - 1);
}

uint64_t statistics_count(const uint64_t *bits, uint64_t n) {
  uint64_t ones = 0;
  for (uint64_t at = 0; at < n; at += 64) ones += count_ones(read_word(bits, n, at));
  return ones;
}

void statistics_count_positions(const uint64_t *bits, uint64_t n, unsigned period,
                                uint64_t *ones) {
  unsigned position = 0;
  memset(ones, 0, period * sizeof *ones);
  for (uint64_t e = 0; e < n; ++e) {
    ones[position] += bits[e >> 6] >> (e & 63) & 1;
    if (++position == period) position = 0;
  }
}

/* Where the run of equal bits that bit `at` belongs to ends; n if it does not before. */
static uint64_t find_end(const uint64_t *bits, uint64_t n, uint64_t at) {
  const uint64_t same = (bits[at >> 6] >> (at & 63) & 1) != 0 ? UINT64_MAX : 0;
  for (; at < n; at += 64) {
    const uint64_t other = read_word(bits, n, at) ^ same;
    if (other != 0) {
      const uint64_t end = at + (uint64_t)__builtin_ctzll(other);
      return end < n ? end : n;
    }
  }
  return n;
}

uint64_t statistics_count_runs(const uint64_t *bits, uint64_t n, bool of_ones,
                               uint64_t *lengths, int cells) {
  uint64_t runs = 0;
  memset(lengths, 0, (size_t)cells * sizeof *lengths);
  uint64_t begin = find_end(bits, n, 0), end;
  for (; begin < n && (end = find_end(bits, n, begin)) < n; begin = end) {
    if ((bits[begin >> 6] >> (begin & 63) & 1) != of_ones) continue;
    const uint64_t length = end - begin;
    ++lengths[(length < (uint64_t)cells ? length : (uint64_t)cells) - 1];
    ++runs;
  }
  return runs;
}

double statistics_rate_z(uint64_t ones, uint64_t n, double q) {
  return ((double)ones - (double)n * q) / sqrt((double)n * q * (1.0 - q));
}

double statistics_correlation_z(const uint64_t *a, const uint64_t *b, uint64_t n,
                                uint64_t lag, double q) {
  const uint64_t pairs = n - lag;
  uint64_t both = 0, in_a = 0, in_b = 0;
  for (uint64_t at = 0; at < pairs; at += 64) {
    const uint64_t x = read_word(a, pairs, at);
    const uint64_t y = read_word(b, n, at + lag);
    both += count_ones(x & y);
    in_a += count_ones(x);
    in_b += count_ones(y);
  }
  const double sum =
      (double)both - q * ((double)in_a + (double)in_b) + q * q * (double)pairs;
  return sum / (q * (1.0 - q) * sqrt((double)pairs));
}

double statistics_chi_square(const uint64_t *observed, const double *expected,
                             int cells) {
  double sum = 0.0;
  for (int k = 0; k < cells; ++k) {
    const double miss = (double)observed[k] - expected[k];
    sum += miss * miss / expected[k];
  }
  return sum;
}

/*
 * The upper incomplete gamma function Q(a, x), a = freedom / 2, x = value / 2: by the series
 * of its complement below the mode and Lentz's continued fraction above it.
 * Source: Abramowitz and Stegun, 6.5.29 and 6.5.31.
 */
double statistics_chi_square_tail(double value, int freedom) {
  const double a = 0.5 * freedom, x = 0.5 * value;
  if (x <= 0.0) return 1.0;
  const double front = exp(a * log(x) - x - lgamma(a));
  if (x < a + 1.0) {
    double term = 1.0 / a, sum = term;
    for (double k = a + 1.0; term > sum * 1e-16; k += 1.0) {
      term *= x / k;
      sum += term;
    }
    return 1.0 - front * sum;
  }
  double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, fraction = d;
  for (int k = 1; k < 10000; ++k) {
    const double numerator = -k * (k - a);
    b += 2.0;
    d = 1.0 / (b + numerator * d);
    c = b + numerator / c;
    fraction *= c * d;
    if (fabs(c * d - 1.0) < 1e-15) break;
  }
  return front * fraction;
}

double statistics_pooled_tail(const uint64_t *observed, const double *expected,
                              int cells) {
  static const double enough = 10.0;
  double sum = 0.0;
  double rare = 0.0,
         last = 0.0; /* what is expected of all rare cells, of the last other */
  uint64_t in_rare = 0, in_last = 0;
  int count = 0;
  for (int k = 0; k < cells; ++k) {
    if (expected[k] < enough) {
      rare += expected[k];
      in_rare += observed[k];
      continue;
    }
    if (count++ > 0) sum += statistics_chi_square(&in_last, &last, 1);
    last = expected[k];
    in_last = observed[k];
  }
  if (rare < enough) {
    last += rare;
    in_last += in_rare;
  } else {
    sum += statistics_chi_square(&in_rare, &rare, 1);
    ++count;
  }
  sum += statistics_chi_square(&in_last, &last, 1);
  return statistics_chi_square_tail(sum, count - 1);
}
