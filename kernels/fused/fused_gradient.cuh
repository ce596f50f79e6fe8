/* fused_gradient.cuh - dx = act'(x + bias) * drop(dy), and the column sums of dx in a slab */
#ifndef CUDROP_KERNEL_FUSED_GRADIENT_CUH
#define CUDROP_KERNEL_FUSED_GRADIENT_CUH

#include "fused/activate.cuh"
#include "ops/fused/fused.h"
#include "rows_cursor.cuh"

/* Tuning, as cudropi_rows_blocks. Some kernels spill with four. */
template <cudropi_rows_walk_t walk, class Stream>
static constexpr bool cudropi_fused_gradient_is_large =
    (walk == CUDROPI_ROWS_PREPARED && Stream::bytes == 4) ||
    (!cudropi_is_sm_90 && (walk == CUDROPI_ROWS_PREPARED || Stream::bytes == 4));
template <cudropi_rows_walk_t walk, class Stream>
static constexpr int cudropi_fused_gradient_blocks =
    walk != CUDROPI_ROWS_GENERAL &&cudropi_fused_gradient_is_large<walk, Stream>
        ? 3
        : cudropi_rows_blocks<walk>;

/* Type is the type of the branch, Stream the type of dy. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS,
                                  (cudropi_fused_gradient_blocks<walk, Stream>))
    cudropi_fused_gradient(
        const __grid_constant__ cudropi_rows_args_of<cudropi_fused_t> args) {
  SHARED_ARRAY(float, shared_sums, CUDROPI_TILE_THREADS *CUDROPI_CHUNK);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool has_slope = args.options.activation != CUDROP_IDENTITY;
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  auto from_dy = cudropi_rows_point<Stream>(args, CUDROPI_FUSED_GRADIENT_DY, place);
  auto from_x = cudropi_rows_point<Type>(args, CUDROPI_FUSED_GRADIENT_X, place);
  auto to_dx = cudropi_rows_point<Type>(args, CUDROPI_FUSED_GRADIENT_DX, place);
  auto drawn = cudropi_rows_point_at_group(args, mask, place);
  float sums[CUDROPI_CHUNK] = {};
#pragma unroll 1
  for (int32_t turns = cudropi_rows_turns(args, place); turns > 0; --turns) {
    bool keep[CUDROPI_CHUNK];
    if (walk == CUDROPI_ROWS_GENERAL) /* drawn first: fewer registers are live */
      cudropi_rows_keep_at<walk>(args, mask, drawn, place, keep);
    cudropi_chunk_t<Type::bytes> x = {};
    const auto dy = cudropi_rows_load_at<walk>(args, from_dy, place);
    if (has_slope) x = cudropi_rows_load_at<walk>(args, from_x, place);
    float slope[CUDROPI_CHUNK], gradient[CUDROPI_CHUNK];
    if (walk != CUDROPI_ROWS_GENERAL)
      cudropi_rows_keep_at<walk>(args, mask, drawn, place, keep);
    cudropi_rows_get<Type>(x, slope);
    cudropi_rows_add_vector<walk, Type>(args, CUDROPI_FUSED_GRADIENT_BIAS, place, slope);
    cudropi_find_slopes<Type>(args.options.activation, slope);
    cudropi_rows_get<Stream>(dy, gradient);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      gradient[j] = keep[j] ? gradient[j] * mask.schedule.scale * slope[j] : 0.0f;
      sums[j] = sums[j] + gradient[j];
    }
    cudropi_rows_store_gradient_at<walk>(args, to_dx, place, gradient);
    cudropi_rows_advance(from_dy);
    cudropi_rows_advance(from_x);
    cudropi_rows_advance(to_dx);
    cudropi_rows_advance(drawn);
    place.row += args.tiling.ways;
  }
  cudropi_rows_sum(args, CUDROPI_FUSED_GRADIENT_DBIAS, sums, shared_sums);
}

#endif /* CUDROP_KERNEL_FUSED_GRADIENT_CUH */
