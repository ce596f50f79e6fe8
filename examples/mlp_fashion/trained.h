/* trained.h - the network of the last run as a file for examples/engine. */
#ifndef TRAINED_H
#define TRAINED_H

#include "experiment.h"

/*
 * Write the network as it is now to "network" in --out, in the format of network.h: with its
 * Dropouts, and behind its Softmax the mean, variance, entropy and mutual information of samples.
 * Returns an exit status.
 */
int trained_write(experiment_t *experiment);

#endif /* TRAINED_H */
