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

/*
 * Before anything is opened: a training that resumes takes from the file every option that is not
 * given, and a given one has to be the file's, but for --steps; one that begins finds no file, unless
 * it is to begin anew. Returns an exit status.
 */
int checkpoint_read_options(options_t *options);

/* Write the state, all ranks together. Returns an exit status, the same on all. */
int checkpoint_write(training_t *training);

/* Continue from the file, into a network that is open. Returns an exit status. */
int checkpoint_read(training_t *training);

#endif /* CHECKPOINT_H */
