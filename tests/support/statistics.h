/*
 * statistics.h - test statistics of long bit strings; each is standard normal, or has a
 * tail probability, if the bits are independent and 1 with probability q.
 *
 * Strings are packed: bit e is bit e & 63 of word e >> 6.
 */
#ifndef CUDROP_STATISTICS_H
#define CUDROP_STATISTICS_H

#include <stdbool.h>
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

/* Write to ones[0..period) how many of the first n bits are 1 at each position. */
void statistics_count_positions(const uint64_t *bits, uint64_t n, unsigned period,
                                uint64_t *ones);

/*
 * Count the runs of ones, or of zeros, that begin and end inside the first n bits: write to
 * lengths[k - 1] how many are k bits long, the last of `cells` taking longer ones too. Returns
 * their number.
 */
uint64_t statistics_count_runs(const uint64_t *bits, uint64_t n, bool of_ones,
                               uint64_t *lengths, int cells);

/* The probability of a chi-square value at least so large, with `freedom` degrees. */
double statistics_chi_square_tail(double value, int freedom);

/* The chi-square of observed counts against expected ones, none of which is small. */
double statistics_chi_square(const uint64_t *observed, const double *expected, int cells);

/*
 * The tail of that value for counts whose sum is given. Cells of which less than 10 is expected
 * are taken together, and with the one before them if even that is less.
 */
double statistics_pooled_tail(const uint64_t *observed, const double *expected,
                              int cells);

#endif /* CUDROP_STATISTICS_H */
