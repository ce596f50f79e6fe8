/* norm.cuh - h = residual + drop(x + bias), y = norm(h), with the arithmetic of norm.h */
#ifndef CUDROP_KERNEL_NORM_CUH
#define CUDROP_KERNEL_NORM_CUH

#include "ops/norm/norm.h"
#include "row_walk.cuh"

/* Chunks of h that a thread holds in shared memory, as h is stored: its first ones. */
enum { CUDROPI_NORM_HELD = CUDROPI_ROW_TURNS };

/* Tuning: the least number of blocks that fit on a multiprocessor. */
template <cudropi_rows_walk_t walk, class Stream>
static constexpr int cudropi_norm_forward_blocks =
    walk == CUDROPI_ROWS_GENERAL                      ? 1
    : walk == CUDROPI_ROWS_DRAWN &&Stream::bytes == 2 ? 4
                                                      : 3;

/* Where the thread finds what h is made of. */
template <class Type, class Stream>
struct cudropi_norm_from_t {
  cudropi_rows_cursor_t<Type> x;
  cudropi_rows_cursor_t<Stream> residual;
  cudropi_rows_drawn_t drawn;
};

/* h = residual + drop(x + bias), rounded to Stream. Without an x, h is the residual. */
template <class Type, class Stream, cudropi_rows_walk_t walk>
CUDROPI_DEVICE cudropi_chunk_t<Stream::bytes> cudropi_norm_h(
    const cudropi_rows_args_of<cudropi_norm_t> &args, const cudropi_rows_mask_t &mask,
    const cudropi_norm_from_t<Type, Stream> &from, const cudropi_rows_place_t &place) {
  const bool has_residual = args.side[CUDROPI_NORM_RESIDUAL].data != nullptr;
  if (args.side[CUDROPI_NORM_X].data == nullptr)
    return cudropi_rows_load_at<walk>(args, from.residual, place);
  cudropi_chunk_t<Stream::bytes> residual = {};
  const auto x = cudropi_rows_load_at<walk>(args, from.x, place);
  if (has_residual) residual = cudropi_rows_load_at<walk>(args, from.residual, place);
  bool keep[CUDROPI_CHUNK];
  float values[CUDROPI_CHUNK];
  cudropi_rows_keep_at<walk>(args, mask, from.drawn, place, keep);
  cudropi_rows_get<Type>(x, values);
  cudropi_rows_add_vector<walk, Type>(args, CUDROPI_NORM_BIAS, place, values);
#pragma unroll
  for (int j = 0; j < CUDROPI_CHUNK; ++j)
    values[j] = keep[j] ? values[j] * mask.schedule.scale : 0.0f;
  if (has_residual) cudropi_rows_add<Stream>(residual, values);
  return cudropi_rows_pack<Stream>(values);
}

/* h of turn `turn` once more: from `held`, or from the tensor `stored`. */
template <cudropi_rows_walk_t walk, class Stream>
CUDROPI_DEVICE void cudropi_norm_again(const cudropi_rows_args_of<cudropi_norm_t> &args,
                                       const cudropi_chunk_t<Stream::bytes> *held,
                                       int turn, int stored,
                                       const cudropi_rows_place_t &place,
                                       float (&values)[CUDROPI_CHUNK]) {
  if (turn < CUDROPI_NORM_HELD) {
    cudropi_rows_get<Stream>(held[turn * CUDROPI_TILE_THREADS], values);
  } else {
    cudropi_rows_get<Stream>(cudropi_rows_load<walk, Stream>(args, stored, place),
                             values);
  }
}

/*
 * A thread passes over its chunks of h three times. The first pass adds the elements up. The second
 * pass adds up their distances from the first mean, and the squares of the distances. The third
 * pass writes y. The first chunks of h stay in shared memory. The second and the third pass load
 * later chunks of h from one of three places:
 *
 *   - the output h, if there is one;
 *   - else the residual, if there is no x;
 *   - else y, which holds h until the third pass writes y.
 *
 * Type is the type of the branch, Stream the type of the residual and of h. If the types differ,
 * there is an output h or there is no x.
 */
template <class Type, class Stream, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS,
                                  (cudropi_norm_forward_blocks<walk, Stream>))
    cudropi_norm(const __grid_constant__ cudropi_rows_args_of<cudropi_norm_t> args) {
  using chunk = cudropi_chunk_t<Stream::bytes>;
  SHARED_ARRAY(float, shared_sums, 2 * CUDROPI_ROW_SHARED);
  SHARED_ARRAY(chunk, shared_h, CUDROPI_NORM_HELD * CUDROPI_TILE_THREADS);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool has_h = args.side[CUDROPI_NORM_H].data != nullptr;
  const bool has_x = args.side[CUDROPI_NORM_X].data != nullptr;
  const int stored = has_h   ? CUDROPI_NORM_H
                     : has_x ? CUDROPI_NORM_Y
                             : CUDROPI_NORM_RESIDUAL;
  const int32_t threads = cudropi_row_threads(args.cols);
  const cudropi_row_walk_t row = cudropi_row_begin(args, threads);
  chunk *const held = shared_h + threadIdx.x;
  float values[CUDROPI_CHUNK], sum = 0.0f, distances = 0.0f, mean = 0.0f, drift = 0.0f;

  cudropi_norm_from_t<Type, Stream> from = {
      cudropi_row_point<Type>(args, CUDROPI_NORM_X, row),
      cudropi_row_point<Stream>(args, CUDROPI_NORM_RESIDUAL, row),
      {cudropi_rows_group(args, mask, row.first), (uint64_t)row.step / CUDROPI_CHUNK}};
  auto to_stored = cudropi_row_point<Stream>(args, stored, row);
  auto to_y = cudropi_row_point<Type>(args, CUDROPI_NORM_Y, row);

  int turn = 0;
#pragma unroll 1
  for (auto place = row.first; place.col < row.end;
       cudropi_row_next(args, row, place), ++turn) {
    const auto h = cudropi_norm_h<Type, Stream, walk>(args, mask, from, place);
    if (turn < CUDROPI_NORM_HELD) held[turn * CUDROPI_TILE_THREADS] = h;
    if (has_h || (has_x && turn >= CUDROPI_NORM_HELD))
      cudropi_rows_put_at<walk>(args, to_stored, place, h);
    cudropi_rows_advance(from.x);
    cudropi_rows_advance(from.residual);
    cudropi_rows_advance(to_stored);
    cudropi_rows_advance(from.drawn);
    cudropi_rows_get<Stream>(h, values);
    cudropi_row_add<walk>(place, values, sum);
  }
  sum = cudropi_row_sum(threads, sum, shared_sums);
  if (args.options.kind == CUDROP_LAYER_NORM) mean = sum / (float)args.cols;

  sum = 0.0f;
  turn = 0;
#pragma unroll 1
  for (auto place = row.first; place.col < row.end;
       cudropi_row_next(args, row, place), ++turn) {
    cudropi_norm_again<walk, Stream>(args, held, turn, stored, place, values);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = values[j] - mean;
    cudropi_row_add<walk>(place, values, distances);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = values[j] * values[j];
    cudropi_row_add<walk>(place, values, sum);
  }
  cudropi_row_sums(threads, sum, distances, shared_sums);
  if (args.options.kind == CUDROP_LAYER_NORM) {
    drift = cudropi_drift(distances, args.cols);
    mean = mean + drift;
  }
  const float rstd = cudropi_rstd(sum, drift, args.cols, args.options.epsilon);

  turn = 0;
#pragma unroll 1
  for (auto place = row.first; place.col < row.end;
       cudropi_row_next(args, row, place), ++turn) {
    cudropi_norm_again<walk, Stream>(args, held, turn, stored, place, values);
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      values[j] = cudropi_normalise(values[j], mean, rstd);
    cudropi_rows_multiply_vector<walk, Type>(args, CUDROPI_NORM_GAMMA, place, values);
    cudropi_rows_add_vector<walk, Type>(args, CUDROPI_NORM_BETA, place, values);
    cudropi_rows_store_at<walk>(args, to_y, place, values);
    cudropi_rows_advance(to_y);
  }
  if (row.first.col == 0 && row.end > 0) {
    cudropi_row_write<walk>(args, CUDROPI_NORM_MEAN, row.first.row, mean);
    cudropi_row_write<walk>(args, CUDROPI_NORM_RSTD, row.first.row, rstd);
  }
}

#endif /* CUDROP_KERNEL_NORM_CUH */
