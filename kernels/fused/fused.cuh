/* fused.cuh - y = residual + drop(act(x + bias)) */
#ifndef CUDROP_KERNEL_FUSED_CUH
#define CUDROP_KERNEL_FUSED_CUH

#include "fused/activate.cuh"
#include "ops/fused/fused.h"
#include "rows.cuh"

/* Type is the type of the branch, Stream the type of the residual and of y. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, cudropi_rows_blocks<walk>)
    cudropi_fused(const __grid_constant__ cudropi_rows_args_of<cudropi_fused_t> args) {
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool has_residual = args.side[CUDROPI_FUSED_RESIDUAL].data != nullptr;
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  const int64_t end = cudropi_rows_end(args, place);
  for (; place.row < end; place.row += args.tiling.ways) {
    bool keep[CUDROPI_CHUNK];
    if (walk == CUDROPI_ROWS_GENERAL) /* drawn first: fewer registers are live */
      cudropi_rows_keep<walk>(args, mask, place, keep);
    cudropi_chunk_t<Stream::bytes> residual = {};
    const auto x = cudropi_rows_load<walk, Type>(args, CUDROPI_FUSED_X, place);
    if (has_residual)
      residual = cudropi_rows_load<walk, Stream>(args, CUDROPI_FUSED_RESIDUAL, place);
    float values[CUDROPI_CHUNK];
    if (walk != CUDROPI_ROWS_GENERAL) cudropi_rows_keep<walk>(args, mask, place, keep);
    cudropi_rows_get<Type>(x, values);
    cudropi_rows_add_vector<Type>(args, CUDROPI_FUSED_BIAS, place, values);
    cudropi_activate(args.options.activation, values);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      values[j] = keep[j] ? values[j] * mask.schedule.scale : 0.0f;
    if (has_residual) cudropi_rows_add<Stream>(residual, values);
    cudropi_rows_store<walk, Stream>(args, CUDROPI_FUSED_Y, place, values);
  }
}

#endif /* CUDROP_KERNEL_FUSED_CUH */
