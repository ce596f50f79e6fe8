/* fused.cuh - y = residual + drop(act(x + bias)) */
#ifndef CUDROP_KERNEL_FUSED_CUH
#define CUDROP_KERNEL_FUSED_CUH

#include "fused/activate.cuh"
#include "ops/fused/fused.h"
#include "rows_cursor.cuh"

/* Type is the type of the branch, Stream the type of the residual and of y. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, cudropi_rows_blocks<walk>)
    cudropi_fused(const __grid_constant__ cudropi_rows_args_of<cudropi_fused_t> args) {
  CUDROPI_ROWS_MASK(walk, args, mask);
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  auto from_x = cudropi_rows_point<Type>(args, CUDROPI_FUSED_X, place);
  auto from_residual = cudropi_rows_point<Stream>(args, CUDROPI_FUSED_RESIDUAL, place);
  auto to_y = cudropi_rows_point<Stream>(args, CUDROPI_FUSED_Y, place);
  auto drawn = cudropi_rows_point_at_group(args, mask, place);
  const bool has_residual = args.side[CUDROPI_FUSED_RESIDUAL].data != nullptr;
  /* Loaded once; in GENERAL, which is short of registers, in each row. x + -0 has the bits of x. */
  float bias[CUDROPI_CHUNK];
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j) bias[j] = -0.0f;
  if (walk != CUDROPI_ROWS_GENERAL && args.side[CUDROPI_FUSED_BIAS].data != nullptr &&
      place.valid != 0)
    cudropi_rows_read_vector<walk, Type>(args, CUDROPI_FUSED_BIAS, place, bias);
#pragma unroll 1
  for (int32_t turns = cudropi_rows_turns(args, place); turns > 0; --turns) {
    bool keep[CUDROPI_CHUNK];
    if (walk == CUDROPI_ROWS_GENERAL) /* drawn first: fewer registers are live */
      cudropi_rows_keep_at<walk>(args, mask, drawn, place, keep);
    cudropi_chunk_t<Stream::bytes> residual = {};
    const auto x = cudropi_rows_load_at<walk>(args, from_x, place);
    if (has_residual) residual = cudropi_rows_load_at<walk>(args, from_residual, place);
    float values[CUDROPI_CHUNK];
    if (walk != CUDROPI_ROWS_GENERAL)
      cudropi_rows_keep_at<walk>(args, mask, drawn, place, keep);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = Type::get(x, j) + bias[j];
    if (walk == CUDROPI_ROWS_GENERAL)
      cudropi_rows_add_vector<walk, Type>(args, CUDROPI_FUSED_BIAS, place, values);
    cudropi_activate<Stream>(args.options.activation, values);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      values[j] = keep[j] ? values[j] * mask.schedule.scale : 0.0f;
    if (has_residual) cudropi_rows_add<Stream>(residual, values);
    cudropi_rows_store_at<walk>(args, to_y, place, values);
    cudropi_rows_advance(from_x);
    cudropi_rows_advance(from_residual);
    cudropi_rows_advance(to_y);
    cudropi_rows_advance(drawn);
    place.row += args.tiling.ways;
  }
}

#endif /* CUDROP_KERNEL_FUSED_CUH */
