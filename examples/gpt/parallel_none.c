/* parallel_none.c - one rank, which has everything. */
#include "parallel.h"

/* NOLINTBEGIN(readability-non-const-parameter): ranks that there are change what is here */

parallel_t parallel_open(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  return parallel_alone();
}

void parallel_close(void) {}

void parallel_abandon(const parallel_t *parallel, int status) {
  (void)parallel;
  (void)status;
}

void parallel_sum(const parallel_t *parallel, float *x, size_t n) {
  (void)parallel;
  (void)x;
  (void)n;
}

double parallel_add(const parallel_t *parallel, double x) {
  (void)parallel;
  return x;
}

void parallel_join(const parallel_t *parallel, void *x, size_t n) {
  (void)parallel;
  (void)x;
  (void)n;
}

int parallel_largest(const parallel_t *parallel, int x) {
  (void)parallel;
  return x;
}

/* NOLINTEND(readability-non-const-parameter) */
