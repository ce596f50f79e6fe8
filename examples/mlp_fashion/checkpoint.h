/*
 * checkpoint.h - the state of the runs in a file, "checkpoint" in the folder of the curves.
 *
 * What is still to come follows from the options, the position and what is in the file: the
 * bits are those of runs that were never interrupted, on the same machine. A file on disk is
 * complete: another one is written beside it and then takes its place.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "experiment.h"

/*
 * Before anything is opened: runs that resume take from the file every option that is not given, and
 * a given one has to be the file's; runs that begin find no file, unless they are to begin anew.
 * Returns an exit status, EXIT_FAILED or EXIT_BAD_ARGUMENTS after a line on stderr.
 */
int checkpoint_read_options(options_t *options);

/* Write the state of the runs. Returns an exit status. */
int checkpoint_write(experiment_t *experiment);

/*
 * Continue from the file: read position, results, network and sums of samples, all of which
 * the caller has allocated. Returns an exit status, EXIT_FAILED after a line on stderr for a
 * file that is absent, cut short, damaged, of another version, or of runs with other options
 * that matter or other data; the state is then unspecified, the file as it was.
 */
int checkpoint_read(experiment_t *experiment);

#endif /* CHECKPOINT_H */
