/*
 * battery.h - what the statistics of the mask share: sizes, strings of keep bits, verdicts.
 *
 * Each file beside this one has the tests of one kind, and adds them to a quick case and to
 * the whole one. The same tests run in both; in the whole one strings are longer, and there are
 * more of them. Everything is seeded: what passes once passes always. Every verdict prints a
 * line, with a z that is standard normal or a tail probability P, which docs/statistics.md
 * records.
 */
#ifndef CUDROP_BATTERY_H
#define CUDROP_BATTERY_H

#include <stdbool.h>
#include <stdint.h>

#include "suite.h"

typedef struct {
  cudrop_context_t *context;
  uint64_t n;               /* bits of a string */
  uint64_t draws;           /* elements of a count, which needs no string */
  uint64_t *first, *second; /* two strings of n bits, as in statistics.h */
} battery_t;

extern battery_t battery;

/* Fixtures: n = 2^24 and 2^26 draws; n = 2^26, 2^30 draws and all processors. */
void battery_open_quick(void);
void battery_open_whole(void);
void battery_close(void);

/* The rates of most tests. The first draws on one bit of a digit, the second on all 80. */
enum { BATTERY_RATES = 7 };
extern const double battery_rates[BATTERY_RATES];

/* The keep bits of elements [0, n), and how many of elements [0, draws) are kept. */
void battery_draw(uint64_t seed, uint64_t offset, double p, uint64_t *bits);
uint64_t battery_count(uint64_t seed, uint64_t offset, double p);

/* The mask of p = 0.5 from a Philox of 4 rounds: what tests of correlation must notice. */
void battery_draw_weakly(uint64_t seed, uint64_t offset, uint64_t *bits);

/*
 * A verdict over a z or over the upper tail of a chi-square: print it before the formatted
 * name, and fail if |z| is not below `limit`, or P not inside (1e-6, 1 - 1e-6).
 *
 * n is in z and P already, so that the limits are the same for every n. An ideal mask passes
 * |z| = 5 with probability 6e-7 and 6 with 2e-9; limits of 6 are for the worst of up to 115
 * values, of which at p = 0.001 each has 2e-7, because only 17 pairs of drops are expected of
 * 2^24 and their number is skewed. Over the whole battery an ideal mask would fail with a
 * probability of about 1e-4; that of these seeds is known to pass.
 */
void battery_expect_z(double z, double limit, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
void battery_expect_tail(double tail, const char *name, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Verdicts over controls: |z| above 8, or P below what z = 8 leaves, 1e-15: so far beyond the
 * limits that it is the control that was noticed, and not chance.
 */
void battery_expect_noticed_z(double z, const char *name, ...)
    __attribute__((format(printf, 2, 3)));
void battery_expect_noticed_tail(double tail, const char *name, ...)
    __attribute__((format(printf, 2, 3)));

/* The tests of each kind. */
void battery_add_rates(TCase *tests);
void battery_add_patterns(TCase *tests, bool whole);
void battery_add_correlations(TCase *tests, bool whole);
void battery_add_refinements(TCase *tests);

#endif /* CUDROP_BATTERY_H */
