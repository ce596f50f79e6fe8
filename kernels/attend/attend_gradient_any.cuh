/*
 * attend_gradient_any.cuh - the gradients of Q, K and V for any type, head size, strides and mask
 *
 *   P = e^(scale Q K^T - lse)      dS = P (keep ? dO V^T / (1 - p) : 0  - delta)
 *   dQ = scale dS K                dK = scale dS^T Q          dV = (keep ? P / (1 - p) : 0)^T dO
 */
#ifndef CUDROP_KERNEL_ATTEND_GRADIENT_ANY_CUH
#define CUDROP_KERNEL_ATTEND_GRADIENT_ANY_CUH

#include "attend/attend_row.cuh"

/* dS / scale of one pair, of the weight P and dP = the product of dO and V. */
CUDROPI_DEVICE float cudropi_attend_slope(float weight, float dp, bool is_kept,
                                          float scale, float delta) {
  return weight * ((is_kept ? dp * scale : 0.0f) - delta);
}

/* ---- dQ: queries on the left ------------------------------------------------------------- */

template <class Type>
CUDROPI_DEVICE void cudropi_attend_queries_task(const cudropi_attend_args_t &args,
                                                const cudropi_rows_mask_t &mask,
                                                int64_t task,
                                                cudropi_attend_held_t<2> &held) {
  const cudropi_attend_queries_t queries = cudropi_attend_begin(args, task);
  const int64_t k = cudropi_attend_place(args, CUDROPI_ATTEND_K, queries.row),
                v = cudropi_attend_place(args, CUDROPI_ATTEND_V, queries.row);
  const int64_t k_stride = args.options.key_stride[CUDROPI_ATTEND_K],
                v_stride = args.options.key_stride[CUDROPI_ATTEND_V];
  const float scale = args.options.attention.scores_scale;
  float lse[CUDROPI_ATTEND_LEFT], delta[CUDROPI_ATTEND_LEFT];
  cudropi_attend_sums_t dq = {};
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
    const bool is_there = r < queries.n;
    const int64_t row = is_there ? queries.row + r : queries.row;
    cudropi_attend_load_left<Type>(args, CUDROPI_ATTEND_Q, is_there,
                                   cudropi_attend_place(args, CUDROPI_ATTEND_Q, row),
                                   scale, held.left[0][r]);
    cudropi_attend_load_left<Type>(args, CUDROPI_ATTEND_DOUT, is_there,
                                   cudropi_attend_place(args, CUDROPI_ATTEND_DOUT, row),
                                   1.0f, held.left[1][r]);
    lse[r] = cudropi_attend_lse(args, row);
    delta[r] = args.of_rows[row];
  }
  __syncwarp();
#pragma unroll 1
  for (int64_t key = cudropi_attend_first(queries.all.begin); key < queries.all.end;
       key += CUDROPI_WARP) {
    const int64_t own = key + cudropi_lane();
    float scores[CUDROPI_ATTEND_LEFT] = {}, dp[CUDROPI_ATTEND_LEFT] = {};
    if (cudropi_sees(queries.all, own)) {
      cudropi_attend_dots<Type>(args, CUDROPI_ATTEND_K, k + own * k_stride, held.left[0],
                                scores);
      cudropi_attend_dots<Type>(args, CUDROPI_ATTEND_V, v + own * v_stride, held.left[1],
                                dp);
    }
    const uint32_t kept = cudropi_attend_keep_lane(args, mask, queries, key);
#pragma unroll
    for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
      const float weight = cudropi_exp_to_zero(scores[r] - lse[r]);
      const float slope = cudropi_attend_slope(weight, dp[r], kept >> r & 1,
                                               mask.schedule.scale, delta[r]);
      held.weight[0][cudropi_lane()][r] =
          cudropi_sees(queries.seen[r], own) ? slope : 0.0f;
    }
    __syncwarp();
    cudropi_attend_add<Type>(args, CUDROPI_ATTEND_K, k + key * k_stride, k_stride,
                             cudropi_attend_lanes(queries.all, key), held.weight[0], dq);
    __syncwarp();
  }
  cudropi_attend_store_sums<Type>(
      args, CUDROPI_ATTEND_DQ, cudropi_attend_place(args, CUDROPI_ATTEND_DQ, queries.row),
      cudropi_query_stride(args, CUDROPI_ATTEND_DQ), (1u << queries.n) - 1, scale, dq,
      held.left[0]);
}

template <class Type>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_ATTEND_BLOCKS)
    cudropi_attend_queries_any(const __grid_constant__ cudropi_attend_args_t args) {
  SHARED_ARRAY(cudropi_attend_held_t<2>, held, CUDROPI_ATTEND_WARPS);
  CUDROPI_ROWS_MASK(CUDROPI_ROWS_GENERAL, args, mask);
  const int64_t tasks =
      cudropi_attend_tasks(args.rows, args.options.attention.visible.queries);
  cudropi_attend_each(tasks, [&](int64_t task) {
    cudropi_attend_queries_task<Type>(args, mask, task, held[cudropi_warp()]);
  });
}

/* ---- dK and dV: keys on the left --------------------------------------------------------- */

/* The left rows of a warp: 4 keys, or fewer at the end, from `key` on, of the heads whose rows are
 * [row, end). As bits: those that are there, and those that a query may see. */
struct cudropi_attend_keys_t {
  int64_t row, end, key;
  uint32_t there, seen;
};

/* The keys that the rows [row, end) see, and those between. */
CUDROPI_DEVICE cudropi_seen_t cudropi_see_all(const cudropi_visible_t &visible,
                                              int64_t row, int64_t end) {
  cudropi_seen_t all = {};
#pragma unroll 1
  for (int64_t r = row + cudropi_lane(); r < end; r += CUDROPI_WARP)
    all = cudropi_join(all, cudropi_find_seen(&visible, r));
#pragma unroll
  for (int distance = CUDROPI_WARP / 2; distance > 0; distance /= 2)
    all = cudropi_join(all, {__shfl_xor_sync(0xffffffffu, all.begin, distance),
                             __shfl_xor_sync(0xffffffffu, all.end, distance)});
  return all;
}

/* Those of 4 keys from `key` on that are seen. */
CUDROPI_DEVICE uint32_t cudropi_attend_four(const cudropi_seen_t &seen, int64_t key) {
  return cudropi_attend_lanes(seen, key) & ((1u << CUDROPI_ATTEND_LEFT) - 1);
}

CUDROPI_DEVICE cudropi_attend_keys_t
cudropi_attend_begin_keys(const cudropi_attend_args_t &args, int64_t task) {
  const cudropi_visible_t &visible = args.options.attention.visible;
  const int64_t rows = args.options.group * visible.queries;
  const int64_t in_head = cudropi_attend_tasks(visible.keys, visible.keys);
  const int64_t head = task / in_head;
  cudropi_attend_keys_t keys = {};
  keys.row = head * rows;
  keys.end = keys.row + rows;
  keys.key = (task - head * in_head) * CUDROPI_ATTEND_LEFT;
  keys.there = cudropi_attend_four({0, visible.keys}, keys.key);
  keys.seen = cudropi_attend_four(cudropi_see_all(visible, keys.row, keys.end), keys.key);
  return keys;
}

/* Make the weights of the lane's query: of dV, drop(P), and of dK, dS / scale. False if the query
 * sees none of the keys. */
template <class Type>
CUDROPI_DEVICE bool cudropi_attend_weigh_query(const cudropi_attend_args_t &args,
                                               const cudropi_rows_mask_t &mask,
                                               const cudropi_attend_keys_t &keys,
                                               int64_t row,
                                               cudropi_attend_held_t<2> &held) {
  const cudropi_visible_t &visible = args.options.attention.visible;
  const uint32_t seen = cudropi_attend_four(cudropi_find_seen(&visible, row), keys.key);
  float scores[CUDROPI_ATTEND_LEFT], dp[CUDROPI_ATTEND_LEFT];
  if (seen == 0) return false;
  cudropi_attend_dots<Type>(args, CUDROPI_ATTEND_Q,
                            cudropi_attend_place(args, CUDROPI_ATTEND_Q, row),
                            held.left[0], scores);
  cudropi_attend_dots<Type>(args, CUDROPI_ATTEND_DOUT,
                            cudropi_attend_place(args, CUDROPI_ATTEND_DOUT, row),
                            held.left[1], dp);
  const uint32_t kept = cudropi_attend_keep(args, mask, row, keys.key, seen);
  const float lse = cudropi_attend_lse(args, row), delta = args.of_rows[row];
  const float scale = mask.schedule.scale;
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
    const bool is_kept = kept >> r & 1, is_seen = seen >> r & 1;
    const float weight = is_seen ? cudropi_exp_to_zero(scores[r] - lse) : 0.0f;
    const float slope = cudropi_attend_slope(weight, dp[r], is_kept, scale, delta);
    held.weight[0][cudropi_lane()][r] = is_seen && is_kept ? weight * scale : 0.0f;
    held.weight[1][cudropi_lane()][r] = is_seen ? slope : 0.0f;
  }
  return true;
}

template <class Type>
CUDROPI_DEVICE void cudropi_attend_keys_task(const cudropi_attend_args_t &args,
                                             const cudropi_rows_mask_t &mask,
                                             const cudropi_attend_keys_t &keys,
                                             cudropi_attend_held_t<2> &held) {
  const int64_t queries = args.options.attention.visible.queries;
  cudropi_attend_sums_t dk = {}, dv = {};
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
    const int64_t key = keys.key + r;
    cudropi_attend_load_left<Type>(
        args, CUDROPI_ATTEND_K, keys.seen >> r & 1,
        cudropi_attend_place(args, CUDROPI_ATTEND_K, keys.row) +
            key * args.options.key_stride[CUDROPI_ATTEND_K],
        args.options.attention.scores_scale, held.left[0][r]);
    cudropi_attend_load_left<Type>(
        args, CUDROPI_ATTEND_V, keys.seen >> r & 1,
        cudropi_attend_place(args, CUDROPI_ATTEND_V, keys.row) +
            key * args.options.key_stride[CUDROPI_ATTEND_V],
        1.0f, held.left[1][r]);
  }
  __syncwarp();
#pragma unroll 1
  for (int64_t head = keys.row; head < keys.end; head += queries) {
#pragma unroll 1
    for (int64_t at = 0; at < queries; at += CUDROPI_WARP) {
      const int64_t own = at + cudropi_lane();
      const bool sees = own < queries && cudropi_attend_weigh_query<Type>(
                                             args, mask, keys, head + own, held);
      const uint32_t wanted = __ballot_sync(0xffffffffu, sees);
      if (wanted == 0) continue;
      __syncwarp(); /* a vote orders no memory */
      cudropi_attend_add<Type>(args, CUDROPI_ATTEND_DOUT,
                               cudropi_attend_place(args, CUDROPI_ATTEND_DOUT, head + at),
                               cudropi_query_stride(args, CUDROPI_ATTEND_DOUT), wanted,
                               held.weight[0], dv);
      cudropi_attend_add<Type>(
          args, CUDROPI_ATTEND_Q, cudropi_attend_place(args, CUDROPI_ATTEND_Q, head + at),
          cudropi_query_stride(args, CUDROPI_ATTEND_Q), wanted, held.weight[1], dk);
      __syncwarp();
    }
  }
  const int operands[] = {CUDROPI_ATTEND_DK, CUDROPI_ATTEND_DV};
#pragma unroll
  for (int side = 0; side < 2; ++side) {
    const int operand = operands[side];
    if (!cudropi_attend_has(args, operand)) continue;
    const int64_t stride = args.options.key_stride[operand];
    cudropi_attend_store_sums<Type>(
        args, operand, cudropi_attend_place(args, operand, keys.row) + keys.key * stride,
        stride, args.adds_to_data ? keys.seen : keys.there,
        side == 0 ? args.options.attention.scores_scale : 1.0f, side == 0 ? dk : dv,
        held.left[side]);
  }
}

template <class Type>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_ATTEND_BLOCKS)
    cudropi_attend_keys_any(const __grid_constant__ cudropi_attend_args_t args) {
  SHARED_ARRAY(cudropi_attend_held_t<2>, held, CUDROPI_ATTEND_WARPS);
  CUDROPI_ROWS_MASK(CUDROPI_ROWS_GENERAL, args, mask);
  const cudropi_visible_t &visible = args.options.attention.visible;
  const int64_t rows = args.options.group * visible.queries;
  const int64_t in_head = cudropi_attend_tasks(visible.keys, visible.keys);
  const int64_t tasks = args.rows / rows * in_head;
  cudropi_attend_each(tasks, [&](int64_t task) {
    cudropi_attend_keys_task<Type>(args, mask, cudropi_attend_begin_keys(args, task),
                                   held[cudropi_warp()]);
  });
}

#endif /* CUDROP_KERNEL_ATTEND_GRADIENT_ANY_CUH */
