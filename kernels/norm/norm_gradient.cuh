/* norm_gradient.cuh - dresidual, dx, and the sums of dbias, dgamma and dbeta over a slab */
#ifndef CUDROP_KERNEL_NORM_GRADIENT_CUH
#define CUDROP_KERNEL_NORM_GRADIENT_CUH

#include "ops/norm/norm.h"
#include "row_walk.cuh"

/* All inputs of a place are loaded before an output is stored, because an output may be an input.
 * Type is the type of the branch, Stream the type of h, dh and dresidual. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, cudropi_norm_blocks(walk))
    cudropi_norm_gradient(
        const __grid_constant__ cudropi_rows_args_of<cudropi_norm_t> args) {
  SHARED_ARRAY(float, shared_sums, CUDROPI_TILE_THREADS *CUDROPI_CHUNK);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool has_dh = args.side[CUDROPI_NORM_GRADIENT_DH].data != nullptr;
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  const int64_t end = cudropi_rows_end(args, place);
  float dbias[CUDROPI_CHUNK] = {}, dgamma[CUDROPI_CHUNK] = {}, dbeta[CUDROPI_CHUNK] = {};
  for (; place.row < end; place.row += args.tiling.ways) {
    cudropi_chunk_t<Stream::bytes> from_h = {};
    const auto from_y =
        cudropi_rows_load<walk, Type>(args, CUDROPI_NORM_GRADIENT_DY, place);
    const auto h = cudropi_rows_load<walk, Stream>(args, CUDROPI_NORM_GRADIENT_H, place);
    if (has_dh)
      from_h = cudropi_rows_load<walk, Stream>(args, CUDROPI_NORM_GRADIENT_DH, place);
    const float mean =
        cudropi_row_read<walk>(args, CUDROPI_NORM_GRADIENT_MEAN, place.row);
    const float rstd =
        cudropi_row_read<walk>(args, CUDROPI_NORM_GRADIENT_RSTD, place.row);
    const float mean_g = args.of_rows[place.row];
    const float mean_gh = args.of_rows[args.rows + place.row];
    bool keep[CUDROPI_CHUNK];
    float dy[CUDROPI_CHUNK], dx[CUDROPI_CHUNK], dresidual[CUDROPI_CHUNK];
    cudropi_rows_keep<walk>(args, mask, place, keep);
    cudropi_rows_get<Type>(from_y, dy);
    cudropi_rows_get<Type>(from_y, dresidual);
    cudropi_rows_multiply_vector<walk, Type>(args, CUDROPI_NORM_GRADIENT_GAMMA, place,
                                             dresidual);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      const float hhat = cudropi_normalise(Stream::get(h, j), mean, rstd);
      dresidual[j] = cudropi_norm_slope(dresidual[j], hhat, rstd, mean_g, mean_gh);
      dgamma[j] = dgamma[j] + dy[j] * hhat;
      dbeta[j] = dbeta[j] + dy[j];
    }
    if (has_dh) cudropi_rows_add<Stream>(from_h, dresidual);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      dx[j] = keep[j] ? dresidual[j] * mask.schedule.scale : 0.0f;
      dbias[j] = dbias[j] + dx[j];
    }
    cudropi_rows_store_gradient<walk, Stream>(args, CUDROPI_NORM_GRADIENT_DRESIDUAL,
                                              place, dresidual);
    cudropi_rows_store_gradient<walk, Type>(args, CUDROPI_NORM_GRADIENT_DX, place, dx);
  }
  cudropi_rows_sum(args, CUDROPI_NORM_GRADIENT_DBIAS, dbias, shared_sums);
  cudropi_rows_sum(args, CUDROPI_NORM_GRADIENT_DGAMMA, dgamma, shared_sums);
  cudropi_rows_sum(args, CUDROPI_NORM_GRADIENT_DBETA, dbeta, shared_sums);
}

#endif /* CUDROP_KERNEL_NORM_GRADIENT_CUH */
