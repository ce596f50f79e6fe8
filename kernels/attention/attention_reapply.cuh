/* attention_reapply.cuh - y = drop(weights), and +0 for keys that the row does not see */
#ifndef CUDROP_KERNEL_ATTENTION_REAPPLY_CUH
#define CUDROP_KERNEL_ATTENTION_REAPPLY_CUH

#include "attention/attention_row.cuh"

template <class Type, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS)
    cudropi_attention_reapply(const __grid_constant__ cudropi_attention_args_t args) {
  CUDROPI_ROWS_MASK(walk, args, mask);
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  const int64_t end = cudropi_rows_end(args, place);
  for (; place.row < end; place.row += args.tiling.ways) {
    cudropi_rows_place_t seen = place;
    float values[CUDROPI_CHUNK];
    seen.valid =
        cudropi_seen_bits(cudropi_find_seen(&args.options.visible, place.row), place.col);
    const auto weights =
        cudropi_load_seen<walk, Type>(args, CUDROPI_REAPPLY_WEIGHTS, seen);
    const uint32_t keep = cudropi_attention_keep<walk>(args, mask, seen);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      values[j] = keep >> j & 1 ? Type::get(weights, j) * mask.schedule.scale : 0.0f;
    cudropi_rows_store<walk, Type>(args, CUDROPI_REAPPLY_Y, place, values);
  }
}

#endif /* CUDROP_KERNEL_ATTENTION_REAPPLY_CUH */
