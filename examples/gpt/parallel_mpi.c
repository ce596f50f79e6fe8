/* parallel_mpi.c - ranks by MPI, whose errors end the program, with words of its own. */
#include <mpi.h>

#include "parallel.h"

enum { CHUNK = 1 << 14 };

parallel_t parallel_open(int *argc, char ***argv) {
  parallel_t parallel = parallel_alone();
  MPI_Init(argc, argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &parallel.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &parallel.ranks);
  return parallel;
}

void parallel_close(void) {
  MPI_Finalize();
}

void parallel_abandon(const parallel_t *parallel, int status) {
  if (parallel->ranks > 1) MPI_Abort(MPI_COMM_WORLD, status);
}

/* MPI_Allreduce() may sum in any order; gathered, the parts are summed in that of the ranks. */
static void sum_chunk(int ranks, float *x, int n) {
  static float parts[PARALLEL_MOST_RANKS * CHUNK];
  MPI_Allgather(x, n, MPI_FLOAT, parts, n, MPI_FLOAT, MPI_COMM_WORLD);
  for (int i = 0; i < n; ++i) {
    float sum = parts[i];
    for (int rank = 1; rank < ranks; ++rank) sum += parts[rank * n + i];
    x[i] = sum;
  }
}

void parallel_sum(const parallel_t *parallel, float *x, size_t n) {
  if (parallel->ranks == 1) return;
  for (size_t first = 0; first < n; first += CHUNK)
    sum_chunk(parallel->ranks, x + first, (int)(n - first < CHUNK ? n - first : CHUNK));
}

double parallel_add(const parallel_t *parallel, double x) {
  double parts[PARALLEL_MOST_RANKS];
  double sum = 0.0;
  MPI_Allgather(&x, 1, MPI_DOUBLE, parts, 1, MPI_DOUBLE, MPI_COMM_WORLD);
  for (int rank = 0; rank < parallel->ranks; ++rank) sum += parts[rank];
  return sum;
}

void parallel_join(const parallel_t *parallel, void *x, size_t n) {
  if (parallel->ranks == 1) return;
  for (size_t first = 0; first < n; first += CHUNK)
    MPI_Allreduce(MPI_IN_PLACE, (uint32_t *)x + first,
                  (int)(n - first < CHUNK ? n - first : CHUNK), MPI_UINT32_T, MPI_BOR,
                  MPI_COMM_WORLD);
}

int parallel_largest(const parallel_t *parallel, int x) {
  int largest = x;
  (void)parallel;
  MPI_Allreduce(&x, &largest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return largest;
}
