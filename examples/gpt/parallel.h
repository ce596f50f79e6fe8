/*
 * parallel.h - the ranks that train one network together.
 *
 * Each is a process. parallel_none.c is for a program of one, parallel_mpi.c for one that mpirun
 * has started. Sums are made in the order of the ranks, by every rank alike: all have the same
 * bits, and runs on equally many ranks are equal.
 */
#ifndef PARALLEL_H
#define PARALLEL_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  PARALLEL_DATA,  /* each rank has some rows of the batch, and all parameters */
  PARALLEL_TENSOR /* each rank has all rows, and some columns of the large matrices */
} parallel_split_t;

typedef struct {
  int rank, ranks;
  parallel_split_t split;
} parallel_t;

enum { PARALLEL_MOST_RANKS = 64 }; /* that sums are made for */

static inline parallel_t parallel_alone(void) {
  return (parallel_t){.rank = 0, .ranks = 1, .split = PARALLEL_DATA};
}

/* Join the other ranks, before the command line is read; leave them. */
parallel_t parallel_open(int *argc, char ***argv);
void parallel_close(void);

/*
 * Leave after a failure, without the others having failed: ends them, too. With one rank it
 * returns.
 */
void parallel_abandon(const parallel_t *parallel, int status);

/* x[i] = the sum over all ranks, for n elements; and of one number. */
void parallel_sum(const parallel_t *parallel, float *x, size_t n);
double parallel_add(const parallel_t *parallel, double x);

/* Each of n words of 32 bits = the bits that any rank has set in it. */
void parallel_join(const parallel_t *parallel, void *x, size_t n);

/* The largest, over all ranks. */
int parallel_largest(const parallel_t *parallel, int x);

#endif /* PARALLEL_H */
