/*
 * attend_gradient_tensor.cuh - the gradients of Q, K and V by tensor cores
 *
 *   P = e^(scale Q K^T - lse)      dS = P (keep ? dO V^T / (1 - p) : 0  - delta)
 *   dQ = scale dS K                dK = scale dS^T Q          dV = (keep ? P / (1 - p) : 0)^T dO
 *
 * A kernel has queries and goes through keys, for dQ; the other has keys and goes through queries,
 * for dK and dV. Each makes P and dS again, and draws the mask: no sum is shared, and nothing is
 * atomic. P is made lifted (attend_row.cuh), and dS with numbers that take the lift back.
 */
#ifndef CUDROP_KERNEL_ATTEND_GRADIENT_TENSOR_CUH
#define CUDROP_KERNEL_ATTEND_GRADIENT_TENSOR_CUH

#include "attend/attend_tile.cuh"

/* What is the same for all pairs of a query and a key. */
struct cudropi_slopes_t {
  float scale_log2; /* scale / ln 2 */
  float factor;     /* 1 / (1 - p), lift taken back */
  uint32_t least;   /* of the mask's schedule */
  bool draws;
};

CUDROPI_DEVICE cudropi_slopes_t cudropi_find_slopes(const cudropi_attend_args_t &args,
                                                    const cudropi_rows_mask_t &mask) {
  const bool draws = mask.schedule.fate == CUDROP_MASK_DRAWN;
  return {args.options.attention.scores_scale * CUDROPI_LOG2_E,
          mask.schedule.scale * CUDROPI_UNLIFT, mask.schedule.least, draws};
}

/* Of a query, made by attend_delta.cuh: what is added to a score times scale / ln 2, and delta with
 * the lift taken back. */
struct cudropi_slope_row_t {
  float lifted, delta;
};

/* A score whose weight is 0. */
CUDROPI_DEVICE float cudropi_hidden_score(float scale_log2) {
  return scale_log2 < 0.0f ? INFINITY : -INFINITY;
}

/* dS / scale, of the lifted weight and of dP. Without a draw every word is kept: with p = 1 the
 * factor is 0. */
CUDROPI_DEVICE float cudropi_slope(const cudropi_slopes_t &slopes,
                                   const cudropi_slope_row_t &row, float weight, float dp,
                                   bool is_kept) {
  return weight * __fmaf_rn(is_kept ? dp : 0.0f, slopes.factor, -row.delta);
}

/* ---- dQ ---------------------------------------------------------------------------------- */

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

/* Hide the scores of a stretch of 32 keys, from `from` on, that row h does not see. */
CUDROPI_DEVICE void cudropi_queries_hide(float hidden, int seen, int from, int h,
                                         cudropi_sum_t (&s)[4][1]) {
#pragma unroll
  for (int n = 0; n < 4; ++n) {
#pragma unroll
    for (int e = 0; e < 2; ++e)
      if (from + cudropi_key_of_element(n, e) >= seen) s[n][0].at[2 * h + e] = hidden;
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
  const bool all = from + 32 <= cudropi_count_seen(state.sight, state.first);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int query = state.first + (int)cudropi_lane() / 4 + 8 * h;
    cudrop_philox_block_t block = {};
    if (!all)
      cudropi_queries_hide(cudropi_hidden_score(slopes.scale_log2),
                           cudropi_count_seen(state.sight, query), from, h, s);
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
  cudropi_load_queries<cols, 1>(tile_q, own, state.q);
#pragma unroll
  for (int d = 0; d < cols / 8; ++d) state.dq[0][d] = {};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int query = state.first + (int)cudropi_lane() / 4 + 8 * h;
    const bool is_there = query < args.options.attention.visible.queries;
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
  const cudropi_slopes_t slopes = cudropi_find_slopes(args, mask);
  const cudropi_lines_t k = cudropi_key_lines(args, CUDROPI_ATTEND_K, row),
                        v = cudropi_key_lines(args, CUDROPI_ATTEND_V, row);
  cudropi_queries_t<cols> state;
  state.first = first + own;
  state.sight = cudropi_find_sight(args, row);
  state.groups = cudropi_find_groups(args, mask, row);
  const int end =
      cudropi_count_seen(state.sight, cudropi_smaller(first + rows, queries) - 1);
  const int own_end = cudropi_count_seen(state.sight, state.first + 15);

  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(
      shared, cudropi_query_lines(args, CUDROPI_ATTEND_Q, row), first, queries);
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(
      shared_dout, cudropi_query_lines(args, CUDROPI_ATTEND_DOUT, row), first, queries);
  cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_k, k, 0, end);
  cudropi_fetch_tile<cols, CUDROPI_STEP_KEYS, cudropi_by_pairs>(shared_v, v, 0, end);
  cudropi_end_batch();
  cudropi_await_batches<0>();
  __syncthreads();
  cudropi_queries_begin(args, row, own, shared, state);
#pragma unroll 1
  for (int from = 0, turn = 0; from < end; from += CUDROPI_STEP_KEYS, turn ^= 1) {
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
      if (from + at < own_end) /* the same for all threads of a warp */
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

/* ---- dK and dV --------------------------------------------------------------------------- */

/*
 * Keys are down and queries across, so that P and dS, transposed, are left operands as they stand.
 * The 16 keys of a tile stand in this order:
 *
 *   row g + 8 h  <->  key 2 g + h
 *
 * so that a thread's two keys are a word of the mask, and four threads whose g differ in the lower
 * two bits need the same groups. Each draws one of four, those of queries 2 t and 2 t + 1 in two
 * products, and they exchange words.
 */
template <int cols>
struct cudropi_keys_shape {
  static constexpr int tiles = cols == 64 ? 2 : 1; /* of 16 keys, of a warp */
  static constexpr int rows = CUDROPI_ATTEND_WARPS * 16 * tiles; /* keys of a block */
  static constexpr int numbers = 2 * 2 * CUDROPI_STEP_QUERIES;   /* of the rows */
  static constexpr int bytes =
      (2 * rows + 4 * CUDROPI_STEP_QUERIES) * cols * 2 + numbers * 4;
};

/* What a warp keeps of a head in shared memory: registers are few. */
struct cudropi_keys_head_t {
  cudropi_lines_t q, dout;
  cudropi_groups_t groups;
  cudropi_sight_t sight;
};

/* The queries of a step. */
struct cudropi_keys_place_t {
  int64_t row; /* the head's first query */
  int from;    /* the step's first query in the head */
  int side;    /* where the head is kept: heads take turns */
};

/* The state of a warp. */
template <int cols, int tiles>
struct cudropi_keys_t {
  cudropi_sum_t dk[tiles][cols / 8], dv[tiles][cols / 8];
  int first; /* the warp's first key */
  int own;   /* that key's row in the block's tiles */
};

/* The tiles of a block in shared memory, and the numbers of their queries. */
template <int cols>
struct cudropi_keys_shared_t {
  uint16_t *k, *v, *q, *dout;
  float *lifted, *delta; /* of cudropi_slope_row_t */

  /* Those of the queries `rows` behind. */
  __device__ __forceinline__ cudropi_keys_shared_t at(int rows) const {
    return {k, v, q + rows * cols, dout + rows * cols, lifted + rows, delta + rows};
  }
};

/* Exchange words among the lanes whose number differs in bits 2 and 3: word[i] becomes word `index`
 * of the block of lane i, which are this lane's bits. */
CUDROPI_DEVICE void cudropi_trade_words(const cudrop_philox_block_t &block,
                                        uint32_t (&word)[4]) {
  const bool odd = cudropi_lane() & 4, upper = cudropi_lane() & 8;
  /* sent[s] = word index ^ s, which lane index ^ s wants, selected without an index. */
  uint32_t a = odd ? block.word[1] : block.word[0],
           b = odd ? block.word[0] : block.word[1];
  uint32_t c = odd ? block.word[3] : block.word[2],
           d = odd ? block.word[2] : block.word[3];
  uint32_t sent[4] = {upper ? c : a, upper ? d : b, upper ? a : c, upper ? b : d};
  sent[1] = __shfl_xor_sync(0xffffffffu, sent[1], 4);
  sent[2] = __shfl_xor_sync(0xffffffffu, sent[2], 8);
  sent[3] = __shfl_xor_sync(0xffffffffu, sent[3], 12);
  /* word[index ^ s] = sent[s], which now is a word of lane index ^ s. */
  a = odd ? sent[1] : sent[0], b = odd ? sent[0] : sent[1];
  c = odd ? sent[3] : sent[2], d = odd ? sent[2] : sent[3];
  word[0] = upper ? c : a;
  word[1] = upper ? d : b;
  word[2] = upper ? a : c;
  word[3] = upper ? b : d;
}

/* s = K Q^T and dp = V dO^T, for the first 16 queries. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_products(const cudropi_keys_shared_t<cols> &shared,
                                          int own, cudropi_sum_t (&s)[tiles][2],
                                          cudropi_sum_t (&dp)[tiles][2]) {
  const int lane = (int)cudropi_lane();
  const int right = cudropi_tile_place<cols, cudropi_by_ones>(lane & 7, lane / 8);
  const int left = cudropi_tile_place<cols, cudropi_by_twos>(
      own + 2 * (lane & 7) + (lane >> 3 & 1), lane / 16);
#pragma unroll
  for (int half = 0; half < cols / 32; ++half) {
    uint32_t q[2][4], dout[2][4];
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int place = cudropi_tile_move<cols, cudropi_by_ones>(right, 8 * n, 4 * half);
      cudropi_load_matrices(shared.q + place, q[n]);
      cudropi_load_matrices(shared.dout + place, dout[n]);
    }
#pragma unroll
    for (int a = 0; a < tiles; ++a) {
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int of_tile = 16 * a * cols;
        const cudropi_left_t keys = cudropi_load_left<cols, cudropi_by_twos>(
            shared.k + of_tile, left, 2 * half + k);
#pragma unroll
        for (int n = 0; n < 2; ++n)
          cudropi_multiply(Type(), s[a][n], keys, q[n][2 * k], q[n][2 * k + 1]);
        const cudropi_left_t values = cudropi_load_left<cols, cudropi_by_twos>(
            shared.v + of_tile, left, 2 * half + k);
#pragma unroll
        for (int n = 0; n < 2; ++n)
          cudropi_multiply(Type(), dp[a][n], values, dout[n][2 * k], dout[n][2 * k + 1]);
      }
    }
  }
}

/* Hide the scores of 16 queries, from `from` on, that do not see a tile's keys from `key` on. */
CUDROPI_DEVICE void cudropi_keys_hide(float hidden, const cudropi_sight_t &sight,
                                      int queries, int from, int key,
                                      cudropi_sum_t (&s)[2]) {
  const int lane = (int)cudropi_lane();
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int query = from + 8 * n + 2 * (lane % 4) + e;
      const int seen = query < queries ? cudropi_count_seen(sight, query) : 0;
#pragma unroll
      for (int h = 0; h < 2; ++h)
        if (key + 2 * (lane / 4) + h >= seen) s[n].at[2 * h + e] = hidden;
    }
  }
}

/* Make of a tile's scores and dP, for 16 queries, the lifted weights and dS / scale, as left
 * operands. `word` has the mask: of queries e of product n, word[2 n + e]. */
template <class Type>
CUDROPI_DEVICE void cudropi_keys_slopes(const cudropi_slopes_t &slopes,
                                        const cudropi_slope_row_t (&row)[4],
                                        const uint32_t (&word)[4],
                                        const cudropi_sum_t (&s)[2],
                                        const cudropi_sum_t (&dp)[2], cudropi_left_t &p,
                                        cudropi_left_t &ds) {
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    float weight[2][2], slope[2][2]; /* of key h, query e */
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      bool kept[2];
      cudropi_keep_pair(word[2 * n + e], slopes.least, kept[0], kept[1]);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float made = cudropi_exp2(
            __fmaf_rn(s[n].at[2 * h + e], slopes.scale_log2, row[2 * n + e].lifted));
        weight[h][e] = kept[h] ? made : 0.0f;
        slope[h][e] =
            cudropi_slope(slopes, row[2 * n + e], made, dp[n].at[2 * h + e], kept[h]);
      }
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      p.word[h + 2 * n] = cudropi_pack_pair<Type>(weight[h][0], weight[h][1]);
      ds.word[h + 2 * n] = cudropi_pack_pair<Type>(slope[h][0], slope[h][1]);
    }
  }
}

/* dv += P dO and dk += dS Q, for the first 16 queries. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_add(const cudropi_keys_shared_t<cols> &shared,
                                     const cudropi_left_t (&p)[tiles],
                                     const cudropi_left_t (&ds)[tiles],
                                     cudropi_keys_t<cols, tiles> &state) {
  const int lane = (int)cudropi_lane();
  const int place = cudropi_tile_place<cols, cudropi_by_ones>(lane % 16, lane / 16);
#pragma unroll
  for (int d = 0; d < cols / 8; d += 2) {
    const int moved = cudropi_tile_move<cols, cudropi_by_ones>(place, 0, d);
    uint32_t right[4];
    cudropi_load_transposed(shared.dout + moved, right);
#pragma unroll
    for (int a = 0; a < tiles; ++a) {
      cudropi_multiply(Type(), state.dv[a][d], p[a], right[0], right[1]);
      cudropi_multiply(Type(), state.dv[a][d + 1], p[a], right[2], right[3]);
    }
    cudropi_load_transposed(shared.q + moved, right);
#pragma unroll
    for (int a = 0; a < tiles; ++a) {
      cudropi_multiply(Type(), state.dk[a][d], ds[a], right[0], right[1]);
      cudropi_multiply(Type(), state.dk[a][d + 1], ds[a], right[2], right[3]);
    }
  }
}

/* Add what 16 queries of a head give, from `from` on, which are the first ones in `shared`. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_part(const cudropi_attend_args_t &args,
                                      const cudropi_rows_mask_t &mask,
                                      const cudropi_slopes_t &slopes,
                                      const cudropi_keys_head_t &head, int from,
                                      const cudropi_keys_shared_t<cols> &shared,
                                      cudropi_keys_t<cols, tiles> &state) {
  const int lane = (int)cudropi_lane(), g = lane / 4, t = lane % 4;
  const int queries = (int)args.options.attention.visible.queries;
  const bool all = from + 16 <= queries &&
                   state.first + 16 * tiles <= cudropi_count_seen(head.sight, from);
  cudropi_sum_t s[tiles][2] = {}, dp[tiles][2] = {};
  cudropi_left_t p[tiles], ds[tiles];
  cudropi_slope_row_t row[4];
  cudropi_keys_products<Type>(shared, state.own, s, dp);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int query = 8 * (i / 2) + 2 * t + i % 2;
    row[i] = {shared.lifted[query], shared.delta[query]};
  }
#pragma unroll
  for (int a = 0; a < tiles; ++a) {
    const int key = state.first + 16 * a;
    uint32_t word[4] = {};
    if (!all)
      cudropi_keys_hide(cudropi_hidden_score(slopes.scale_log2), head.sight, queries,
                        from, key, s[a]);
    if (slopes.draws)
      cudropi_trade_words(
          cudropi_draw_group(mask, head.groups, from + 8 * (g >> 1 & 1) + 2 * t + (g & 1),
                             key / CUDROPI_CHUNK + g / 4),
          word);
    cudropi_keys_slopes<Type>(slopes, row, word, s[a], dp[a], p[a], ds[a]);
  }
  cudropi_keys_add<Type>(shared, p, ds, state);
}

/* Begin to copy the queries of a step. */
template <int cols>
CUDROPI_DEVICE void cudropi_keys_fetch(const cudropi_attend_args_t &args,
                                       const cudropi_keys_place_t &place,
                                       const cudropi_keys_head_t &head,
                                       const cudropi_keys_shared_t<cols> &shared) {
  constexpr int rows = CUDROPI_STEP_QUERIES;
  const int queries = (int)args.options.attention.visible.queries;
  const int lane = (int)cudropi_lane();
  const bool is_there = place.from + lane < queries;
  const int query = is_there ? place.from + lane : 0;
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(shared.q, head.q, place.from, queries);
  cudropi_fetch_tile<cols, rows, cudropi_by_ones>(shared.dout, head.dout, place.from,
                                                  queries);
  const float *const numbers = args.of_rows + args.rows + place.row + query;
  if (threadIdx.x < CUDROPI_WARP)
    cudropi_copy4(shared.lifted + lane, numbers, is_there);
  else if (threadIdx.x < 2 * CUDROPI_WARP)
    cudropi_copy4(shared.delta + lane, numbers + args.rows, is_there);
}

/* Go to the first step of this head or of a later one before `end` that sees the key `key`. A head
 * that is gone to is kept in head[place.side]. */
CUDROPI_DEVICE void cudropi_keys_seek(const cudropi_attend_args_t &args,
                                      const cudropi_rows_mask_t &mask, int64_t end,
                                      int key, cudropi_keys_place_t &place,
                                      cudropi_keys_head_t *head) {
  const int64_t queries = args.options.attention.visible.queries;
#pragma unroll 1
  for (place.from = 0; place.row < end; place.row += queries) {
    const cudropi_sight_t sight = cudropi_find_sight(args, place.row);
    /* Query i sees the key if i + ahead > key. */
    const int first = cudropi_larger(0, key + 1 - sight.ahead);
    if (key >= sight.end || first >= queries) continue;
    place.from = first / CUDROPI_STEP_QUERIES * CUDROPI_STEP_QUERIES;
    place.side ^= 1;
    if (cudropi_lane() == 0)
      head[place.side] = {cudropi_query_lines(args, CUDROPI_ATTEND_Q, place.row),
                          cudropi_query_lines(args, CUDROPI_ATTEND_DOUT, place.row),
                          cudropi_find_groups(args, mask, place.row), sight};
    __syncwarp();
    return;
  }
}

CUDROPI_DEVICE void cudropi_keys_next(const cudropi_attend_args_t &args,
                                      const cudropi_rows_mask_t &mask, int64_t end,
                                      int key, cudropi_keys_place_t &place,
                                      cudropi_keys_head_t *head) {
  const int64_t queries = args.options.attention.visible.queries;
  place.from += CUDROPI_STEP_QUERIES;
  if (place.from < queries) return;
  place.row += queries;
  cudropi_keys_seek(args, mask, end, key, place, head);
}

/* The most keys that a query of the heads [row, end) sees. */
CUDROPI_DEVICE int cudropi_keys_seen(const cudropi_attend_args_t &args, int64_t row,
                                     int64_t end) {
  const int64_t queries = args.options.attention.visible.queries;
  int most = 0;
#pragma unroll 1
  for (; row < end; row += queries)
    most = cudropi_larger(
        most, cudropi_count_seen(cudropi_find_sight(args, row), (int)queries - 1));
  return most;
}

/* Store a warp's sums for its keys. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_store(const cudropi_attend_args_t &args, int operand,
                                       int64_t row, int first, float factor,
                                       const cudropi_sum_t (&sum)[tiles][cols / 8]) {
  const int lane = (int)cudropi_lane();
  const int64_t begin = cudropi_attend_place(args, operand, row) + 2 * (lane % 4);
  if (!cudropi_attend_has(args, operand)) return;
#pragma unroll
  for (int a = 0; a < tiles; ++a) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int key = first + 16 * a + 2 * (lane / 4) + h;
      if (key >= args.options.attention.visible.keys) continue;
#pragma unroll
      for (int d = 0; d < cols / 8; ++d)
        cudropi_store_pair<Type>(args.side[operand].data,
                                 begin + key * args.options.key_stride[operand] + 8 * d,
                                 args.adds_to_data,
                                 cudropi_attend_scale(sum[a][d].at[2 * h], factor),
                                 cudropi_attend_scale(sum[a][d].at[2 * h + 1], factor));
    }
  }
}

/* A block: the keys [first, first + rows) of the heads whose rows begin at `row`. */
template <class Type, int cols, int tiles>
CUDROPI_DEVICE void cudropi_keys_block(const cudropi_attend_args_t &args,
                                       const cudropi_rows_mask_t &mask, int64_t row,
                                       int first,
                                       const cudropi_keys_shared_t<cols> &shared,
                                       cudropi_keys_head_t *head) {
  constexpr int rows = CUDROPI_ATTEND_WARPS * 16 * tiles, step = CUDROPI_STEP_QUERIES;
  const int64_t end = row + args.options.group * args.options.attention.visible.queries;
  const int seen = cudropi_keys_seen(args, row, end);
  const cudropi_slopes_t slopes = cudropi_find_slopes(args, mask);
  cudropi_keys_place_t place = {row, 0, 0};
  cudropi_keys_t<cols, tiles> state;
  state.own = (int)(threadIdx.x / CUDROPI_WARP) * 16 * tiles;
  state.first = first + state.own;
#pragma unroll
  for (int a = 0; a < tiles; ++a) {
#pragma unroll
    for (int d = 0; d < cols / 8; ++d) state.dk[a][d] = {}, state.dv[a][d] = {};
  }
  cudropi_keys_seek(args, mask, end, first, place, head);
  cudropi_fetch_tile<cols, rows, cudropi_by_twos>(
      shared.k, cudropi_key_lines(args, CUDROPI_ATTEND_K, row), first, seen);
  cudropi_fetch_tile<cols, rows, cudropi_by_twos>(
      shared.v, cudropi_key_lines(args, CUDROPI_ATTEND_V, row), first, seen);
  if (place.row < end) cudropi_keys_fetch(args, place, head[place.side], shared);
  cudropi_end_batch();
  cudropi_await_batches<0>();
  __syncthreads();
#pragma unroll 1
  for (int turn = 0; place.row < end; turn ^= 1) {
    const cudropi_keys_head_t &now = head[place.side];
    const int from = place.from;
    cudropi_keys_next(args, mask, end, first, place, head);
    if (place.row < end)
      cudropi_keys_fetch(args, place, head[place.side], shared.at((turn ^ 1) * step));
    cudropi_end_batch();
#pragma unroll 1
    for (int at = 0; at < step; at += 16) /* the same for all threads of a warp */
      if (state.first < cudropi_count_seen(now.sight, from + at + 15))
        cudropi_keys_part<Type>(args, mask, slopes, now, from + at,
                                shared.at(turn * step + at), state);
    cudropi_await_batches<0>();
    __syncthreads();
  }
  cudropi_keys_store<Type, cols, tiles>(args, CUDROPI_ATTEND_DK, row, state.first,
                                        args.options.attention.scores_scale, state.dk);
  cudropi_keys_store<Type, cols, tiles>(args, CUDROPI_ATTEND_DV, row, state.first,
                                        slopes.factor, state.dv);
}

template <class Type, int cols, cudropi_rows_walk_t walk>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_TILE_BLOCKS)
    cudropi_attend_keys_tensor(const __grid_constant__ cudropi_attend_args_t args) {
  if constexpr (cudropi_has_tensor_cores) {
    DYNAMIC_SHARED(uint16_t, memory);
    using shape = cudropi_keys_shape<cols>;
    constexpr int step = CUDROPI_STEP_QUERIES;
    SHARED_ARRAY(cudropi_keys_head_t, heads, 2 * CUDROPI_ATTEND_WARPS);
    cudropi_begin_batches();
    CUDROPI_ROWS_MASK(walk, args, mask);
    cudropi_keys_shared_t<cols> shared;
    shared.k = memory;
    shared.v = shared.k + shape::rows * cols;
    shared.q = shared.v + shape::rows * cols;
    shared.dout = shared.q + 2 * step * cols;
    shared.lifted = reinterpret_cast<float *>(shared.dout + 2 * step * cols);
    shared.delta = shared.lifted + 2 * step;
    const cudropi_visible_t &visible = args.options.attention.visible;
    const uint32_t tiles = (uint32_t)((visible.keys + shape::rows - 1) / shape::rows);
    const uint32_t head = blockIdx.x / tiles, tile = blockIdx.x - head * tiles;
    cudropi_keys_block<Type, cols, shape::tiles>(
        args, mask, head * args.options.group * visible.queries, (int)tile * shape::rows,
        shared, heads + 2 * (threadIdx.x / CUDROPI_WARP));
  }
}

#endif /* CUDROP_KERNEL_ATTEND_GRADIENT_TENSOR_CUH */
