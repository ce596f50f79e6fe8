/* attention.cuh - weights = softmax(scale * scores), y = drop(weights) */
#ifndef CUDROP_KERNEL_ATTENTION_CUH
#define CUDROP_KERNEL_ATTENTION_CUH

#include "attention/attention_row.cuh"
#include "ops/fused/activation.h"

/* The part of a row that a thread holds: one chunk per turn. */
template <int turns>
struct cudropi_attention_part_t {
  float z[turns][CUDROPI_CHUNK]; /* scale * score, then 2^64 e^(z - max z) */
  uint32_t keep;                 /* in GENERAL: 8 keep bits per chunk */
};

/* Load the thread's chunks from `col` on: z = scale * score, or -infinity for keys that the row
 * does not see. Draw the keep bits too, if `draws`, in GENERAL. */
template <cudropi_rows_walk_t walk, class Type, int turns>
CUDROPI_DEVICE void cudropi_attention_load(const cudropi_attention_args_t &args,
                                           const cudropi_rows_mask_t &mask,
                                           const cudropi_attention_row_t &row,
                                           int64_t col, bool draws,
                                           cudropi_attention_part_t<turns> &part) {
  cudropi_chunk_t<Type::bytes> scores[turns];
  cudropi_rows_place_t place[turns];
  auto from = cudropi_attention_point<Type>(args, CUDROPI_ATTENTION_SCORES, row, col);
#pragma unroll
  for (int t = 0; t < turns; ++t) {
    place[t] = cudropi_seen(row, col + t * row.step);
    scores[t] = {};
    if (place[t].valid != 0) scores[t] = cudropi_rows_load_at<walk>(args, from, place[t]);
    cudropi_rows_advance(from);
  }
  if (walk == CUDROPI_ROWS_GENERAL && draws)
    part.keep = cudropi_attention_keep_turns<walk, turns>(args, mask, row, col);
#pragma unroll
  for (int t = 0; t < turns; ++t) {
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      part.z[t][j] = Type::get(scores[t], j) * args.options.scores_scale;
    if (place[t].valid == 0xff) continue;
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      if (!(place[t].valid >> j & 1)) part.z[t][j] = -INFINITY;
  }
}

template <class Type, int turns>
CUDROPI_DEVICE void cudropi_attention_exp(float reference,
                                          cudropi_attention_part_t<turns> &part) {
#pragma unroll
  for (int t = 0; t < turns; ++t) {
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      part.z[t][j] = Type::bytes == 2 ? cudropi_narrow_exp(part.z[t][j] - reference)
                                      : cudropi_lifted_exp(part.z[t][j] - reference);
  }
}

/* Store the thread's chunks: weights of the keys that the row sees, and y of all keys. */
template <cudropi_rows_walk_t walk, class Type, int turns>
CUDROPI_DEVICE void cudropi_attention_store(const cudropi_attention_args_t &args,
                                            const cudropi_rows_mask_t &mask,
                                            const cudropi_attention_row_t &row,
                                            int64_t col, float inverse,
                                            const cudropi_attention_part_t<turns> &part) {
  auto to_weights =
      cudropi_attention_point<Type>(args, CUDROPI_ATTENTION_WEIGHTS, row, col);
  auto to_y = cudropi_attention_point<Type>(args, CUDROPI_ATTENTION_Y, row, col);
  const bool has_y = args.side[CUDROPI_ATTENTION_Y].data != nullptr;
#pragma unroll
  for (int t = 0; t < turns; ++t) {
    cudropi_rows_place_t place = cudropi_seen(row, col + t * row.step);
    float values[CUDROPI_CHUNK];
    if (place.col >= row.cols) break;
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) values[j] = part.z[t][j] * inverse;
    const auto rounded = cudropi_rows_pack<Type>(values);
    if (args.side[CUDROPI_ATTENTION_WEIGHTS].data != nullptr)
      cudropi_put_seen<walk, Type>(args, to_weights, place, rounded);
    cudropi_rows_advance(to_weights);
    if (!has_y) continue;
    bool keep[CUDROPI_CHUNK];
    if (walk != CUDROPI_ROWS_GENERAL) {
      const uint64_t group = cudropi_rows_group(args, mask, place);
      cudropi_attention_keep8<walk>(args, mask, place, group, keep);
    } else {
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        keep[j] = part.keep >> (t * CUDROPI_CHUNK + j) & 1;
    }
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      values[j] = keep[j] ? Type::get(rounded, j) * mask.schedule.scale : 0.0f;
    place.valid = cudropi_rows_valid(args, place.col);
    cudropi_rows_store_at<walk>(args, to_y, place, values);
    cudropi_rows_advance(to_y);
  }
}

template <class Type, cudropi_rows_walk_t walk, int turns>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS,
                                  cudropi_attention_blocks(walk, turns))
    cudropi_attention(const __grid_constant__ cudropi_attention_args_t args) {
  SHARED_ARRAY(float, shared, CUDROPI_ROW_SHARED);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool has_y = args.side[CUDROPI_ATTENTION_Y].data != nullptr;
  const bool is_held = cudropi_attention_is_held<turns>(args);
  const int64_t groups = cudropi_attention_groups(args.rows, args.row_log2);
#pragma unroll 1
  for (int64_t group = blockIdx.x; group < groups; group += gridDim.x) {
    const cudropi_attention_row_t row = cudropi_attention_begin(args, group);
    const int64_t step = turns * row.step, first = cudropi_attention_first(row, step);
    cudropi_attention_part_t<turns> part = {};
    float most = -INFINITY, sum = 0.0f;
#pragma unroll 1
    for (int64_t col = first; col < row.seen.end; col += step) {
      cudropi_attention_load<walk, Type>(args, mask, row, col, is_held && has_y, part);
#pragma unroll
      for (int k = 0; k < turns * CUDROPI_CHUNK; ++k)
        most = fmaxf(most, part.z[k / CUDROPI_CHUNK][k % CUDROPI_CHUNK]);
    }
    most = cudropi_row_max(1 << args.row_log2, most, shared);
    const float reference = most == -INFINITY ? 0.0f : most;
#pragma unroll 1
    for (int64_t col = first; col < row.seen.end; col += step) {
      if (!is_held) cudropi_attention_load<walk, Type>(args, mask, row, col, false, part);
      cudropi_attention_exp<Type>(reference, part);
#pragma unroll
      for (int t = 0; t < turns; ++t)
        if (col + t * row.step < row.seen.end) sum = sum + cudropi_row_chunk(part.z[t]);
    }
    sum = cudropi_row_sum(1 << args.row_log2, sum, shared);
    const float inverse = cudropi_attention_inverse(most, sum);
#pragma unroll 1
    for (int64_t col = row.first; col < row.cols; col += step) {
      if (!is_held) {
        cudropi_attention_load<walk, Type>(args, mask, row, col, has_y, part);
        cudropi_attention_exp<Type>(reference, part);
      }
      cudropi_attention_store<walk, Type>(args, mask, row, col, inverse, part);
    }
  }
}

#endif /* CUDROP_KERNEL_ATTENTION_CUH */
