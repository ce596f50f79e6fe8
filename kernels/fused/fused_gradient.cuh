/* fused_gradient.cuh - dx = act'(x + bias) * drop(dy), and the column sums of dx in a slab */
#ifndef CUDROP_KERNEL_FUSED_GRADIENT_CUH
#define CUDROP_KERNEL_FUSED_GRADIENT_CUH

#include "fused/activate.cuh"
#include "ops/fused/fused.h"
#include "rows.cuh"

/* Type is the type of the branch, Stream the type of dy. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, cudropi_rows_blocks<walk>)
    cudropi_fused_gradient(
        const __grid_constant__ cudropi_rows_args_of<cudropi_fused_t> args) {
  SHARED_ARRAY(float, shared_sums, CUDROPI_TILE_THREADS *CUDROPI_CHUNK);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool has_slope = args.options.activation != CUDROP_IDENTITY;
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  const int64_t end = cudropi_rows_end(args, place);
  float sums[CUDROPI_CHUNK] = {};
  for (; place.row < end; place.row += args.tiling.ways) {
    bool keep[CUDROPI_CHUNK];
    if (walk == CUDROPI_ROWS_GENERAL) /* drawn first: fewer registers are live */
      cudropi_rows_keep<walk>(args, mask, place, keep);
    cudropi_chunk_t<Type::bytes> x = {};
    const auto dy =
        cudropi_rows_load<walk, Stream>(args, CUDROPI_FUSED_GRADIENT_DY, place);
    if (has_slope)
      x = cudropi_rows_load<walk, Type>(args, CUDROPI_FUSED_GRADIENT_X, place);
    float slope[CUDROPI_CHUNK], gradient[CUDROPI_CHUNK];
    if (walk != CUDROPI_ROWS_GENERAL) cudropi_rows_keep<walk>(args, mask, place, keep);
    cudropi_rows_get<Type>(x, slope);
    cudropi_rows_add_vector<Type>(args, CUDROPI_FUSED_GRADIENT_BIAS, place, slope);
    cudropi_find_slopes(args.options.activation, slope);
    cudropi_rows_get<Stream>(dy, gradient);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      gradient[j] = keep[j] ? gradient[j] * mask.schedule.scale * slope[j] : 0.0f;
      sums[j] = sums[j] + gradient[j];
    }
    cudropi_rows_store_gradient<walk, Type>(args, CUDROPI_FUSED_GRADIENT_DX, place,
                                            gradient);
  }
  cudropi_rows_sum(args, CUDROPI_FUSED_GRADIENT_DBIAS, sums, shared_sums);
}

#endif /* CUDROP_KERNEL_FUSED_GRADIENT_CUH */
