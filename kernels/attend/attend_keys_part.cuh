/*
 * attend_keys_part.cuh - what 16 queries give to the keys of a warp, by tensor cores
 *
 *   dK += scale dS^T Q          dV += (keep ? P / (1 - p) : 0)^T dO
 *
 * Keys are down and queries across, so that P and dS, transposed, are left operands as they stand.
 * The 16 keys of a tile stand in this order:
 *
 *   row g + 8 h  <->  key 2 g + h
 *
 * so that a thread's two keys are a word of the mask, and four threads whose g differ in the lower
 * two bits need the same groups. Each draws one of four, those of queries 2 t and 2 t + 1 in two
 * products, and they trade words.
 */
#ifndef CUDROP_KERNEL_ATTEND_KEYS_PART_CUH
#define CUDROP_KERNEL_ATTEND_KEYS_PART_CUH

#include "attend/attend_slope.cuh"

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
  cudropi_range_t seers;
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
      const int begin = cudropi_first_seen(sight, query);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int own = key + 2 * (lane / 4) + h;
        if (own >= seen || own < begin) s[n].at[2 * h + e] = hidden;
      }
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
  const bool all = (from + 16 <= queries) &
                   cudropi_all_see(head.sight, from, 16, state.first, 16 * tiles);
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
      cudrop_device_trade(
          cudropi_draw_group(mask, head.groups, from + 8 * (g >> 1 & 1) + 2 * t + (g & 1),
                             key / CUDROPI_CHUNK + g / 4),
          cudropi_lane(), 4, word);
    cudropi_keys_slopes<Type>(slopes, row, word, s[a], dp[a], p[a], ds[a]);
  }
  cudropi_keys_add<Type>(shared, p, ds, state);
}

#endif /* CUDROP_KERNEL_ATTEND_KEYS_PART_CUH */
