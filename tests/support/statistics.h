/*
 * statistics.h - test statistics of long bit strings; each is standard normal, or has a
 * tail probability, if the bits are independent and 1 with probability q.
 *
 * Strings are packed: bit e is bit e & 63 of word e >> 6.
 */
#ifndef CUDROP_STATISTICS_H
#define CUDROP_STATISTICS_H

#include <stdint.h>

/* How many of the first n bits are 1. */
uint64_t statistics_count(const uint64_t *bits, uint64_t n);

/* (ones - n q) / sqrt(n q (1 - q)) */
double statistics_rate_z(uint64_t ones, uint64_t n, double q);

/*
 * The correlation of bit e of `a` with bit e + lag of `b`, over all e with e + lag < n:
 * the sum of (a - q)(b - q), in units of its standard deviation q (1 - q) sqrt(n - lag).
 * With a == b and lag > 0 it is the autocorrelation.
 */
double statistics_correlation_z(const uint64_t *a, const uint64_t *b, uint64_t n,
                                uint64_t lag, double q);

/* The probability of a chi-square value at least so large, with `freedom` degrees. */
double statistics_chi_square_tail(double value, int freedom);

/* The chi-square of observed counts against expected ones, none of which is small. */
double statistics_chi_square(const uint64_t *observed, const double *expected, int cells);

#endif /* CUDROP_STATISTICS_H */
