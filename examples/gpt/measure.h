/* measure.h - how long a step takes in each way to attend and to drop, what of, and its memory. */
#ifndef MEASURE_H
#define MEASURE_H

#include "options.h"

/*
 * Print a table of fused attention, where a head's width allows that, and of separate attention in
 * the ways of gpt_way_t: the time of the fastest step, its shares, and memory, dealt out and, on
 * the host, as the system has seen it at most. Each row runs in a process of its own, one warm-up
 * step and then options->steps, on tokens that are drawn. Returns an exit status.
 */
int measure_print(const options_t *options);

#endif /* MEASURE_H */
