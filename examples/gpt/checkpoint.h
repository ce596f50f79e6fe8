/*
 * checkpoint.h - the state of a training in a file, "checkpoint" in --out.
 *
 * Of everything random it holds two integers, the seed and the number of steps, whatever the number
 * of ranks: tensors are whole in it, written by the first rank and read by all, each of which takes
 * its part. On the same backend and as many ranks a training goes on to the bits of one that was
 * not interrupted. See checkpoint_file.h for the file, and for what makes one unfit.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "training.h"

/* Write the state, all ranks together. Returns an exit status, the same on all. */
int checkpoint_write(training_t *training);

/* Continue from the file, into a network that is open. Returns an exit status. */
int checkpoint_read(training_t *training);

#endif /* CHECKPOINT_H */
