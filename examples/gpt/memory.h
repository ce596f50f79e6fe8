/* memory.h - what the steps of all presets need, as a table. */
#ifndef MEMORY_H
#define MEMORY_H

#include "config.h"

/*
 * Print, for each preset with the batch, type and rates of `config`, the memory of a step on one
 * rank by purpose, with fused and with separate attention; for the latter also the step with the
 * masks of all sites as bytes and as bits, which it does not need, and with the dropped attention
 * weights of all layers, which are made again from P.
 * Nothing is allocated. Returns an exit status.
 */
int memory_print(const gpt_config_t *config);

#endif /* MEMORY_H */
