/* list.cuh - the entries of the gradient of tokens, in the order of the rows: key[0][r] = the id of
 * row r, row[0][r] = r. */
#ifndef CUDROP_KERNEL_LIST_CUH
#define CUDROP_KERNEL_LIST_CUH

#include "embedding/lookup.cuh"

enum { CUDROPI_LIST_THREADS = 256 };

template <cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_LIST_THREADS)
    cudropi_list_entries(const __grid_constant__ cudropi_embedding_args_t args) {
  const int64_t row = (int64_t)blockIdx.x * CUDROPI_LIST_THREADS + threadIdx.x;
  if (row >= args.options.gather.entries) return;
  const int64_t id = cudropi_lookup_id<walk>(args, row);
  args.options.gather.key[0][row] = cudropi_is_token(&args.options.lookup, id)
                                        ? (uint32_t)id
                                        : (uint32_t)args.options.gather.keys;
  args.options.gather.row[0][row] = (uint32_t)row;
}

#endif /* CUDROP_KERNEL_LIST_CUH */
