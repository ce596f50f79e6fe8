/* attention_gradient.cuh - dscores = scale * weights * (drop(dy) - sum of weights * drop(dy)) */
#ifndef CUDROP_KERNEL_ATTENTION_GRADIENT_CUH
#define CUDROP_KERNEL_ATTENTION_GRADIENT_CUH

#include "attention/attention_row.cuh"

/* The part of a row that a thread holds: one chunk per turn. */
template <class Type, int turns>
struct cudropi_gradient_part_t {
  cudropi_chunk_t<Type::bytes> weights[turns];
  float dropped[turns][CUDROPI_CHUNK]; /* drop(dy), +0 for unseen keys */
};

/* Load the thread's chunks from `col` on. */
template <cudropi_rows_walk_t walk, class Type, int turns>
CUDROPI_DEVICE void cudropi_gradient_load(const cudropi_attention_args_t &args,
                                          const cudropi_rows_mask_t &mask,
                                          const cudropi_attention_row_t &row, int64_t col,
                                          cudropi_gradient_part_t<Type, turns> &part) {
  cudropi_chunk_t<Type::bytes> dy[turns];
  cudropi_rows_place_t place[turns];
#pragma unroll
  for (int t = 0; t < turns; ++t) {
    place[t] = cudropi_seen(row, col + t * row.step);
    dy[t] = cudropi_load_seen<walk, Type>(args, CUDROPI_ATTENTION_GRADIENT_DY, place[t]);
    part.weights[t] =
        cudropi_load_seen<walk, Type>(args, CUDROPI_ATTENTION_GRADIENT_WEIGHTS, place[t]);
  }
  const uint32_t keep = cudropi_attention_keep_turns<walk, turns>(args, mask, row, col);
#pragma unroll
  for (int t = 0; t < turns; ++t) {
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      part.dropped[t][j] = keep >> (t * CUDROPI_CHUNK + j) & 1
                               ? Type::get(dy[t], j) * mask.schedule.scale
                               : 0.0f;
  }
}

/* `sum` plus the thread's products drop(dy) * weights, over the keys that the row sees. */
template <class Type, int turns>
CUDROPI_DEVICE float cudropi_gradient_add(
    const cudropi_attention_row_t &row, int64_t col,
    const cudropi_gradient_part_t<Type, turns> &part, float sum) {
#pragma unroll
  for (int t = 0; t < turns; ++t) {
    const uint32_t seen = cudropi_seen_bits(row.seen, col + t * row.step);
    float product[CUDROPI_CHUNK];
    if (seen == 0) continue;
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j)
      product[j] = part.dropped[t][j] * Type::get(part.weights[t], j);
    if (seen != 0xff) {
#pragma unroll
      for (int j = 0; j < CUDROPI_CHUNK; ++j)
        if (!(seen >> j & 1)) product[j] = 0.0f;
    }
    sum = sum + cudropi_row_chunk(product);
  }
  return sum;
}

/* Store dscores of the thread's chunks, with +0 for keys that the row does not see. */
template <cudropi_rows_walk_t walk, class Type, int turns>
CUDROPI_DEVICE void cudropi_gradient_store(
    const cudropi_attention_args_t &args, const cudropi_attention_row_t &row, int64_t col,
    float sum, const cudropi_gradient_part_t<Type, turns> &part) {
#pragma unroll
  for (int t = 0; t < turns; ++t) {
    const cudropi_rows_place_t place = cudropi_seen(row, col + t * row.step);
    float values[CUDROPI_CHUNK];
    if (place.col >= row.cols) break;
#pragma unroll
    for (int j = 0; j < CUDROPI_CHUNK; ++j) {
      const float weight = Type::get(part.weights[t], j);
      const float gradient =
          args.options.scores_scale * (weight * (part.dropped[t][j] - sum));
      values[j] = place.valid >> j & 1 ? gradient : 0.0f;
    }
    cudropi_store_all<walk, Type>(args, CUDROPI_ATTENTION_GRADIENT_DSCORES, place,
                                  values);
  }
}

/* Tuning: the least number of blocks that fit on a multiprocessor. With more, GENERAL and, from
 * sm_100, PREPARED spill. */
constexpr int cudropi_gradient_blocks(cudropi_rows_walk_t walk, int turns, int bytes) {
  const bool is_prepared = walk == CUDROPI_ROWS_PREPARED && cudropi_has_wide_accesses;
  if (walk == CUDROPI_ROWS_GENERAL) return 1;
  if (is_prepared) return turns > 1 && bytes == 4 ? 1 : 2;
  return cudropi_attention_blocks(walk, turns);
}

template <class Type, cudropi_rows_walk_t walk, int turns>
__global__ void __launch_bounds__(CUDROPI_TILE_THREADS,
                                  cudropi_gradient_blocks(walk, turns, Type::bytes))
    cudropi_attention_gradient(const __grid_constant__ cudropi_attention_args_t args) {
  SHARED_ARRAY(float, shared, CUDROPI_ROW_SHARED);
  CUDROPI_ROWS_MASK(walk, args, mask);
  const bool is_held = cudropi_attention_is_held<turns>(args);
  const int64_t groups = cudropi_attention_groups(args.rows, args.row_log2);
#pragma unroll 1
  for (int64_t group = blockIdx.x; group < groups; group += gridDim.x) {
    const cudropi_attention_row_t row = cudropi_attention_begin(args, group);
    const int64_t step = turns * row.step, first = cudropi_attention_first(row, step);
    cudropi_gradient_part_t<Type, turns> part = {};
    float sum = 0.0f;
#pragma unroll 1
    for (int64_t col = first; col < row.seen.end; col += step) {
      cudropi_gradient_load<walk>(args, mask, row, col, part);
      sum = cudropi_gradient_add(row, col, part, sum);
    }
    sum = cudropi_row_sum(1 << args.row_log2, sum, shared);
#pragma unroll 1
    for (int64_t col = row.first; col < row.cols; col += step) {
      if (!is_held) cudropi_gradient_load<walk>(args, mask, row, col, part);
      cudropi_gradient_store<walk>(args, row, col, sum, part);
    }
  }
}

#endif /* CUDROP_KERNEL_ATTENTION_GRADIENT_CUH */
