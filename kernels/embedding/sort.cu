/* sort.cu - the launches of sort.cuh. */
#include "embedding/sort.cuh"

static cudaError_t launch_list(const cudropi_work_t *work) {
  const cudropi_embedding_args_t args =
      cudropi_rows_args<cudropi_embedding_args_t>(work->plan);
  const dim3 grid((unsigned)((args.options.gather.entries + CUDROPI_SORT_THREADS - 1) /
                             CUDROPI_SORT_THREADS));
  return LAUNCH(work->walk == CUDROPI_WALK_GENERAL
                    ? cudropi_sort_list<CUDROPI_ROWS_GENERAL>
                    : cudropi_sort_list<CUDROPI_ROWS_DRAWN>,
                grid, CUDROPI_SORT_THREADS, 0, work->stream, args);
}

/* Launch a pass: sort by one digit, and keep the order of equal digits. */
static cudaError_t launch_pass(const cudropi_work_t *work, int pass) {
  const cudropi_gather_t &gather = cudropi_embedding(work->plan)->gather;
  cudropi_sort_t args = {};
  args.from_key = gather.key[pass % 2];
  args.from_row = gather.row[pass % 2];
  args.to_key = gather.key[1 - pass % 2];
  args.to_row = gather.row[1 - pass % 2];
  args.counts = gather.counts;
  args.entries = (uint32_t)gather.entries;
  args.tiles = (args.entries + CUDROPI_SORT_TILE - 1) / CUDROPI_SORT_TILE;
  args.shift = pass * CUDROPI_SORT_BITS;
  cudaError_t error =
      LAUNCH(cudropi_sort_count, args.tiles, CUDROPI_SORT_THREADS, 0, work->stream, args);
  if (error == cudaSuccess)
    error = LAUNCH(cudropi_sort_add, CUDROPI_SORT_DIGITS / CUDROPI_SORT_WARPS,
                   CUDROPI_SORT_THREADS, 0, work->stream, args);
  if (error == cudaSuccess)
    error = LAUNCH(cudropi_sort_move, args.tiles, CUDROPI_SORT_THREADS, 0, work->stream,
                   args);
  return error;
}

int cudropi_launch_sort(const cudropi_work_t *work) {
  cudaError_t error = launch_list(work);
  for (int pass = 0;
       pass < cudropi_embedding(work->plan)->gather.passes && error == cudaSuccess;
       ++pass)
    error = launch_pass(work, pass);
  return error;
}
