/*
 * attend_tensor.cuh - O = drop(softmax(scale Q K^T)) V by tensor cores
 *
 * A block has 4 warps, each of 16 `tiles` queries, and goes through the keys in steps of 64. The
 * next tile of K is on its way while the scores are made, and that of V while the products with V
 * are.
 */
#ifndef CUDROP_KERNEL_ATTEND_TENSOR_CUH
#define CUDROP_KERNEL_ATTEND_TENSOR_CUH

#include "attend/attend_tile.cuh"

/* How much a block does, by the head size: as much as registers allow. */
template <int cols>
struct cudropi_forward_shape {
  static constexpr int tiles = cols == 64 ? 2 : 1; /* of 16 queries, of a warp */
  static constexpr int rows = CUDROPI_ATTEND_WARPS * 16 * tiles; /* of a block */
  static constexpr int bytes = (rows + 4 * CUDROPI_STEP_KEYS) * cols * 2;
};

/* The state of a warp. Each thread has rows g and g + 8 of each tile. */
template <int cols, int tiles>
struct cudropi_forward_t {
  cudropi_sum_t o[tiles][cols / 8];
  float most[tiles][2]; /* of Q K^T, with the sign of scale */
  float sum[tiles][2];  /* of the thread's lifted weights */
};

/* What a warp needs to know of its queries. */
struct cudropi_forward_rows_t {
  int first; /* the warp's first query in the head */
  cudropi_sight_t sight;
  cudropi_groups_t groups;
  float scale_log2; /* |scale| / ln 2 */
  bool draws;
};

/* The query of the thread's row h of tile m. */
CUDROPI_DEVICE int cudropi_row_of(int first, int m, int h) {
  return first + 16 * m + (int)cudropi_lane() / 4 + 8 * h;
}

template <int cols, int tiles>
CUDROPI_DEVICE void cudropi_forward_begin(cudropi_forward_t<cols, tiles> &state) {
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int d = 0; d < cols / 8; ++d) state.o[m][d] = {};
#pragma unroll
    for (int h = 0; h < 2; ++h) state.most[m][h] = -INFINITY, state.sum[m][h] = 0.0f;
  }
}

/* Give the queries the sign of scale, so that the largest score is that of the largest product. A
 * thread does the chunks that it has copied. */
template <int cols, int rows>
CUDROPI_DEVICE void cudropi_forward_negate(uint16_t *tile) {
  cudropi_chunk_t<2> *const chunks = reinterpret_cast<cudropi_chunk_t<2> *>(tile);
  constexpr int in_row = cols / CUDROPI_CHUNK, step = CUDROPI_ATTEND_THREADS / in_row;
  const int place = cudropi_tile_place<cols, cudropi_by_ones>((int)threadIdx.x / in_row,
                                                              (int)threadIdx.x % in_row);
#pragma unroll 1
  for (int i = 0; i < rows / step; ++i) {
    cudropi_chunk_t<2> &chunk =
        chunks[cudropi_tile_move<cols, cudropi_by_ones>(place, i * step, 0) /
               CUDROPI_CHUNK];
#pragma unroll
    for (int w = 0; w < 4; ++w) chunk.word[w] ^= 0x80008000u;
  }
}

/* s = Q K^T for the 64 keys from `from` on; -infinity for what is not seen. `own` is the row of the
 * warp's first query in the tile of Q. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_forward_scores(const uint16_t *tile_q, int own,
                                           const uint16_t *tile_k,
                                           const cudropi_forward_rows_t &rows, int from,
                                           cudropi_sum_t (&s)[8][tiles]) {
  cudropi_left_t q[tiles][cols / 16];
  cudropi_load_queries<cols, tiles>(tile_q, own, q);
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int m = 0; m < tiles; ++m) s[n][m] = {};
    cudropi_multiply_keys<Type, cols, tiles>(tile_k, n, q, s[n]);
  }
  if (cudropi_all_see(rows.sight, rows.first, 16 * tiles, from, CUDROPI_STEP_KEYS))
    return;
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int query = cudropi_row_of(rows.first, m, h);
      const int seen = cudropi_count_seen(rows.sight, query),
                begin = cudropi_first_seen(rows.sight, query);
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int key = from + cudropi_key_of_element(n, e);
          if (key >= seen || key < begin) s[n][m].at[2 * h + e] = -INFINITY;
        }
      }
    }
  }
}

/* Make weights of the scores of row h of tile m. o and the sum before get a factor if `most`
 * grows. */
template <int cols, int tiles>
CUDROPI_DEVICE void cudropi_forward_weigh(float scale_log2, float lift, int m, int h,
                                          cudropi_forward_t<cols, tiles> &state,
                                          cudropi_sum_t (&s)[8][tiles]) {
  float most = state.most[m][h];
#pragma unroll
  for (int n = 0; n < 8; ++n)
    most = fmaxf(most, fmaxf(s[n][m].at[2 * h], s[n][m].at[2 * h + 1]));
  most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
  most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
  const float reference = most == -INFINITY ? 0.0f : __fmul_rn(most, scale_log2);
  /* 1 if `most` does not grow: a fused product would leave what the reference was rounded by. */
  const float factor = cudropi_exp2(__fmul_rn(state.most[m][h], scale_log2) - reference);
  const float lifted = lift - reference;
  float total = state.sum[m][h] * factor;
  state.most[m][h] = most;
#pragma unroll
  for (int d = 0; d < cols / 8; ++d) {
    state.o[m][d].at[2 * h] *= factor;
    state.o[m][d].at[2 * h + 1] *= factor;
  }
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int e = 2 * h; e < 2 * h + 2; ++e) {
      s[n][m].at[e] = cudropi_exp2(__fmaf_rn(s[n][m].at[e], scale_log2, lifted));
      total = total + s[n][m].at[e];
    }
  }
  state.sum[m][h] = total;
}

/* Drop weights of row h of tile m. */
template <int tiles>
CUDROPI_DEVICE void cudropi_forward_drop(const cudropi_rows_mask_t &mask,
                                         const cudropi_forward_rows_t &rows, int from,
                                         int m, int h, cudropi_sum_t (&s)[8][tiles]) {
#pragma unroll
  for (int stretch = 0; stretch < 2; ++stretch) {
    const cudrop_philox_block_t block = cudropi_draw_group(
        mask, rows.groups, cudropi_row_of(rows.first, m, h),
        from / CUDROPI_CHUNK + 4 * stretch + (int)(cudropi_lane() % 4));
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      float(&pair)[4] = s[4 * stretch + k][m].at;
      bool low, high;
      cudropi_keep_pair(block.word[k], mask.schedule.least, low, high);
      pair[2 * h] = low ? pair[2 * h] : 0.0f;
      pair[2 * h + 1] = high ? pair[2 * h + 1] : 0.0f;
    }
  }
}

/* Make of scores dropped weights, as left operands of the products with V. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_forward_step(const cudropi_rows_mask_t &mask,
                                         const cudropi_forward_rows_t &rows, int from,
                                         cudropi_forward_t<cols, tiles> &state,
                                         cudropi_sum_t (&s)[8][tiles],
                                         cudropi_left_t (&p)[4][tiles]) {
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      cudropi_forward_weigh(rows.scale_log2, cudropi_lift<Type>::at, m, h, state, s);
      if (rows.draws) cudropi_forward_drop(mask, rows, from, m, h, s);
#pragma unroll
      for (int n = 0; n < 8; ++n)
        p[n / 2][m].word[h + 2 * (n % 2)] =
            cudropi_pack_pair<Type>(s[n][m].at[2 * h], s[n][m].at[2 * h + 1]);
    }
  }
}

/* Store o and lse. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_forward_end(const cudropi_attend_args_t &args,
                                        const cudropi_rows_mask_t &mask,
                                        const cudropi_forward_rows_t &rows, int64_t row,
                                        const cudropi_forward_t<cols, tiles> &state) {
  const int64_t o = cudropi_attend_place(args, CUDROPI_ATTEND_O, row);
  const int t = (int)cudropi_lane() % 4;
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int query = cudropi_row_of(rows.first, m, h);
      float total = state.sum[m][h];
      total = total + __shfl_xor_sync(0xffffffffu, total, 1);
      total = total + __shfl_xor_sync(0xffffffffu, total, 2);
      if (query >= args.options.attention.visible.queries) continue;
      const bool is_zero = total == 0.0f || cudropi_drops_all(args, mask);
      const float factor = mask.schedule.scale / total;
      const int64_t at = o + query * cudropi_query_stride(args, CUDROPI_ATTEND_O) + 2 * t;
      if (t == 0)
        cudropi_row_write(args, CUDROPI_ATTEND_LSE, row + query,
                          state.most[m][h] * rows.scale_log2 * CUDROPI_LN_2 +
                              logf(total * cudropi_lift<Type>::back));
#pragma unroll
      for (int d = 0; d < cols / 8; ++d) {
        const float a = state.o[m][d].at[2 * h] * factor,
                    b = state.o[m][d].at[2 * h + 1] * factor;
        cudropi_store_pair<Type>(args.side[CUDROPI_ATTEND_O].data, at + 8 * d, false,
                                 is_zero ? 0.0f : a, is_zero ? 0.0f : b);
      }
    }
  }
}

/* A block: the queries [first, first + rows) of the head whose rows begin at `row`. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_forward_block(const cudropi_attend_args_t &args,
                                          const cudropi_rows_mask_t &mask, int64_t row,
                                          int first, uint16_t *shared) {
  constexpr int block_rows = CUDROPI_ATTEND_WARPS * 16 * tiles;
  constexpr int tile_size = CUDROPI_STEP_KEYS * cols;
  uint16_t *const shared_k = shared + block_rows * cols; /* two tiles of each */
  uint16_t *const shared_v = shared_k + 2 * tile_size;
  const int queries = (int)args.options.attention.visible.queries;
  const int own = (int)(threadIdx.x / CUDROPI_WARP) * 16 * tiles;
  const float scale_log2 = args.options.attention.scores_scale * CUDROPI_LOG2_E;
  const cudropi_forward_rows_t rows = {
      first + own, cudropi_find_sight(args, row), cudropi_find_groups(args, mask, row),
      fabsf(scale_log2), mask.schedule.fate == CUDROP_MASK_DRAWN};
  const cudropi_lines_t k = cudropi_key_lines(args, CUDROPI_ATTEND_K, row),
                        v = cudropi_key_lines(args, CUDROPI_ATTEND_V, row);
  const int end =
      cudropi_count_seen(rows.sight, cudropi_smaller(first + block_rows, queries) - 1);
  const int begin = cudropi_first_seen(rows.sight, first);
  const int start = begin / CUDROPI_STEP_KEYS * CUDROPI_STEP_KEYS;
  cudropi_forward_t<cols, tiles> state;

  cudropi_fetch_tile<cols, block_rows, cudropi_by_ones>(
      shared, cudropi_query_lines(args, CUDROPI_ATTEND_Q, row), first, queries);
  cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_k, k, start, end,
                                                                begin);
  cudropi_end_batch();
  cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_v, v, start, end,
                                                                begin);
  cudropi_end_batch();
  cudropi_await_batches<1>();
  if (scale_log2 < 0.0f) cudropi_forward_negate<cols, block_rows>(shared);
  __syncthreads();
  cudropi_forward_begin(state);
#pragma unroll 1
  for (int from = start, turn = 0; from < end; from += CUDROPI_STEP_KEYS, turn ^= 1) {
    const int next = from + CUDROPI_STEP_KEYS;
    const bool sees = cudropi_any_sees(rows.sight, rows.first, 16 * tiles, from,
                                       CUDROPI_STEP_KEYS); /* the same in a warp */
    cudropi_left_t p[4][tiles];
    if (next < end)
      cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(
          shared_k + (turn ^ 1) * tile_size, k, next, end);
    cudropi_end_batch();
    if (sees) {
      cudropi_sum_t s[8][tiles];
      cudropi_forward_scores<Type, cols>(shared, own, shared_k + turn * tile_size, rows,
                                         from, s);
      cudropi_forward_step<Type>(mask, rows, from, state, s, p);
    }
    cudropi_await_batches<1>(); /* V of this step */
    __syncthreads();
    if (next < end)
      cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(
          shared_v + (turn ^ 1) * tile_size, v, next, end);
    cudropi_end_batch();
    if (sees) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        cudropi_multiply_rows<Type, cols, tiles>(shared_v + turn * tile_size, i, p[i],
                                                 state.o);
    }
    cudropi_await_batches<1>(); /* K of the next step */
    __syncthreads();
  }
  cudropi_await_batches<0>();
  cudropi_forward_end<Type>(args, mask, rows, row, state);
}

template <class Type, int cols, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_TILE_BLOCKS)
    cudropi_attend_tensor(const __grid_constant__ cudropi_attend_args_t args) {
  if constexpr (cudropi_has_tensor_cores) {
    DYNAMIC_SHARED(uint16_t, shared);
    using shape = cudropi_forward_shape<cols>;
    cudropi_begin_batches();
    CUDROPI_ROWS_MASK(walk, args, mask);
    const int64_t queries = args.options.attention.visible.queries;
    const uint32_t tiles = (uint32_t)((queries + shape::rows - 1) / shape::rows);
    const uint32_t head = blockIdx.x / tiles, tile = blockIdx.x - head * tiles;
    /* The last queries first: if causal, they take longest. */
    cudropi_forward_block<Type, cols, shape::tiles>(
        args, mask, head * queries, (int)(tiles - 1 - tile) * shape::rows, shared);
  }
}

#endif /* CUDROP_KERNEL_ATTEND_TENSOR_CUH */
