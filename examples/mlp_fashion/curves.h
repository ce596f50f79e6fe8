/* curves.h - the files for the pictures: loss.csv and reliability.csv. */
#ifndef CURVES_H
#define CURVES_H

#include <stdint.h>
#include <stdio.h>

#include "options.h"
#include "result.h"

/* Open loss.csv in --out, which is made if it is absent; NULL after a complaint. */
FILE *curves_open(const options_t *options);

/* Add a point of a run's curve: the run counts from 1, p holds the rates of the sites. */
void curves_add(FILE *curves, int run, int network, uint64_t seed, const double *p,
                const point_t *point);

/* Close the file; returns an exit status. */
int curves_close(FILE *curves, const options_t *options);

/*
 * Write reliability.csv: for the network without dropout, the one with it, and the latter with
 * samples, how many test images of all its runs each bin of confidence has, their mean
 * confidence and the share that is correct. result[network * seeds + k] is run k of a network.
 * Returns an exit status.
 */
int curves_write_reliability(const options_t *options, const result_t *result);

#endif /* CURVES_H */
