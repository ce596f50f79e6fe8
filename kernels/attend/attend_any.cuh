/* attend_any.cuh - O = drop(softmax(scale Q K^T)) V for any type, head size, strides and mask */
#ifndef CUDROP_KERNEL_ATTEND_ANY_CUH
#define CUDROP_KERNEL_ATTEND_ANY_CUH

#include "attend/attend_row.cuh"

/* The state of a warp's left rows; each lane has the sums of its own keys and columns. */
struct cudropi_attend_softmax_t {
  float most[CUDROPI_ATTEND_LEFT];
  float sum[CUDROPI_ATTEND_LEFT]; /* of e^(score - most) */
  cudropi_attend_sums_t o;        /* of e^(score - most) V, of kept weights */
};

/* Take in the score of the lane's key for left row r. Returns e^(score - most). */
CUDROPI_DEVICE float cudropi_attend_weigh(cudropi_attend_softmax_t &state, int r,
                                          float score) {
  const float before = state.most[r],
              most = fmaxf(before, cudropi_row_max(CUDROPI_WARP, score, nullptr));
  const float reference = most == -INFINITY ? 0.0f : most;
  const float factor = cudropi_exp_to_zero(before - reference);
  const float weight = cudropi_exp_to_zero(score - reference);
  state.most[r] = most;
  state.sum[r] = state.sum[r] * factor + weight;
  if (factor != 1.0f) {
#pragma unroll
    for (int turn = 0; turn < CUDROPI_ATTEND_TURNS; ++turn)
      state.o[r][turn] = state.o[r][turn] * factor;
  }
  return weight;
}

/* Store o and lse. */
template <class Type>
CUDROPI_DEVICE void cudropi_attend_end(const cudropi_attend_args_t &args,
                                       const cudropi_rows_mask_t &mask,
                                       const cudropi_attend_queries_t &queries,
                                       const cudropi_attend_softmax_t &state,
                                       cudropi_attend_held_t<1> &held) {
  __syncwarp();
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
    const float sum = cudropi_row_sum(CUDROPI_WARP, state.sum[r], nullptr);
    const bool is_zero = sum == 0.0f || cudropi_drops_all(args, mask);
    cudropi_attend_finish(args, r, is_zero ? 0.0f : mask.schedule.scale / sum, state.o,
                          held.left[0][r]);
    if (r < queries.n && cudropi_lane() == 0)
      cudropi_row_write(args, CUDROPI_ATTEND_LSE, queries.row + r,
                        state.most[r] + logf(sum));
  }
  __syncwarp();
#pragma unroll 1
  for (int r = 0; r < queries.n; ++r)
    cudropi_attend_store<Type>(
        args, CUDROPI_ATTEND_O,
        cudropi_attend_place(args, CUDROPI_ATTEND_O, queries.row + r), held.left[0][r]);
}

template <class Type>
CUDROPI_DEVICE void cudropi_attend_task(const cudropi_attend_args_t &args,
                                        const cudropi_rows_mask_t &mask, int64_t task,
                                        cudropi_attend_held_t<1> &held) {
  const cudropi_attend_queries_t queries = cudropi_attend_begin(args, task);
  const int64_t k = cudropi_attend_place(args, CUDROPI_ATTEND_K, queries.row),
                v = cudropi_attend_place(args, CUDROPI_ATTEND_V, queries.row);
  const int64_t k_stride = args.options.key_stride[CUDROPI_ATTEND_K],
                v_stride = args.options.key_stride[CUDROPI_ATTEND_V];
  cudropi_attend_softmax_t state = {};
#pragma unroll
  for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
    const bool is_there = r < queries.n;
    state.most[r] = -INFINITY;
    cudropi_attend_load_left<Type>(
        args, CUDROPI_ATTEND_Q, is_there,
        is_there ? cudropi_attend_place(args, CUDROPI_ATTEND_Q, queries.row + r) : 0,
        args.options.attention.scores_scale, held.left[0][r]);
  }
  __syncwarp();
#pragma unroll 1
  for (int64_t key = cudropi_attend_first(queries.all.begin); key < queries.all.end;
       key += CUDROPI_WARP) {
    const int64_t own = key + cudropi_lane();
    float scores[CUDROPI_ATTEND_LEFT] = {};
    if (cudropi_sees(queries.all, own))
      cudropi_attend_dots<Type>(args, CUDROPI_ATTEND_K, k + own * k_stride, held.left[0],
                                scores);
    const uint32_t kept = cudropi_attend_keep_lane(args, mask, queries, key);
#pragma unroll
    for (int r = 0; r < CUDROPI_ATTEND_LEFT; ++r) {
      const float weight = cudropi_attend_weigh(
          state, r, cudropi_sees(queries.seen[r], own) ? scores[r] : -INFINITY);
      held.weight[0][cudropi_lane()][r] = kept >> r & 1 ? weight : 0.0f;
    }
    if (cudropi_drops_all(args, mask)) continue;
    __syncwarp();
    cudropi_attend_add<Type>(args, CUDROPI_ATTEND_V, v + key * v_stride, v_stride,
                             cudropi_attend_lanes(queries.all, key), held.weight[0],
                             state.o);
    __syncwarp();
  }
  cudropi_attend_end<Type>(args, mask, queries, state, held);
}

template <class Type>
__global__ void __launch_bounds__(CUDROPI_ATTEND_THREADS, CUDROPI_ATTEND_BLOCKS)
    cudropi_attend_any(const __grid_constant__ cudropi_attend_args_t args) {
  SHARED_ARRAY(cudropi_attend_held_t<1>, held, CUDROPI_ATTEND_WARPS);
  CUDROPI_ROWS_MASK(CUDROPI_ROWS_GENERAL, args, mask);
  const int64_t tasks =
      cudropi_attend_tasks(args.rows, args.options.attention.visible.queries);
  cudropi_attend_each(tasks, [&](int64_t task) {
    cudropi_attend_task<Type>(args, mask, task, held[cudropi_warp()]);
  });
}

#endif /* CUDROP_KERNEL_ATTEND_ANY_CUH */
