/* list.cu - the launch of list.cuh, and the sort of the list. */
#include "embedding/list.cuh"
#include "sort/pairs.h"

static cudaError_t launch_list(const cudropi_work_t *work) {
  const cudropi_embedding_args_t args =
      cudropi_rows_args<cudropi_embedding_args_t>(work->plan);
  const dim3 grid((unsigned)((args.options.gather.entries + CUDROPI_LIST_THREADS - 1) /
                             CUDROPI_LIST_THREADS));
  return LAUNCH(work->walk == CUDROPI_WALK_GENERAL
                    ? cudropi_list_entries<CUDROPI_ROWS_GENERAL>
                    : cudropi_list_entries<CUDROPI_ROWS_DRAWN>,
                grid, CUDROPI_LIST_THREADS, 0, work->stream, args);
}

int cudropi_launch_list(const cudropi_work_t *work, int *sorted) {
  const cudropi_gather_t &gather = cudropi_embedding(work->plan)->gather;
  cudropi_pairs_t pairs = {};
  for (int k = 0; k < 2; ++k) {
    pairs.key[k] = gather.key[k];
    pairs.value[k] = gather.row[k];
  }
  pairs.n = (uint32_t)gather.entries;
  pairs.bits = gather.bits;
  pairs.temporary = gather.temporary;
  pairs.temporary_bytes = cudropi_count_temporary_bytes(gather.entries);
  const cudaError_t error = launch_list(work);
  return error == cudaSuccess ? cudropi_sort_pairs(&pairs, work->stream, sorted) : error;
}
