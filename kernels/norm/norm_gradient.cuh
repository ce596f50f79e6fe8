/* norm_gradient.cuh - dresidual, dx, and the sums of dbias, dgamma and dbeta over a slab */
#ifndef CUDROP_KERNEL_NORM_GRADIENT_CUH
#define CUDROP_KERNEL_NORM_GRADIENT_CUH

#include "ops/norm/norm.h"
#include "row_walk.cuh"

/* Where the thread finds its chunks. */
template <class Type, class Stream>
struct cudropi_norm_gradient_at_t {
  cudropi_rows_cursor_t<Type> dy, dx;
  cudropi_rows_cursor_t<Stream> h, dh, dresidual;
  cudropi_rows_drawn_t drawn;
};

template <class Type, class Stream>
CUDROPI_DEVICE cudropi_norm_gradient_at_t<Type, Stream> cudropi_norm_gradient_point(
    const cudropi_rows_args_t &args, const cudropi_rows_mask_t &mask,
    const cudropi_rows_place_t &place) {
  return {cudropi_rows_point<Type>(args, CUDROPI_NORM_GRADIENT_DY, place),
          cudropi_rows_point<Type>(args, CUDROPI_NORM_GRADIENT_DX, place),
          cudropi_rows_point<Stream>(args, CUDROPI_NORM_GRADIENT_H, place),
          cudropi_rows_point<Stream>(args, CUDROPI_NORM_GRADIENT_DH, place),
          cudropi_rows_point<Stream>(args, CUDROPI_NORM_GRADIENT_DRESIDUAL, place),
          cudropi_rows_point_at_group(args, mask, place)};
}

template <class Type, class Stream>
CUDROPI_DEVICE void cudropi_norm_gradient_advance(
    cudropi_norm_gradient_at_t<Type, Stream> &at) {
  cudropi_rows_advance(at.dy);
  cudropi_rows_advance(at.dx);
  cudropi_rows_advance(at.h);
  cudropi_rows_advance(at.dh);
  cudropi_rows_advance(at.dresidual);
  cudropi_rows_advance(at.drawn);
}

/* What is loaded of a chunk. */
template <class Type, class Stream>
struct cudropi_norm_loaded_t {
  cudropi_chunk_t<Type::bytes> dy;
  cudropi_chunk_t<Stream::bytes> h, dh;
};

template <cudropi_rows_walk_t walk, class Type, class Stream>
CUDROPI_DEVICE cudropi_norm_loaded_t<Type, Stream> cudropi_norm_load(
    const cudropi_rows_args_t &args, const cudropi_norm_gradient_at_t<Type, Stream> &at,
    const cudropi_rows_place_t &place) {
  cudropi_norm_loaded_t<Type, Stream> loaded = {};
  loaded.dy = cudropi_rows_load_at<walk>(args, at.dy, place);
  loaded.h = cudropi_rows_load_at<walk>(args, at.h, place);
  if (args.side[CUDROPI_NORM_GRADIENT_DH].data != nullptr)
    loaded.dh = cudropi_rows_load_at<walk>(args, at.dh, place);
  return loaded;
}

/*
 * In a tiling of whole rows the threads of a row find the means of norm.h together, from what they
 * have loaded. Otherwise norm_means.cuh has found the means.
 *
 * All inputs of a place are loaded before an output is stored, because an output may be an input.
 * Type is the type of the branch, Stream the type of h, dh and dresidual.
 */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS, cudropi_norm_blocks(walk))
    cudropi_norm_gradient(
        const __grid_constant__ cudropi_rows_args_of<cudropi_norm_t> args) {
  SHARED_ARRAY(float, shared_sums, CUDROPI_TILE_THREADS *CUDROPI_CHUNK);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool is_whole = args.tiling.tiles == 1;
  cudropi_rows_place_t place = cudropi_rows_begin(args);
  const int64_t end = cudropi_rows_end(args, place);
  auto at = cudropi_norm_gradient_point<Type, Stream>(args, mask, place);
  const int32_t turns = args.tiling.slab_rows >> (8 - args.lanes_log2);
  float dbias[CUDROPI_CHUNK] = {}, dgamma[CUDROPI_CHUNK] = {}, dbeta[CUDROPI_CHUNK] = {};
#pragma unroll 1
  for (int32_t turn = 0; turn < turns;
       ++turn, place.row += args.tiling.ways, cudropi_norm_gradient_advance(at)) {
    const bool is_here = place.row < end;
    cudropi_norm_loaded_t<Type, Stream> loaded = {};
    float dy[CUDROPI_CHUNK] = {}, g[CUDROPI_CHUNK] = {}, hhat[CUDROPI_CHUNK] = {};
    float rstd = 0.0f, mean_g = 0.0f, mean_gh = 0.0f;
    if (is_here) {
      loaded = cudropi_norm_load<walk>(args, at, place);
      const float mean =
          cudropi_row_read<walk>(args, CUDROPI_NORM_GRADIENT_MEAN, place.row);
      rstd = cudropi_row_read<walk>(args, CUDROPI_NORM_GRADIENT_RSTD, place.row);
      cudropi_rows_get<Type>(loaded.dy, dy);
      cudropi_rows_get<Type>(loaded.dy, g);
      cudropi_rows_get<Stream>(loaded.h, hhat);
      cudropi_rows_multiply_vector<walk, Type>(args, CUDROPI_NORM_GRADIENT_GAMMA, place,
                                               g);
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        hhat[j] = cudropi_normalise(hhat[j], mean, rstd);
    }
    if (is_whole) {
      float gh[CUDROPI_CHUNK];
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j) gh[j] = g[j] * hhat[j];
      cudropi_row_add<walk>(place, g, mean_g);
      cudropi_row_add<walk>(place, gh, mean_gh);
      cudropi_whole_sums(args.lanes_log2, args.row_log2, (uint32_t)turn, mean_g, mean_gh,
                         shared_sums);
      mean_g = cudropi_mean_g(&args.options, mean_g);
      mean_gh = cudropi_mean_gh(&args.options, mean_gh);
    } else if (is_here) {
      mean_g = args.of_rows[place.row];
      mean_gh = args.of_rows[args.rows + place.row];
    }
    if (!is_here) continue;
    bool keep[CUDROPI_CHUNK];
    float dx[CUDROPI_CHUNK], dresidual[CUDROPI_CHUNK];
    cudropi_rows_keep_at<walk>(args, mask, at.drawn, place, keep);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      dresidual[j] = cudropi_norm_slope(g[j], hhat[j], rstd, mean_g, mean_gh);
      dgamma[j] = dgamma[j] + dy[j] * hhat[j];
      dbeta[j] = dbeta[j] + dy[j];
    }
    if (args.side[CUDROPI_NORM_GRADIENT_DH].data != nullptr)
      cudropi_rows_add<Stream>(loaded.dh, dresidual);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      dx[j] = keep[j] ? dresidual[j] * mask.schedule.scale : 0.0f;
      dbias[j] = dbias[j] + dx[j];
    }
    cudropi_rows_store_gradient_at<walk>(args, at.dresidual, place, dresidual);
    cudropi_rows_store_gradient_at<walk>(args, at.dx, place, dx);
  }
  cudropi_rows_sum(args, CUDROPI_NORM_GRADIENT_DBIAS, dbias, shared_sums);
  cudropi_rows_sum(args, CUDROPI_NORM_GRADIENT_DGAMMA, dgamma, shared_sums);
  cudropi_rows_sum(args, CUDROPI_NORM_GRADIENT_DBETA, dbeta, shared_sums);
}

#endif /* CUDROP_KERNEL_NORM_GRADIENT_CUH */
