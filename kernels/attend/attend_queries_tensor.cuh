/* attend_queries_tensor.cuh - dQ = scale dS K by tensor cores */
#ifndef CUDROP_KERNEL_ATTEND_QUERIES_TENSOR_CUH
#define CUDROP_KERNEL_ATTEND_QUERIES_TENSOR_CUH

#include "attend/attend_slope.cuh"

template <int cols>
struct cudropi_queries_shape {
  static constexpr int rows = CUDROPI_ATTEND_WARPS * 16; /* of a block */
  static constexpr int bytes = (2 * rows + 4 * CUDROPI_STEP_KEYS) * cols * 2;
};

/* The state of a warp of 16 queries. */
template <int cols>
struct cudropi_queries_t {
  cudropi_left_t q[1][cols / 16];
  cudropi_sum_t dq[1][cols / 8];
  cudropi_slope_row_t row[2];
  int first; /* the warp's first query in the head */
  cudropi_sight_t sight;
  cudropi_groups_t groups;
};

/* Hide the scores of a stretch of 32 keys, from `from` on, that row h, a query, does not see. */
CUDROPI_DEVICE void cudropi_queries_hide(float hidden, const cudropi_sight_t &sight,
                                         int query, int from, int h,
                                         cudropi_sum_t (&s)[4][1]) {
  const int seen = cudropi_count_seen(sight, query),
            begin = cudropi_first_seen(sight, query);
#pragma unroll
  for (int n = 0; n < 4; ++n) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int key = from + cudropi_key_of_element(n, e);
      if (key >= seen || key < begin) s[n][0].at[2 * h + e] = hidden;
    }
  }
}

/* Make dS / scale of a stretch of 32 keys, from `from` on, as left operands. */
template <class Type, int cols>
CUDROPI_DEVICE void cudropi_queries_slopes(const cudropi_rows_mask_t &mask,
                                           const cudropi_slopes_t &slopes,
                                           const cudropi_queries_t<cols> &state, int from,
                                           cudropi_sum_t (&s)[4][1],
                                           const cudropi_sum_t (&dp)[4][1],
                                           cudropi_left_t (&ds)[2][1]) {
  const bool all = cudropi_all_see(state.sight, state.first, 16, from, 32);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int query = state.first + (int)cudropi_lane() / 4 + 8 * h;
    cudrop_philox_block_t block = {};
    if (!all)
      cudropi_queries_hide(cudropi_hidden_score(slopes.scale_log2), state.sight, query,
                           from, h, s);
    if (slopes.draws)
      block = cudropi_draw_group(mask, state.groups, query,
                                 from / CUDROPI_CHUNK + (int)(cudropi_lane() % 4));
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      float made[2];
      bool kept[2];
      cudropi_keep_pair(block.word[n], slopes.least, kept[0], kept[1]);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float weight = cudropi_exp2(
            __fmaf_rn(s[n][0].at[2 * h + e], slopes.scale_log2, state.row[h].lifted));
        made[e] =
            cudropi_slope(slopes, state.row[h], weight, dp[n][0].at[2 * h + e], kept[e]);
      }
      ds[n / 2][0].word[h + 2 * (n % 2)] = cudropi_pack_pair<Type>(made[0], made[1]);
    }
  }
}

/* Add what the 32 keys from `from` on give, whose rows begin the tiles of K and V. The warp's rows
 * of dO begin at row `own` of their tile. */
template <class Type, int cols>
CUDROPI_DEVICE void cudropi_queries_stretch(const cudropi_rows_mask_t &mask,
                                            const cudropi_slopes_t &slopes,
                                            const uint16_t *tile_dout, int own,
                                            const uint16_t *tile_k,
                                            const uint16_t *tile_v, int from,
                                            cudropi_queries_t<cols> &state) {
  cudropi_sum_t s[4][1] = {}, dp[4][1] = {};
  cudropi_left_t dout[1][cols / 16], ds[2][1];
#pragma unroll
  for (int n = 0; n < 4; ++n)
    cudropi_multiply_keys<Type, cols, 1>(tile_k, n, state.q, s[n]);
  cudropi_load_queries<cols, 1>(tile_dout, own, dout);
#pragma unroll
  for (int n = 0; n < 4; ++n)
    cudropi_multiply_keys<Type, cols, 1>(tile_v, n, dout, dp[n]);
  cudropi_queries_slopes<Type>(mask, slopes, state, from, s, dp, ds);
#pragma unroll
  for (int i = 0; i < 2; ++i)
    cudropi_multiply_rows<Type, cols, 1>(tile_k, i, ds[i], state.dq);
}

template <int cols>
CUDROPI_DEVICE void cudropi_queries_begin(const cudropi_attend_args_t &args, int64_t row,
                                          int own, const uint16_t *tile_q,
                                          cudropi_queries_t<cols> &state) {
  const cudropi_range_t seers =
      cudropi_find_seers(state.sight, (int)args.options.attention.visible.queries);
  cudropi_load_queries<cols, 1>(tile_q, own, state.q);
#pragma unroll
  for (int d = 0; d < cols / 8; ++d) state.dq[0][d] = {};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int query = state.first + (int)cudropi_lane() / 4 + 8 * h;
    const bool is_there = query >= seers.begin && query < seers.end;
    state.row[h].lifted = is_there ? args.of_rows[args.rows + row + query] : -INFINITY;
    state.row[h].delta = is_there ? args.of_rows[2 * args.rows + row + query] : 0.0f;
  }
}

template <class Type, int cols>
CUDROPI_DEVICE void cudropi_queries_end(const cudropi_attend_args_t &args, int64_t row,
                                        const cudropi_queries_t<cols> &state) {
  const float scale = args.options.attention.scores_scale;
  const int64_t dq = cudropi_attend_place(args, CUDROPI_ATTEND_DQ, row);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int query = state.first + (int)cudropi_lane() / 4 + 8 * h;
    if (query >= args.options.attention.visible.queries) continue;
    const int64_t at = dq + query * cudropi_query_stride(args, CUDROPI_ATTEND_DQ) +
                       2 * (int)(cudropi_lane() % 4);
#pragma unroll
    for (int d = 0; d < cols / 8; ++d)
      cudropi_store_pair<Type>(args.side[CUDROPI_ATTEND_DQ].data, at + 8 * d,
                               args.adds_to_data,
                               cudropi_attend_scale(state.dq[0][d].at[2 * h], scale),
                               cudropi_attend_scale(state.dq[0][d].at[2 * h + 1], scale));
  }
}

/* A block: the queries [first, first + rows) of the head whose rows begin at `row`. */
template <class Type, int cols>
CUDROPI_DEVICE void cudropi_queries_block(const cudropi_attend_args_t &args,
                                          const cudropi_rows_mask_t &mask, int64_t row,
                                          int first, uint16_t *shared) {
  constexpr int rows = cudropi_queries_shape<cols>::rows;
  constexpr int tile_size = CUDROPI_STEP_KEYS * cols;
  uint16_t *const shared_dout = shared + rows * cols;
  uint16_t *const shared_k = shared_dout + rows * cols; /* two tiles of each */
  uint16_t *const shared_v = shared_k + 2 * tile_size;
  const int queries = (int)args.options.attention.visible.queries;
  const int own = (int)(threadIdx.x / CUDROPI_WARP) * 16;
  const cudropi_slopes_t slopes = cudropi_find_slopes<Type>(args, mask);
  const cudropi_lines_t k = cudropi_key_lines(args, CUDROPI_ATTEND_K, row),
                        v = cudropi_key_lines(args, CUDROPI_ATTEND_V, row);
  cudropi_queries_t<cols> state;
  state.first = first + own;
  state.sight = cudropi_find_sight(args, row);
  state.groups = cudropi_find_groups(args, mask, row);
  const int end =
      cudropi_count_seen(state.sight, cudropi_smaller(first + rows, queries) - 1);
  const int begin = cudropi_first_seen(state.sight, first);
  const int start = begin / CUDROPI_STEP_KEYS * CUDROPI_STEP_KEYS;

  const cudropi_range_t seers = cudropi_find_seers(state.sight, queries);
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(
      shared, cudropi_query_lines(args, CUDROPI_ATTEND_Q, row), first, seers.end,
      seers.begin);
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(
      shared_dout, cudropi_query_lines(args, CUDROPI_ATTEND_DOUT, row), first, seers.end,
      seers.begin);
  cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_k, k, start, end,
                                                                begin);
  cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_v, v, start, end,
                                                                begin);
  cudropi_end_batch();
  cudropi_await_batches<0>();
  __syncthreads();
  cudropi_queries_begin(args, row, own, shared, state);
#pragma unroll 1
  for (int from = start, turn = 0; from < end; from += CUDROPI_STEP_KEYS, turn ^= 1) {
    const int next = from + CUDROPI_STEP_KEYS, other = (turn ^ 1) * tile_size;
    if (next < end) {
      cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_k + other, k,
                                                                    next, end);
      cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_v + other, v,
                                                                    next, end);
    }
    cudropi_end_batch();
#pragma unroll 1
    for (int at = 0; at < CUDROPI_STEP_KEYS; at += 32) {
      const int behind = turn * tile_size + at * cols;
      if (cudropi_any_sees(state.sight, state.first, 16, from + at, 32)) /* as its warp */
        cudropi_queries_stretch<Type>(mask, slopes, shared_dout, own, shared_k + behind,
                                      shared_v + behind, from + at, state);
    }
    cudropi_await_batches<0>();
    __syncthreads();
  }
  cudropi_queries_end<Type>(args, row, state);
}

template <class Type, int cols, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_TILE_BLOCKS)
    cudropi_attend_queries_tensor(const __grid_constant__ cudropi_attend_args_t args) {
  if constexpr (cudropi_has_tensor_cores) {
    DYNAMIC_SHARED(uint16_t, shared);
    constexpr int rows = cudropi_queries_shape<cols>::rows;
    cudropi_begin_batches();
    CUDROPI_ROWS_MASK(walk, args, mask);
    const int64_t queries = args.options.attention.visible.queries;
    const uint32_t tiles = (uint32_t)((queries + rows - 1) / rows);
    const uint32_t head = blockIdx.x / tiles, tile = blockIdx.x - head * tiles;
    /* The last queries first: if causal, they take longest. */
    cudropi_queries_block<Type, cols>(args, mask, head * queries,
                                      (int)(tiles - 1 - tile) * rows, shared);
  }
}

#endif /* CUDROP_KERNEL_ATTEND_QUERIES_TENSOR_CUH */
