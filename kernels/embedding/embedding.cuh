/* embedding.cuh - y = drop(tokens[id] + positions[place]) */
#ifndef CUDROP_KERNEL_EMBEDDING_CUH
#define CUDROP_KERNEL_EMBEDDING_CUH

#include "embedding/lookup.cuh"

/* Tuning: the least number of blocks that fit on a multiprocessor. */
constexpr int cudropi_embedding_blocks(cudropi_rows_walk_t walk) {
  const int most = cudropi_most_threads / CUDROPI_TILE_THREADS;
  const int drawn = cudropi_has_wide_accesses ? 5 : 6; /* one more spills */
  const int wanted = walk == CUDROPI_ROWS_DRAWN      ? drawn
                     : walk == CUDROPI_ROWS_PREPARED ? drawn - 1
                                                     : 2;
  return wanted < most ? wanted : most;
}

template <class Type, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, cudropi_embedding_blocks(walk))
    cudropi_embedding(const __grid_constant__ cudropi_embedding_args_t args) {
  CUDROPI_ROWS_MASK(walk, args, mask);
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  const int64_t end = cudropi_rows_end(args, place);
  for (; place.row < end; place.row += args.tiling.ways) {
    const int64_t id = cudropi_lookup_id<walk>(args, place.row);
    const int64_t t = cudropi_find_place(&args.options.lookup, place.row);
    const bool is_token = cudropi_is_token(&args.options.lookup, id);
    bool keep[CUDROPI_CHUNK];
    float values[CUDROPI_CHUNK];
    /* -0 + x has the bits of x, even the sign of a zero. */
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = is_token ? -0.0f : 0.0f;
    if (is_token) {
      cudropi_rows_add_from<Type>(args, CUDROPI_EMBEDDING_TOKENS,
                                  id * args.options.lookup.token_stride + place.col,
                                  place.valid, values);
      cudropi_rows_add_from<Type>(args, CUDROPI_EMBEDDING_POSITIONS,
                                  t * args.options.lookup.place_stride + place.col,
                                  place.valid, values);
    } else if (place.col == 0 && args.options.lookup.out_of_range != nullptr) {
      atomicAdd(reinterpret_cast<unsigned long long *>(args.options.lookup.out_of_range),
                1ULL);
    }
    cudropi_rows_keep<walk>(args, mask, place, keep);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      values[j] = keep[j] ? values[j] * mask.schedule.scale : 0.0f;
    cudropi_rows_store<walk, Type>(args, CUDROPI_EMBEDDING_Y, place, values);
  }
}

#endif /* CUDROP_KERNEL_EMBEDDING_CUH */
