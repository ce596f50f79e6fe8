/* lookup.cuh - reading ids, and reading and writing rows of tables. */
#ifndef CUDROP_KERNEL_LOOKUP_CUH
#define CUDROP_KERNEL_LOOKUP_CUH

#include "ops/embedding/embedding.h"
#include "rows.cuh"

using cudropi_embedding_args_t = cudropi_rows_args_of<cudropi_embedding_t>;

/* The id of a row. */
template <cudropi_rows_walk_t walk>
CUDROPI_DEVICE int64_t cudropi_lookup_id(const cudropi_embedding_args_t &args,
                                         int64_t row) {
  const cudropi_rows_side_t &ids = args.side[CUDROPI_EMBEDDING_IDS];
  const int64_t at = walk != CUDROPI_ROWS_GENERAL
                         ? row * ids.stride[0]
                         : cudropi_row_place(args.rank, args.shape, ids.stride, row);
  return cudropi_read_id(&args.options.lookup, ids.data, at);
}

/* Store a finished sum in a table, or add it to the table if args.adds_to_parameters. */
template <class Type>
CUDROPI_DEVICE void cudropi_lookup_store(const cudropi_embedding_args_t &args, int table,
                                         int64_t at, uint32_t valid,
                                         float (&values)[CUDROPI_CHUNK]) {
  const cudropi_rows_side_t &side = args.side[table];
  if (args.adds_to_parameters)
    cudropi_rows_add_from<Type>(args, table, at, valid, values);
  if (side.is_f32) {
    cudropi_store<4>(side.data, at, 1, valid, cudropi_rows_pack<cudropi_f32>(values));
  } else {
    cudropi_store<Type::bytes>(side.data, at, 1, valid, cudropi_rows_pack<Type>(values));
  }
}

#endif /* CUDROP_KERNEL_LOOKUP_CUH */
